{{/* Name of this release, of which every object's name begins: two releases fit into one namespace. */}}
{{- define "argosy.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains "argosy" .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-argosy" .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{/* What selects pods; never changes in the life of a release. Takes (dict "root" $ "name" role). */}}
{{- define "argosy.selector" -}}
app.kubernetes.io/name: argosy
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{- define "argosy.labels" -}}
{{ include "argosy.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* Takes (dict "root" $ "name" role). */}}
{{- define "argosy.metadata" -}}
name: {{ include "argosy.fullname" .root }}-{{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "argosy.labels" . | nindent 2 }}
{{- end }}

{{/* Of an image of ours: (dict "root" $ "kind" "app|browser|inference"). By digest where one is given. */}}
{{- define "argosy.image" -}}
{{- $image := index .root.Values.images .kind -}}
{{- $repository := printf "%s%s" (ternary (printf "%s/" .root.Values.images.registry) "" (ne .root.Values.images.registry "")) $image.repository -}}
{{- if $image.digest -}}
{{ $repository }}@{{ $image.digest }}
{{- else -}}
{{ $repository }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* Where the stores' addresses and the keys of the API are: our own secret, or one that is there already. */}}
{{- define "argosy.databaseSecret" -}}
{{- if .Values.postgres.enabled -}}
name: {{ include "argosy.fullname" . }}-stores
key: database-url
{{- else -}}
name: {{ .Values.externalPostgres.existingSecret }}
key: {{ .Values.externalPostgres.key }}
{{- end -}}
{{- end }}

{{- define "argosy.redisSecret" -}}
{{- if .Values.redis.enabled -}}
name: {{ include "argosy.fullname" . }}-stores
key: redis-url
{{- else -}}
name: {{ .Values.externalRedis.existingSecret }}
key: {{ .Values.externalRedis.key }}
{{- end -}}
{{- end }}
