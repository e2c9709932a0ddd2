{{/*
The roles that run as Deployments: for each, what makes it different from the others. Everything that all of them have
(Deployment, ServiceAccount, PodDisruptionBudget, policies, monitors) is made from this list.
  program   of the image, below dist/apps
  image     app or browser
  values    its part of values.yaml
  port      of its probes and metrics, by name
  calls     whom it connects to: stores, model, egress, internet
  preStop   seconds in which Services learn that the pod is going, before it is told to stop
*/}}
{{- define "argosy.roles" -}}
gateway:
  program: gateway
  image: app
  port: api
  calls: [stores]
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
  preStop: 0
  values: {{- toYaml .Values.agentWorker | nindent 4 }}
{{- range $name, $pool := .Values.toolWorkers.pools }}
{{- if $pool.enabled }}
tool-{{ $name }}:
  program: tool-worker
  image: {{ ternary "browser" "app" $pool.browser }}
  port: health
  calls: [stores, model, {{ ternary "egress" "internet" $.Values.egress.enabled }}]
  preStop: 0
  values: {{- toYaml (mergeOverwrite (deepCopy $.Values.toolWorkers.defaults) $pool) | nindent 4 }}
{{- end }}
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
