{{/* Text of a value. Whole numbers have no exponent: Helm would print 64000000 as 6.4e+07. */}}
{{- define "gridpress.text" -}}
{{- if kindIs "map" . -}}
{{- toJson . -}}
{{- else if and (kindIs "float64" .) (eq . (floor .)) -}}
{{- printf "%.0f" . -}}
{{- else -}}
{{- toString . -}}
{{- end -}}
{{- end }}

{{/* Secret files of a role, as YAML lines (file: [Secret, key]). No secret is in an environment variable. */}}
{{- define "gridpress.secretFiles" -}}
{{- $v := .root.Values -}}
{{- $made := printf "%s-evaluation" (include "gridpress.fullname" .root) -}}
{{- $signs := has .component (list "api" "delivery" "batches") -}}
{{- if eq .component "prefetch" -}}
{{- else if $v.evaluation.enabled -}}
{{- range concat (list "redis_url" "s3_access_key" "s3_secret_key") (and $signs (not $v.webhooks.existingSecret) | ternary (list "webhook_secret") (list)) }}
{{ . }}: [{{ $made }}, {{ . }}]
{{- end }}
{{- else }}
{{- with $v.redis.existingSecret }}
redis_url: [{{ . }}, {{ $v.redis.urlKey }}]
{{- end }}
{{- if and (eq $v.objectStore.credentials "secret") (ne .component "keys") }}
s3_access_key: [{{ $v.objectStore.existingSecret }}, {{ $v.objectStore.accessKeyKey }}]
s3_secret_key: [{{ $v.objectStore.existingSecret }}, {{ $v.objectStore.secretKeyKey }}]
{{- end }}
{{- end }}
{{- if and $v.webhooks.existingSecret $signs }}
webhook_secret: [{{ $v.webhooks.existingSecret }}, {{ $v.webhooks.secretKey }}]
{{- if ne .component "batches" }}
webhook_signing_key: [{{ $v.webhooks.existingSecret }}, {{ $v.webhooks.signingKeyKey }}]
{{- end }}
{{- end }}
{{- if has .component (list "api" "delivery" "upkeep") }}
{{- if $v.buckets.existingSecret }}
sealing_key: [{{ $v.buckets.existingSecret }}, {{ $v.buckets.key }}]
{{- else if $v.evaluation.enabled }}
sealing_key: [{{ $made }}, sealing_key]
{{- end }}
{{- end }}
{{- if and (eq .component "delivery") $v.contentHooks.existingSecret }}
content_hook_secret: [{{ $v.contentHooks.existingSecret }}, {{ $v.contentHooks.key }}]
{{- end }}
{{- if and (eq .component "enhance") $v.enhance.existingSecret }}
enhance_api_key: [{{ $v.enhance.existingSecret }}, {{ $v.enhance.key }}]
{{- end }}
{{- if eq .component "keys" }}
api_key: [{{ include "gridpress.apiKeySecret" .root }}, {{ $v.evaluation.enabled | ternary "api_key" $v.apiKey.key }}]
{{- end }}
{{- end }}

{{/* Environment variables of a role, which contain no secret. Takes a dict of root and component. */}}
{{- define "gridpress.env" -}}
{{- $root := .root -}}
{{- $v := .root.Values -}}
{{- $component := .component -}}
{{- $env := dict
  "GRIDPRESS_PUBLIC_URL" (include "gridpress.publicUrl" .root)
  "GRIDPRESS_DURABILITY" $v.redis.durability
  "GRIDPRESS_DRAIN_GRACE_S" (include "gridpress.text" $v.drainGraceS)
  "GRIDPRESS_DATA_DIR" "/var/lib/gridpress"
  "GRIDPRESS_READY_FILE" "/run/gridpress/ready"
  "GRIDPRESS_METRICS_PORT" (include "gridpress.text" $v.metrics.port)
  "GRIDPRESS_METRICS_HOST" "0.0.0.0"
  "GRIDPRESS_S3_BUCKET" $v.objectStore.bucket
  "GRIDPRESS_S3_REGION" $v.objectStore.region
  "GRIDPRESS_S3_LINKS" ($v.evaluation.enabled | ternary "streamed" $v.objectStore.links)
-}}
{{- with $v.evaluation.enabled | ternary (printf "http://%s-evaluation-s3:8333" (include "gridpress.fullname" .root)) $v.objectStore.endpointUrl }}
{{- $_ := set $env "GRIDPRESS_S3_ENDPOINT_URL" . }}
{{- end }}
{{- with $v.objectStore.publicEndpointUrl }}{{- $_ := set $env "GRIDPRESS_S3_PUBLIC_ENDPOINT_URL" . }}{{- end }}
{{- if and $v.redis.url (not $v.evaluation.enabled) }}{{- $_ := set $env "GRIDPRESS_REDIS_URL" $v.redis.url }}{{- end }}
{{- if $v.redis.caSecret }}{{- $_ := set $env "GRIDPRESS_REDIS_CA_FILE" "/etc/gridpress/redis-ca/ca.crt" }}{{- end }}
{{- if $v.redis.clientSecret }}
{{- $_ := set $env "GRIDPRESS_REDIS_CERT_FILE" "/etc/gridpress/redis-client/tls.crt" }}
{{- $_ := set $env "GRIDPRESS_REDIS_KEY_FILE" "/etc/gridpress/redis-client/tls.key" }}
{{- end }}
{{- range $file, $_from := include "gridpress.secretFiles" . | fromYaml }}
{{- $_ := set $env (printf "GRIDPRESS_%s_FILE" (upper $file)) (printf "/etc/gridpress/secrets/%s" $file) }}
{{- end }}
{{- if eq $component "api" }}
{{- $_ := set $env "GRIDPRESS_HOST" "0.0.0.0" }}
{{- $_ := set $env "GRIDPRESS_PORT" (include "gridpress.text" $v.api.port) }}
{{- with $v.trustedProxies }}{{- $_ := set $env "GRIDPRESS_TRUSTED_PROXIES" . }}{{- end }}
{{- end }}
{{- if has $component (list "ar" "dit") }}{{- $_ := set $env "GRIDPRESS_MODEL" (include "gridpress.model" .root) }}{{- end }}
{{- if and $v.enhance.enabled (has $component (list "api" "enhance" "batches")) }}
{{- $_ := set $env "GRIDPRESS_ENHANCE_BASE_URL" $v.enhance.baseUrl }}
{{- end }}
{{- with $v.tracing.endpoint }}{{- $_ := set $env "OTEL_EXPORTER_OTLP_ENDPOINT" . }}{{- end }}
{{- range $name, $value := merge (dict) (dig $component "settings" (dict) ($v | toYaml | fromYaml)) $v.settings }}
{{- $_ := set $env (printf "GRIDPRESS_%s" (upper $name)) (include "gridpress.text" $value) }}
{{- end }}
{{- range $name, $value := $env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}
