{{/*
The roles that run as Deployments: for each, what makes it different from the others. Everything that all of them have
(Deployment, ServiceAccount, PodDisruptionBudget, policies, monitors) is made from this list.
  program   of the image, below dist/apps
  image     app or browser
  values    its part of values.yaml
  port      of its probes and metrics, by name
  calls     whom it connects to: stores, model, egress, internet, cluster
  scaled    something else says how many pods there are
  preStop   seconds in which Services learn that the pod is going, before it is told to stop
*/}}
{{- define "argosy.roles" -}}
gateway:
  program: gateway
  image: app
  port: api
  calls: [stores]
  scaled: {{ .Values.gateway.autoscaling.enabled }}
  preStop: {{ .Values.gateway.preStopSeconds }}
  values: {{- toYaml .Values.gateway | nindent 4 }}
dispatcher:
  program: dispatcher
  image: app
  port: health
  calls: [stores]
  preStop: 0
  values: {{- toYaml .Values.dispatcher | nindent 4 }}
agent-worker:
  program: agent-worker
  image: app
  port: health
  calls: [stores, model]
  scaled: {{ eq .Values.autoscaler.mode "argosy" }}
  preStop: 0
  values: {{- toYaml .Values.agentWorker | nindent 4 }}
{{- range $name, $pool := .Values.toolWorkers.pools }}
{{- if $pool.enabled }}
{{- $pool = mergeOverwrite (deepCopy $.Values.toolWorkers.defaults) $pool }}
tool-{{ $name }}:
  program: tool-worker
  image: {{ ternary "browser" "app" $pool.browser }}
  port: health
  calls: [stores, model, {{ ternary "egress" "internet" $.Values.egress.enabled }}]
  scaled: {{ or $pool.autoscaling.enabled (and (eq $.Values.autoscaler.mode "argosy") $.Values.autoscaler.toolWorker.enabled) }}
  preStop: 0
  values: {{- toYaml $pool | nindent 4 }}
{{- end }}
{{- end }}
{{- if eq .Values.autoscaler.mode "argosy" }}
autoscaler:
  program: autoscaler
  image: app
  port: health
  calls: [stores, cluster]
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

{{- define "argosy.toolPools" -}}
{{- $count := 0 }}
{{- range .Values.toolWorkers.pools }}{{- if .enabled }}{{- $count = add1 $count }}{{- end }}{{- end }}
{{- $count }}
{{- end }}
