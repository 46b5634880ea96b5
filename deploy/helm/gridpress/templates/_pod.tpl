{{- define "gridpress.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "gridpress.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
capabilities: {drop: [ALL]}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{/* Resources of Jobs and helper containers, which do little work. */}}
{{- define "gridpress.smallResources" -}}
requests: {cpu: 100m, memory: 128Mi}
limits: {memory: 512Mi}
{{- end }}

{{- define "gridpress.mounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: run, mountPath: /run/gridpress}
- {name: data, mountPath: /var/lib/gridpress}
{{- if include "gridpress.secretFiles" . | fromYaml }}
- {name: secrets, mountPath: /etc/gridpress/secrets, readOnly: true}
{{- end }}
{{- if .root.Values.redis.caSecret }}
- {name: redis-ca, mountPath: /etc/gridpress/redis-ca, readOnly: true}
{{- end }}
{{- if .root.Values.redis.clientSecret }}
- {name: redis-client, mountPath: /etc/gridpress/redis-client, readOnly: true}
{{- end }}
{{- end }}

{{- define "gridpress.volumes" -}}
- name: tmp
  emptyDir: {}
- name: run
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: data
  emptyDir: {}
{{- with include "gridpress.secretFiles" . | fromYaml }}
- name: secrets
  projected:
    defaultMode: 0440
    sources:
      {{- range $file, $from := . }}
      - secret: {name: {{ index $from 0 }}, items: [{key: {{ index $from 1 | quote }}, path: {{ $file }}}]}
      {{- end }}
{{- end }}
{{- with .root.Values.redis.caSecret }}
- name: redis-ca
  secret: {secretName: {{ . }}, defaultMode: 0440, items: [{key: {{ $.root.Values.redis.caKey | quote }}, path: ca.crt}]}
{{- end }}
{{- with .root.Values.redis.clientSecret }}
- name: redis-client
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{- define "gridpress.probes" -}}
{{- if eq .component "api" }}
{{- $get := printf "{path: /healthz, port: http, httpHeaders: [{name: Host, value: %s}]}" "localhost" }}
startupProbe:
  httpGet: {{ $get }}
  periodSeconds: 2
  failureThreshold: 150
{{- /* /healthz passes during an outage of a store, so that the API stays reachable and reports the outage to clients. */}}
readinessProbe:
  httpGet: {{ $get }}
  periodSeconds: 5
  timeoutSeconds: 3
livenessProbe:
  httpGet: {{ $get }}
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 6
{{- else }}
{{- /* No liveness probe: the worker's watchdog knows how long a step lasts, and ends a hanging process with status 75. */}}
startupProbe:
  exec: {command: [test, -f, /run/gridpress/ready]}
  periodSeconds: {{ .isGpu | ternary 10 2 }}
  failureThreshold: {{ .isGpu | ternary (div (add (int (default 0 .role.startupTimeoutS)) 9) 10) 150 }}
readinessProbe:
  exec: {command: [test, -f, /run/gridpress/ready]}
  periodSeconds: 5
{{- end }}
{{- end }}

{{/* Renders the Deployment of a role. Takes a dict of root and component. */}}
{{- define "gridpress.deployment" -}}
{{- $root := .root -}}
{{- $component := .component -}}
{{- $v := .root.Values -}}
{{- $role := merge (deepCopy (index ($v | toYaml | fromYaml) $component)) ($v.defaults | toYaml | fromYaml) -}}
{{- $isStage := has $component (list "ar" "dit") -}}
{{- $isGpu := and $isStage (not (include "gridpress.isSimulated" $root)) | ternary true false -}}
{{- $image := eq $component "api" | ternary "api" ($isGpu | ternary "gpu" "worker") -}}
{{- $isScaled := and $isStage $v.keda.enabled -}}
{{- $context := dict "root" $root "component" $component "role" $role "isGpu" $isGpu -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "gridpress.fullname" $root }}-{{ $component }}
  labels: {{- include "gridpress.labels" (list $root $component) | nindent 4 }}
spec:
  {{- if not $isScaled }}
  replicas: {{ $role.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  progressDeadlineSeconds: {{ $isGpu | ternary (add (int (default 0 $role.startupTimeoutS)) 600) 600 }}
  strategy:
    type: RollingUpdate
    {{- /* A GPU is free only after its pod has ended, so a stage gets no surge pod. */}}
    rollingUpdate: {{ $isStage | ternary "{maxSurge: 0, maxUnavailable: 1}" "{maxSurge: 1, maxUnavailable: 0}" }}
  selector:
    matchLabels: {{- include "gridpress.selector" (list $root $component) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "gridpress.labels" (list $root $component) | nindent 8 }}
        {{- with $role.podLabels }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- with $role.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "gridpress.serviceAccount" $root }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ include "gridpress.graceS" (dict "Values" $v "component" $component) }}
      securityContext: {{- include "gridpress.podSecurity" $root | nindent 8 }}
      {{- with $v.images.pullSecrets }}
      imagePullSecrets: {{- range . }}{{ list (dict "name" .) | toYaml | nindent 8 }}{{ end }}
      {{- end }}
      {{- with $role.priorityClassName }}
      priorityClassName: {{ . }}
      {{- end }}
      {{- with $role.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $role.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $role.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{- include "gridpress.selector" (list $root $component) | nindent 14 }}
      {{- if and $isGpu $v.prefetch.enabled }}
      initContainers:
        - name: weights
          image: {{ include "gridpress.image" (list $root "worker") }}
          imagePullPolicy: {{ $v.images.pullPolicy }}
          command: [tini, --, sh, -c, 'until [ -d "$0" ]; do sleep 5; done', {{ include "gridpress.model" $root | quote }}]
          resources: {{- include "gridpress.smallResources" $root | nindent 12 }}
          securityContext: {{- include "gridpress.containerSecurity" $root | nindent 12 }}
          volumeMounts: [{name: weights, mountPath: /weights, readOnly: true}]
      {{- end }}
      containers:
        - name: {{ $component }}
          image: {{ include "gridpress.image" (list $root $image) }}
          imagePullPolicy: {{ $v.images.pullPolicy }}
          args: [python, -m, {{ eq $component "api" | ternary "api" (printf "workers.%s" $component) }}]
          env:
            {{- include "gridpress.env" $context | nindent 12 }}
            {{- with $role.extraEnv }}{{ toYaml . | nindent 12 }}{{ end }}
          ports:
            {{- if eq $component "api" }}
            - {name: http, containerPort: {{ $v.api.port }}}
            {{- end }}
            - {name: metrics, containerPort: {{ $v.metrics.port }}}
          {{- include "gridpress.probes" $context | nindent 10 }}
          {{- if eq $component "api" }}
          {{- /* Requests still arrive until every node knows that the pod is ending, so the pod waits 10 s before it stops. */}}
          lifecycle: {preStop: {exec: {command: [sleep, "10"]}}}
          {{- end }}
          resources: {{- include "gridpress.resources" $context | nindent 12 }}
          securityContext: {{- include "gridpress.containerSecurity" $root | nindent 12 }}
          volumeMounts:
            {{- include "gridpress.mounts" $context | nindent 12 }}
            {{- if $isGpu }}
            - {name: shm, mountPath: /dev/shm}
            - {name: cache, mountPath: /var/cache/gridpress}
            {{- if include "gridpress.weightsClaim" $root }}
            - {name: weights, mountPath: /weights, readOnly: true}
            {{- end }}
            {{- end }}
            {{- with $role.extraVolumeMounts }}{{ toYaml . | nindent 12 }}{{ end }}
      volumes:
        {{- include "gridpress.volumes" $context | nindent 8 }}
        {{- if $isGpu }}
        - name: shm
          emptyDir: {medium: Memory, sizeLimit: {{ $role.shmSize }}}
        - name: cache
          emptyDir: {sizeLimit: {{ $role.cacheSize }}}
        {{- with include "gridpress.weightsClaim" $root }}
        - name: weights
          persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}
        {{- end }}
        {{- end }}
        {{- with $role.extraVolumes }}{{ toYaml . | nindent 8 }}{{ end }}
{{- end }}

{{- define "gridpress.resources" -}}
{{- $resources := deepCopy .role.resources -}}
{{- if and .isGpu (gt (int .role.gpu.count) 0) -}}
{{- $limits := merge (dict .role.gpu.resource (int .role.gpu.count)) (default (dict) $resources.limits) -}}
{{- $_ := set $resources "limits" $limits -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end }}

{{/* Node selector and tolerations of pods that belong to no role: Jobs and the stores of an evaluation. */}}
{{- define "gridpress.placement" -}}
{{- with .Values.defaults.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.defaults.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
