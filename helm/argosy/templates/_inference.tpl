{{/*
Inference groups. Each is a StatefulSet of its own, so that one can be started, drained and lost without the others:
`group-N`, Argosy's engine, its pod 0 the coordinator and the others shards; or `adapter-N`, vLLM or SGLang with an
adapter beside it in the pod.
*/}}
{{- define "argosy.groupNames" -}}
{{- range until (int .Values.inference.builtin.groups) }}
- group-{{ . }}
{{- end }}
{{- range until (int .Values.inference.adapter.groups) }}
- adapter-{{ . }}
{{- end }}
{{- if not (or .Values.inference.builtin.groups .Values.inference.adapter.groups) }}[]{{ end }}
{{- end }}

{{/* The addresses of all groups, as ARGOSY_MODEL has them. */}}
{{- define "argosy.groupAddresses" -}}
{{- $full := include "argosy.fullname" . -}}
{{- $addresses := list -}}
{{- range include "argosy.groupNames" . | fromYamlArray }}{{- $addresses = append $addresses (printf "%s-%s:50051" $full .) }}{{- end -}}
{{ join "," $addresses }}
{{- end }}

{{/* GPUs that a container asks for by its resources, whoever's they are: `nvidia.com/gpu`, `amd.com/gpu`. */}}
{{- define "argosy.gpusOf" -}}
{{- $gpus := 0 -}}
{{- range $name, $count := .limits }}{{- if hasSuffix "/gpu" $name }}{{- $gpus = add $gpus (int $count) }}{{- end }}{{- end -}}
{{ $gpus }}
{{- end }}

{{/* Card, tolerations and runtime of pods with GPUs. */}}
{{- define "argosy.gpuPlacement" -}}
{{- with .gpu }}
{{- if .products }}
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms:
        - matchExpressions:
            - { key: nvidia.com/gpu.product, operator: In, values: {{ toJson .products }} }
{{- end }}
tolerations:
  - { key: nvidia.com/gpu, operator: Exists, effect: NoSchedule }
{{- end }}
{{- end }}

{{/* The volume that weights are on: a claim, an OCI image, or, for trials, the pod's own. */}}
{{- define "argosy.modelVolume" -}}
- name: model
{{- if .claim }}
  persistentVolumeClaim: { claimName: {{ .claim }}{{ if not .fetch.from }}, readOnly: true{{ end }} }
{{- else if .image }}
  image: { reference: {{ .image }}, pullPolicy: IfNotPresent }
{{- else }}
  emptyDir: { sizeLimit: {{ .size }} }
{{- end }}
{{- end }}

{{- define "argosy.modelFolder" -}}
/models{{ with .path }}/{{ . }}{{ end }}
{{- end }}

{{/* Brings the weights before anything that needs them starts; later pods on the same volume only look. */}}
{{- define "argosy.fetchContainer" -}}
- name: fetch
  image: {{ include "argosy.image" (dict "root" .root "kind" "inference") }}
  imagePullPolicy: {{ .root.Values.images.pullPolicy }}
  args: [dist/apps/cli/src/main.js, inference, fetch, --from, {{ .model.fetch.from | quote }}, --to, {{ include "argosy.modelFolder" .model }}]
  {{- include "argosy.containerSecurity" . | nindent 2 }}
  env: [{ name: ARGOSY_DATA_DIR, value: /tmp/argosy }]
  resources: {{- toYaml .model.fetch.resources | nindent 4 }}
  volumeMounts:
    - { name: model, mountPath: /models }
    - { name: tmp, mountPath: /tmp }
{{- end }}

{{/* A group is ready when its weights are loaded, which takes as long as it takes: (dict "startupSeconds" n). */}}
{{- define "argosy.slowProbes" -}}
startupProbe:
  httpGet: { path: /readyz, port: health }
  periodSeconds: 10
  failureThreshold: {{ div (add .startupSeconds 9) 10 }}
  timeoutSeconds: 5
readinessProbe:
  httpGet: { path: /readyz, port: health }
  periodSeconds: 5
  failureThreshold: 3
  timeoutSeconds: 5
livenessProbe:
  httpGet: { path: /healthz, port: health }
  periodSeconds: 10
  failureThreshold: 12
  timeoutSeconds: 5
{{- end }}

{{/* An engine listens on the pod's own loopback alone, where only a program in the pod can look. */}}
{{- define "argosy.engineProbes" -}}
{{- $look := `import urllib.request; urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=4)` -}}
startupProbe:
  exec: { command: [python3, -c, {{ $look | squote }}] }
  periodSeconds: 10
  failureThreshold: {{ div (add .startupSeconds 9) 10 }}
  timeoutSeconds: 10
livenessProbe:
  exec: { command: [python3, -c, {{ $look | squote }}] }
  periodSeconds: 15
  failureThreshold: 8
  timeoutSeconds: 10
{{- end }}

{{/* TLS of the gRPC service. */}}
{{- define "argosy.inferenceTls" -}}
{{- if .existingSecret }}
- { name: ARGOSY_INFERENCE_TLS_CERT_FILE, value: /etc/argosy/tls/tls.crt }
- { name: ARGOSY_INFERENCE_TLS_KEY_FILE, value: /etc/argosy/tls/tls.key }
{{- if .clientsNeedCertificates }}
- { name: ARGOSY_INFERENCE_TLS_CA_FILE, value: /etc/argosy/tls/ca.crt }
{{- end }}
{{- end }}
{{- end }}
