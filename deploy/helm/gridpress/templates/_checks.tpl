{{/* Refuses values that can't work together. Each error is one line that begins with the value's name. */}}
{{- define "gridpress.checks" -}}
{{- $v := .Values -}}
{{- $e := $v.evaluation.enabled -}}
{{- $hasKey := or $e $v.apiKey.existingSecret -}}
{{- if not (or $e $v.redis.existingSecret $v.redis.url) -}}
{{- fail "redis.existingSecret: name a Secret with the store's URL, or set evaluation.enabled=true to try Gridpress" -}}
{{- end -}}
{{- if and $e (or $v.redis.existingSecret $v.redis.url) -}}
{{- fail "evaluation.enabled: it brings a store, so leave redis.existingSecret and redis.url empty" -}}
{{- end -}}
{{- if and $v.redis.existingSecret $v.redis.url -}}
{{- fail "redis.url: redis.existingSecret is set, too; leave one of them empty" -}}
{{- end -}}
{{- if or (contains "@" $v.redis.url) (contains "password=" $v.redis.url) -}}
{{- fail "redis.url: holds a password; put the URL into a Secret and name it in redis.existingSecret" -}}
{{- end -}}
{{- range $where, $url := dict "objectStore.endpointUrl" $v.objectStore.endpointUrl "objectStore.publicEndpointUrl" $v.objectStore.publicEndpointUrl "enhance.baseUrl" $v.enhance.baseUrl "tracing.endpoint" $v.tracing.endpoint "publicUrl" $v.publicUrl -}}
{{- if contains "@" (default "" $url) -}}
{{- fail (printf "%s: holds a login, and pods get this URL in an environment variable; leave the login out" $where) -}}
{{- end -}}
{{- end -}}
{{- if and $v.redis.url (or $v.redis.caSecret $v.redis.clientSecret) (not (or (hasPrefix "rediss://" $v.redis.url) (hasPrefix "sentinels://" $v.redis.url))) -}}
{{- fail "redis.url: certificates are set, so it has to begin with rediss:// or sentinels://" -}}
{{- end -}}
{{- if and (eq $v.redis.durability "relaxed") (not $v.redis.acceptLoss) -}}
{{- fail "redis.durability: relaxed may lose accepted jobs; set redis.acceptLoss=true to confirm this" -}}
{{- end -}}
{{- if and (eq $v.objectStore.credentials "secret") (not $e) (not $v.objectStore.existingSecret) -}}
{{- fail "objectStore.existingSecret: name a Secret with the keys, or set objectStore.credentials=role" -}}
{{- end -}}
{{- if and (eq $v.objectStore.credentials "role") $v.objectStore.existingSecret -}}
{{- fail "objectStore.credentials: role uses no keys, leave objectStore.existingSecret empty" -}}
{{- end -}}
{{- if not (or $e $v.webhooks.existingSecret) -}}
{{- fail "webhooks.existingSecret: API and delivery have to sign with the same secret; name a Secret with the webhook secret and the signing key" -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $v.ingress.host) -}}
{{- fail "ingress.host: an ingress needs the public host" -}}
{{- end -}}
{{- if and $v.ingress.enabled (not $hasKey) -}}
{{- fail "apiKey.existingSecret: a public host needs a key; name a Secret with one (ingress.enabled)" -}}
{{- end -}}
{{- if and $v.gateway.enabled (not $v.gateway.parentRefs) -}}
{{- fail "gateway.parentRefs: an HTTPRoute needs a Gateway" -}}
{{- end -}}
{{- if and $v.gateway.enabled (not $hasKey) -}}
{{- fail "apiKey.existingSecret: a public host needs a key; name a Secret with one (gateway.enabled)" -}}
{{- end -}}
{{- if and (ne $v.service.type "ClusterIP") (not $hasKey) -}}
{{- fail (printf "apiKey.existingSecret: a public port needs a key; name a Secret with one (service.type=%s)" $v.service.type) -}}
{{- end -}}
{{- if and $v.ingress.enabled (hasPrefix "http://" $v.publicUrl) $v.ingress.tlsSecret -}}
{{- fail "publicUrl: the ingress has a certificate, so it has to begin with https://" -}}
{{- end -}}
{{- range $stage := list "ar" "dit" -}}
{{- $range := index $v.keda $stage -}}
{{- if lt (int $range.max) (int $range.min) -}}
{{- fail (printf "keda.%s.max: %d is below keda.%s.min, which is %d" $stage (int $range.max) $stage (int $range.min)) -}}
{{- end -}}
{{- end -}}
{{- if and $v.keda.enabled (not (or $hasKey $v.keda.existingSecret)) -}}
{{- fail "keda.existingSecret: KEDA reads /v1/stats with a key; name a Secret with one, or set apiKey.existingSecret" -}}
{{- end -}}
{{- if eq (int $v.metrics.port) (int $v.api.port) -}}
{{- fail (printf "metrics.port: %d is the API's port, and metrics are not for clients" (int $v.metrics.port)) -}}
{{- end -}}
{{- $least := add $v.drainGraceS 25 -}}
{{- with $v.terminationGracePeriodSeconds -}}
{{- if lt (int .) (int $least) -}}
{{- fail (printf "terminationGracePeriodSeconds: %d is too short, the API needs drainGraceS + 25 = %d" (int .) $least) -}}
{{- end -}}
{{- end -}}
{{- range $where, $settings := dict "settings" $v.settings "ar.settings" $v.ar.settings "dit.settings" $v.dit.settings -}}
{{- if dig "share_device" false $settings -}}
{{- fail (printf "%s.share_device: AR and DiT are pods of their own on Kubernetes, and sharing a device needs a lock file that both pods can open; give each a GPU or a MIG slice" $where) -}}
{{- end -}}
{{- end -}}
{{- if and $v.weights.existingClaim $v.weights.create -}}
{{- fail "weights.create: weights.existingClaim is set, too; leave one of them out" -}}
{{- end -}}
{{- if and $v.prefetch.enabled (not (include "gridpress.weightsClaim" .)) -}}
{{- fail "prefetch.enabled: needs a claim to download into; set weights.existingClaim or weights.create" -}}
{{- end -}}
{{- if and $v.prefetch.enabled (include "gridpress.isSimulated" .) -}}
{{- fail "prefetch.enabled: a simulated model has no weights" -}}
{{- end -}}
{{- if and $v.weights.create (ne $v.weights.accessMode "ReadWriteMany") (or $v.keda.enabled (gt (add $v.ar.replicas $v.dit.replicas) 1)) -}}
{{- fail (printf "weights.accessMode: %s lets one node mount the weights, and there are several GPU pods; use ReadWriteMany, or weights.existingClaim" $v.weights.accessMode) -}}
{{- end -}}
{{- if and $v.enhance.enabled (not $v.enhance.baseUrl) -}}
{{- fail "enhance.baseUrl: enhancement needs the address of a chat endpoint" -}}
{{- end -}}
{{- if and $v.prefetch.enabled (or (hasPrefix "/" $v.model.name) (hasPrefix "." $v.model.name)) -}}
{{- fail (printf "model.name: %s is a folder, and prefetch.enabled downloads a model of the hub" $v.model.name) -}}
{{- end -}}
{{- if and $v.networkPolicy.enabled $v.objectStore.endpointUrl (not $e) -}}
{{- $host := (urlParse $v.objectStore.endpointUrl).host -}}
{{- $port := hasPrefix "https://" $v.objectStore.endpointUrl | ternary "443" "80" -}}
{{- if regexMatch ":[0-9]+$" $host -}}{{- $port = regexFind "[0-9]+$" $host -}}{{- end -}}
{{- if not (has $port (splitList " " (join " " $v.networkPolicy.objectStorePorts))) -}}
{{- fail (printf "networkPolicy.objectStorePorts: lacks %s, the port of objectStore.endpointUrl" $port) -}}
{{- end -}}
{{- end -}}
{{- if and (hasPrefix "presigned" $v.objectStore.links) (contains ".svc" $v.objectStore.endpointUrl) (not $v.objectStore.publicEndpointUrl) -}}
{{- fail "objectStore.links: clients outside can't reach a Service of the cluster; set streamed, or objectStore.publicEndpointUrl" -}}
{{- end -}}
{{- end }}
