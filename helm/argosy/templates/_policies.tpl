{{/*
Ranges that are not the internet, which a policy for "everything" has to leave out: what is private, shared, link-local
(cloud metadata among it), for tests, for groups of receivers, or reserved; and the cluster's own. An
IPv4 address that is written as one of IPv6 leaves as what it is, and Kubernetes takes no range of these.
*/}}
{{- define "argosy.notPublic4" -}}
{{- toYaml (list "0.0.0.0/8" "10.0.0.0/8" "100.64.0.0/10" "127.0.0.0/8" "169.254.0.0/16" "172.16.0.0/12" "192.0.0.0/24" "192.168.0.0/16" "198.18.0.0/15" "224.0.0.0/4" "240.0.0.0/4") -}}
{{- end }}

{{- define "argosy.notPublic6" -}}
{{- toYaml (list "::1/128" "64:ff9b::/96" "fc00::/7" "fe80::/10" "ff00::/8") -}}
{{- end }}

{{/* Peers that stand for the internet. */}}
{{- define "argosy.internet" -}}
{{- $own4 := list }}{{- $own6 := list }}
{{- range .Values.networkPolicy.clusterCidrs }}
{{- if contains ":" . }}{{- $own6 = append $own6 . }}{{- else }}{{- $own4 = append $own4 . }}{{- end }}
{{- end }}
- ipBlock:
    cidr: 0.0.0.0/0
    except: {{- concat (include "argosy.notPublic4" . | fromYamlArray) $own4 | uniq | toYaml | nindent 6 }}
- ipBlock:
    cidr: ::/0
    except: {{- concat (include "argosy.notPublic6" . | fromYamlArray) $own6 | uniq | toYaml | nindent 6 }}
{{- end }}

{{/* All pods of this release. */}}
{{- define "argosy.everyPod" -}}
app.kubernetes.io/name: argosy
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* A policy's head: (dict "root" $ "name" name "match" (dict label value)). */}}
{{- define "argosy.policy" -}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "argosy.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "argosy.everyPod" .root | nindent 6 }}
      {{- range $label, $value := .match }}
      {{ $label }}: {{ $value | quote }}
      {{- end }}
{{- end }}
