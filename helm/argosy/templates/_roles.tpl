{{/*
The roles that run as Deployments: for each, what makes it different from the others. Everything that all of them have
(Deployment, ServiceAccount, PodDisruptionBudget, policies, monitors) is made from this list.
  program   of the image, below dist/apps
  image     app or browser
  values    its part of values.yaml
  port      of its probes and metrics, by name
  calls     whom it connects to: stores, objects, model, groups, egress, internet, cluster
  visits, searches   of tool workers: what their kinds of calls make them do
  scaled    something else says how many pods there are
  preStop   seconds in which Services learn that the pod is going, before it is told to stop
*/}}
{{- define "argosy.roles" -}}
{{- $objects := ternary ", objects" "" (not (empty .Values.objects.endpoint)) }}
gateway:
  program: gateway
  image: app
  port: api
  calls: [stores{{ $objects }}{{ if include "argosy.groupNames" . | fromYamlArray }}, groups{{ end }}]
  scaled: {{ .Values.gateway.autoscaling.enabled }}
  preStop: {{ .Values.gateway.preStopSeconds }}
  values: {{- toYaml .Values.gateway | nindent 4 }}
dispatcher:
  program: dispatcher
  image: app
  port: health
  calls: [stores{{ $objects }}]
  preStop: 0
  values: {{- toYaml .Values.dispatcher | nindent 4 }}
agent-worker:
  program: agent-worker
  image: app
  port: health
  calls: [stores{{ $objects }}, model]
  scaled: {{ eq .Values.autoscaler.mode "argosy" }}
  preStop: 0
  values: {{- toYaml .Values.agentWorker | nindent 4 }}
{{- range $name, $pool := include "argosy.toolPools" . | fromYaml }}
tool-{{ $name }}:
  program: tool-worker
  image: {{ ternary "browser" "app" $pool.values.browser }}
  port: health
  calls: {{ $pool.calls | toJson }}
  visits: {{ $pool.visits }}
  searches: {{ $pool.searches }}
  scaled: {{ or $pool.values.autoscaling.enabled $pool.scaled }}
  preStop: 0
  values: {{- toYaml $pool.values | nindent 4 }}
{{- end }}
{{- if eq .Values.autoscaler.mode "argosy" }}
autoscaler:
  program: autoscaler
  image: app
  port: health
  calls: [stores, cluster{{ if eq (include "argosy.groupsScaled" .) "true" }}, groups{{ end }}]
  preStop: 0
  values: {{- toYaml .Values.autoscaler | nindent 4 }}
{{- end }}
{{- if .Values.egress.enabled }}
egress:
  program: egress
  image: app
  port: health
  calls: [internet]
  preStop: {{ .Values.egress.preStopSeconds }}
  values: {{- toYaml .Values.egress | nindent 4 }}
{{- end }}
{{- end }}

{{/*
The pools of tool workers that there are, by name, with what follows from their kinds:
  visits    they open pages, and ask models to read them
  searches  they ask providers of searches, or of works
  scaled    Argosy's autoscaler says how many pods there are
A pool of scholar alone is left out where no provider knows works: nobody would call it.
*/}}
{{- define "argosy.toolPools" -}}
{{- $providers := .Values.search.providers | default "none" }}
{{- $hasWorks := regexMatch "(^|,)(openalex|crossref|arxiv)(=|,|$)" $providers }}
{{- $out := ternary "egress" "internet" .Values.egress.enabled }}
{{- range $name, $pool := .Values.toolWorkers.pools }}
{{- $pool = mergeOverwrite (deepCopy $.Values.toolWorkers.defaults) $pool }}
{{- $visits := or (empty $pool.kinds) (has "visit" $pool.kinds) (has "browser" $pool.kinds) }}
{{- $searches := or (empty $pool.kinds) (has "search" $pool.kinds) (has "scholar" $pool.kinds) }}
{{- $idle := and (eq (join "," $pool.kinds) "scholar") (not $hasWorks) }}
{{- if and $pool.enabled (not $idle) }}
{{- $calls := list "stores" }}
{{- if $.Values.objects.endpoint }}{{- $calls = append $calls "objects" }}{{- end }}
{{- if $visits }}{{- $calls = append $calls "model" }}{{- end }}
{{- if or $visits (ne $providers "none") }}{{- $calls = append $calls $out }}{{- end }}
{{ $name }}:
  calls: {{ $calls | toJson }}
  visits: {{ $visits }}
  searches: {{ $searches }}
  scaled: {{ and (eq $.Values.autoscaler.mode "argosy") (hasKey $.Values.autoscaler.toolWorkers $name) }}
  values: {{- toYaml $pool | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Some pool takes over visits that need a browser; empty where none does. */}}
{{- define "argosy.hasBrowserPool" -}}
{{- range include "argosy.toolPools" . | fromYaml }}
{{- if and .values.browser (or (empty .values.kinds) (has "browser" .values.kinds)) }}yes{{- end }}
{{- end }}
{{- end }}
