{{/*
What every pod of ours is: nobody in particular, with no way to more. Fits the Pod Security Standard `restricted`. Takes
(dict "token" true) for a pod that asks the API server for something.
*/}}
{{- define "argosy.podSecurity" -}}
automountServiceAccountToken: {{ if kindIs "map" . }}{{ get . "token" | default false }}{{ else }}false{{ end }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: { type: RuntimeDefault }
{{- end }}

{{/* Takes (dict "seccomp" profile) for a container with a profile of the node's own. */}}
{{- define "argosy.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- with (kindIs "map" . | ternary . dict).seccomp }}
  seccompProfile: { type: Localhost, localhostProfile: {{ . }} }
{{- end }}
{{- end }}

{{/*
A process answers for its life from its start, and for being ready when its stores are there: it waits for them alive, so
that an outage of a store restarts nothing. Takes the name of a port.
*/}}
{{- define "argosy.probes" -}}
startupProbe:
  httpGet: { path: /healthz, port: {{ . }} }
  periodSeconds: 2
  failureThreshold: 30
  timeoutSeconds: 5
readinessProbe:
  httpGet: { path: /readyz, port: {{ . }} }
  periodSeconds: 2
  failureThreshold: 2
  timeoutSeconds: 5
livenessProbe:
  httpGet: { path: /healthz, port: {{ . }} }
  periodSeconds: 10
  failureThreshold: 6
  timeoutSeconds: 5
{{- end }}

{{/* Spread over zones and nodes: (dict "root" $ "name" name). */}}
{{- define "argosy.spread" -}}
topologySpreadConstraints:
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "argosy.selector" $ | nindent 8 }}
{{- end }}
{{- end }}

{{/* Where a pod may run, and with what right: the fields of `values` that all roles have. */}}
{{- define "argosy.placement" -}}
{{- with .root.Values.images.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .root.Values.priorityClasses.create }}
priorityClassName: {{ include "argosy.fullname" .root }}-{{ .root.Release.Namespace }}-{{ .priority }}
{{- end }}
{{- with .values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Folders that a role writes to, and files that it is given. */}}
{{- define "argosy.volumes" -}}
- name: tmp
  emptyDir: { sizeLimit: {{ .role.values.tmpSize }} }
- name: data
  emptyDir: { sizeLimit: {{ .role.values.dataSize }} }
{{- if eq .role.program "gateway" }}
- name: signing
  secret: { secretName: {{ .root.Values.signingKey.existingSecret | default (printf "%s-keys" (include "argosy.fullname" .root)) }}, defaultMode: 0440, items: [{ key: {{ .root.Values.signingKey.key }}, path: {{ .root.Values.signingKey.key }} }] }
{{- end }}
{{- if eq .role.program "autoscaler" }}
- name: pools
  configMap: { name: {{ include "argosy.fullname" .root }}-autoscaler }
{{- end }}
{{- if has "objects" .role.calls }}
{{- with .root.Values.objects.ca }}
{{- if .existingSecret }}
- name: objects-ca
  secret: { secretName: {{ .existingSecret }}, defaultMode: 0440, items: [{ key: {{ .key }}, path: {{ .key }} }] }
{{- end }}
{{- end }}
{{- end }}
{{- if .role.values.browser }}
- name: shm
  emptyDir: { medium: Memory, sizeLimit: {{ .role.values.shmSize }} }
{{- end }}
{{- with .role.values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- if has "model" .role.calls }}
{{- with .root.Values.model.tokenizer.claim }}
- name: tokenizer
  persistentVolumeClaim: { claimName: {{ . }}, readOnly: true }
{{- end }}
{{- end }}
{{- if or (has "model" .role.calls) (has "groups" .role.calls) }}
{{- with .root.Values.model.tls.existingSecret }}
- name: model-tls
  secret: { secretName: {{ . }}, defaultMode: 0440 }
{{- end }}
{{- end }}
{{- end }}

{{- define "argosy.mounts" -}}
- { name: tmp, mountPath: /tmp }
- { name: data, mountPath: /var/lib/argosy }
{{- if eq .role.program "gateway" }}
- { name: signing, mountPath: /etc/argosy/signing, readOnly: true }
{{- end }}
{{- if eq .role.program "autoscaler" }}
- { name: pools, mountPath: /etc/argosy/pools, readOnly: true }
{{- end }}
{{- if and (has "objects" .role.calls) .root.Values.objects.ca.existingSecret }}
- { name: objects-ca, mountPath: /etc/argosy/objects-ca, readOnly: true }
{{- end }}
{{- if .role.values.browser }}
- { name: shm, mountPath: /dev/shm }
{{- end }}
{{- with .role.values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- if has "model" .role.calls }}
{{- if .root.Values.model.tokenizer.claim }}
- { name: tokenizer, mountPath: /models, readOnly: true }
{{- end }}
{{- end }}
{{- if or (has "model" .role.calls) (has "groups" .role.calls) }}
{{- if .root.Values.model.tls.existingSecret }}
- { name: model-tls, mountPath: /etc/argosy/model-tls, readOnly: true }
{{- end }}
{{- end }}
{{- end }}
