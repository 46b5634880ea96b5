{{- define "gridpress.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{- define "gridpress.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "gridpress.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "gridpress.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* Labels that select a role's pods. Takes (list root component). Selectors can't change after the installation. */}}
{{- define "gridpress.selector" -}}
app.kubernetes.io/name: {{ include "gridpress.name" (index . 0) }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "gridpress.labels" -}}
{{ include "gridpress.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end }}

{{- define "gridpress.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "gridpress.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{/* Full name of an image. Takes (list root "api"|"worker"|"gpu"). */}}
{{- define "gridpress.image" -}}
{{- $images := (index . 0).Values.images -}}
{{- $repository := index $images (index . 1) -}}
{{- with $images.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ $repository }}:{{ default (index . 0).Chart.AppVersion $images.tag }}
{{- end }}

{{- define "gridpress.publicUrl" -}}
{{- if .Values.publicUrl -}}
{{- .Values.publicUrl -}}
{{- else if .Values.ingress.enabled -}}
https://{{ .Values.ingress.host }}
{{- else if and .Values.gateway.enabled .Values.gateway.hostnames -}}
https://{{ first .Values.gateway.hostnames }}
{{- else -}}
http://{{ include "gridpress.fullname" . }}-api.{{ .Release.Namespace }}.svc:{{ .Values.api.port }}
{{- end -}}
{{- end }}

{{/* "true" if the model is simulated, so that no model is loaded. */}}
{{- define "gridpress.isSimulated" -}}
{{- if or (eq .Values.model.name "simulate") (hasPrefix "simulate:" .Values.model.name) }}true{{ end -}}
{{- end }}

{{- define "gridpress.weightsClaim" -}}
{{- if .Values.weights.existingClaim -}}
{{- .Values.weights.existingClaim -}}
{{- else if .Values.weights.create -}}
{{- include "gridpress.fullname" . }}-weights
{{- end -}}
{{- end }}

{{- define "gridpress.weightsFolder" -}}
{{- $name := base .Values.model.name -}}
{{- with .Values.model.revision }}{{ $name = printf "%s-%s" $name . }}{{ end -}}
{{- default $name .Values.weights.folder -}}
{{- end }}

{{/* Value of GRIDPRESS_MODEL. All GPU pods need the same value, since a token grid belongs to one model revision. */}}
{{- define "gridpress.model" -}}
{{- if and (include "gridpress.weightsClaim" .) (not (include "gridpress.isSimulated" .)) -}}
/weights/{{ include "gridpress.weightsFolder" . }}
{{- else -}}
{{- .Values.model.name -}}
{{- end -}}
{{- end }}

{{- define "gridpress.graceS" -}}
{{- $least := add .Values.drainGraceS 15 (index (dict "api" 10) .component | default 0) -}}
{{- default $least .Values.terminationGracePeriodSeconds -}}
{{- end }}

{{/* Name of the Secret with the API key: apiKey.existingSecret, or the Secret that an evaluation creates. */}}
{{- define "gridpress.apiKeySecret" -}}
{{- .Values.evaluation.enabled | ternary (printf "%s-evaluation" (include "gridpress.fullname" .)) .Values.apiKey.existingSecret -}}
{{- end }}
