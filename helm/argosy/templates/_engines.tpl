{{/*
The command of vLLM or SGLang for the group's number of GPUs: experts are spread over all of them, attention over at most
four, since the models that we run have four key-value heads. `engineCommand` replaces it whole.
*/}}
{{- define "argosy.engineCommand" -}}
{{- $adapter := .Values.inference.adapter -}}
{{- $gpus := int $adapter.gpu.count -}}
{{- $tensor := min $gpus 4 -}}
{{- $data := div $gpus $tensor -}}
{{- if $adapter.engineCommand -}}
{{ toYaml $adapter.engineCommand }}
{{- else if eq $adapter.engine "vllm" -}}
- vllm
- serve
- {{ include "argosy.modelFolder" .Values.inference.model }}
- --host=127.0.0.1
- --port=8000
- --tensor-parallel-size={{ $tensor }}
{{- if gt $data 1 }}
- --data-parallel-size={{ $data }}
- --all2all-backend=allgather_reducescatter
{{- end }}
- --enable-expert-parallel
{{- if gt $gpus 2 }}
- --enable-eplb
- '--eplb-config={"num_redundant_experts":8,"window_size":1000,"step_interval":3000}'
{{- end }}
- --max-model-len={{ .Values.model.contextTokens | int64 }}
- --max-num-seqs={{ $adapter.running }}
- --gpu-memory-utilization={{ $adapter.gpuMemoryFraction }}
- --enable-prefix-caching
- --dtype=bfloat16
{{- else -}}
- python3
- -m
- sglang.launch_server
- --model-path={{ include "argosy.modelFolder" .Values.inference.model }}
- --host=127.0.0.1
- --port=8000
- --tp={{ $gpus }}
- --ep={{ $gpus }}
{{- if gt $data 1 }}
- --dp={{ $data }}
- --enable-dp-attention
{{- end }}
- --context-length={{ .Values.model.contextTokens | int64 }}
- --max-running-requests={{ $adapter.running }}
- --mem-fraction-static={{ $adapter.gpuMemoryFraction }}
- --enable-metrics
{{- if $adapter.serverKey.existingSecret }}
- --api-key=$(VLLM_API_KEY)
{{- end }}
{{- end }}
{{- end }}
