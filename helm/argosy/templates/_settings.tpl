{{/* The environment of a role: (dict "root" $ "name" name "role" role). */}}
{{- define "argosy.environment" -}}
{{- $values := .root.Values -}}
- { name: ARGOSY_HOST, value: "0.0.0.0" }
- { name: ARGOSY_LOG_LEVEL, value: {{ $values.logLevel }} }
- { name: ARGOSY_GRACE_MS, value: {{ mul .role.values.graceSeconds 1000 | toString | quote }} }
{{- if has "stores" .role.calls }}
{{- if $values.migrations.enabled }}
- { name: ARGOSY_MIGRATE, value: wait }
{{- end }}
- { name: ARGOSY_LEASE_MS, value: {{ mul $values.leaseSeconds 1000 | toString | quote }} }
- name: ARGOSY_DATABASE_URL
  valueFrom: { secretKeyRef: { {{- include "argosy.databaseSecret" .root | replace "\n" ", " }} } }
- name: ARGOSY_REDIS_URL
  valueFrom: { secretKeyRef: { {{- include "argosy.redisSecret" .root | replace "\n" ", " }} } }
{{- end }}
{{- if has "objects" .role.calls }}
{{ include "argosy.objectEnvironment" $values.objects }}
{{- end }}
{{- if eq .role.program "gateway" }}
{{ include "argosy.gatewayEnvironment" .root }}
{{- else }}
- { name: ARGOSY_HEALTH_PORT, value: "7421" }
{{- end }}
{{- if or (has .role.program (list "gateway" "agent-worker")) .role.visits }}
{{ include "argosy.modelEnvironment" (dict "root" .root "asks" (has "model" .role.calls)) }}
{{- end }}
{{- if or (has .role.program (list "gateway" "agent-worker")) .role.searches }}
- { name: ARGOSY_SEARCH_PROVIDERS, value: {{ .root.Values.search.providers | default "none" | quote }} }
{{- end }}
{{- if and .root.Values.tenantSecrets.existingSecret (or (eq .role.program "gateway") .role.searches) }}
- name: ARGOSY_SECRETS_KEY
  valueFrom: { secretKeyRef: { name: {{ .root.Values.tenantSecrets.existingSecret }}, key: {{ .root.Values.tenantSecrets.key }} } }
{{- end }}
{{- if eq .role.program "autoscaler" }}
- { name: ARGOSY_POOLS_FILE, value: /etc/argosy/pools/pools.json }
- { name: ARGOSY_NAMESPACE, value: {{ .root.Release.Namespace }} }
- { name: ARGOSY_SCALE_LEASE, value: {{ include "argosy.fullname" .root }}-autoscaler }
{{- end }}
{{- if has "groups" .role.calls }}
{{- with include "argosy.modelTls" .root.Values.model.tls }}
{{ . }}
{{- end }}
{{- end }}
{{- if eq .role.program "agent-worker" }}
- { name: ARGOSY_AGENT_CONCURRENCY, value: {{ .role.values.concurrency | toString | quote }} }
{{- end }}
{{- if eq .role.program "tool-worker" }}
{{ include "argosy.toolEnvironment" . }}
{{- end }}
{{- if eq .role.program "egress" }}
- { name: ARGOSY_PORT, value: "3128" }
{{- end }}
{{- if has .role.program (list "egress" "tool-worker") }}
{{ include "argosy.egressRules" .root }}
{{- end }}
{{- if .root.Values.telemetry.url }}
{{ include "argosy.telemetryEnvironment" .root.Values.telemetry }}
{{- end }}
{{- with .role.values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The object store, of every role that reads or writes bytes. */}}
{{- define "argosy.objectEnvironment" -}}
- { name: ARGOSY_S3_ENDPOINT, value: {{ .endpoint | quote }} }
- { name: ARGOSY_S3_REGION, value: {{ .region | quote }} }
- { name: ARGOSY_S3_BUCKET, value: {{ .bucket | quote }} }
{{- with .prefix }}
- { name: ARGOSY_S3_PREFIX, value: {{ . | quote }} }
{{- end }}
- { name: ARGOSY_S3_ADDRESSING, value: {{ .addressing }} }
- name: ARGOSY_S3_ACCESS_KEY_ID
  valueFrom: { secretKeyRef: { name: {{ .existingSecret }}, key: {{ .accessKeyIdKey }} } }
- name: ARGOSY_S3_SECRET_ACCESS_KEY
  valueFrom: { secretKeyRef: { name: {{ .existingSecret }}, key: {{ .secretAccessKeyKey }} } }
{{- if .ca.existingSecret }}
- { name: ARGOSY_S3_CA_FILE, value: /etc/argosy/objects-ca/{{ .ca.key }} }
{{- end }}
{{- end }}

{{/* Where spans and metrics are sent, of every role and group. */}}
{{- define "argosy.telemetryEnvironment" -}}
- { name: ARGOSY_OTLP_URL, value: {{ .url | quote }} }
{{- if .headers.existingSecret }}
- name: ARGOSY_OTLP_HEADERS
  valueFrom: { secretKeyRef: { name: {{ .headers.existingSecret }}, key: {{ .headers.key }} } }
{{- end }}
- { name: ARGOSY_OTLP_METRICS_MS, value: {{ mul .metricsSeconds 1000 | toString | quote }} }
- { name: ARGOSY_TRACE_RATIO, value: {{ .traceRatio | toString | quote }} }
- { name: ARGOSY_TRACE_SLOW_MS, value: {{ .traceSlowMs | int64 | toString | quote }} }
{{- end }}

{{- define "argosy.gatewayEnvironment" -}}
- { name: ARGOSY_PORT, value: "7420" }
- { name: ARGOSY_KEY_ENV, value: {{ .Values.keys.environment | quote }} }
- name: ARGOSY_KEY_PEPPER
  valueFrom:
    secretKeyRef:
      name: {{ .Values.keys.existingSecret | default (printf "%s-keys" (include "argosy.fullname" .)) }}
      key: {{ .Values.keys.key }}
{{- with .Values.gateway.limits }}
- { name: ARGOSY_LIMITS, value: {{ . | quote }} }
{{- end }}
- { name: ARGOSY_READING, value: {{ .Values.reading }} }
{{- with .Values.toolPrices }}
- { name: ARGOSY_TOOL_PRICES, value: {{ . | quote }} }
{{- end }}
{{- if .Values.login.oidc.issuer }}
{{ include "argosy.loginEnvironment" .Values.login }}
{{- end }}
- { name: ARGOSY_SIGNING_KEY_FILE, value: /etc/argosy/signing/{{ .Values.signingKey.key }} }
{{- end }}

{{/* How people log in to the console by an identity provider. */}}
{{- define "argosy.loginEnvironment" -}}
- { name: ARGOSY_PUBLIC_URL, value: {{ .publicUrl | quote }} }
- { name: ARGOSY_OIDC_ISSUER, value: {{ .oidc.issuer | quote }} }
- { name: ARGOSY_OIDC_CLIENT_ID, value: {{ .oidc.clientId | quote }} }
{{- if .oidc.clientSecret.existingSecret }}
- name: ARGOSY_OIDC_CLIENT_SECRET
  valueFrom: { secretKeyRef: { name: {{ .oidc.clientSecret.existingSecret }}, key: {{ .oidc.clientSecret.key }} } }
{{- end }}
- { name: ARGOSY_OIDC_SCOPES, value: {{ .oidc.scopes | quote }} }
- { name: ARGOSY_OIDC_HOURS, value: {{ .oidc.hours | toString | quote }} }
{{- range $name, $value := dict "NAME" .oidc.name "TENANT" .oidc.tenant "TENANT_CLAIM" .oidc.tenantClaim "TENANTS" .oidc.tenants "ADMIN" .oidc.admin "DOMAINS" .oidc.domains }}
{{- if $value }}
- { name: ARGOSY_OIDC_{{ $name }}, value: {{ $value | quote }} }
{{- end }}
{{- end }}
{{- end }}

{{/* The model: its name for all, what it takes to ask it only for those who do. */}}
{{- define "argosy.modelEnvironment" -}}
{{- $model := .root.Values.model -}}
- { name: ARGOSY_MODEL, value: {{ include "argosy.modelSpec" .root | quote }} }
{{- with $model.constrain }}
- { name: ARGOSY_MODEL_CONSTRAIN, value: {{ . }} }
{{- end }}
{{- if $model.trace }}
- { name: ARGOSY_MODEL_TRACE, value: "on" }
{{- end }}
- { name: ARGOSY_MODEL_CONTEXT_TOKENS, value: {{ $model.contextTokens | int64 | toString | quote }} }
{{- with $model.prices }}
- { name: ARGOSY_MODEL_PRICES, value: {{ . | quote }} }
{{- end }}
{{- if and .asks $model.apiKey.existingSecret }}
- name: ARGOSY_MODEL_API_KEY
  valueFrom: { secretKeyRef: { name: {{ $model.apiKey.existingSecret }}, key: {{ $model.apiKey.key }} } }
{{- end }}
{{- if and .asks $model.tokenizer.claim }}
- { name: ARGOSY_MODEL_TOKENIZER, value: /models/{{ $model.tokenizer.path }} }
{{- end }}
{{- if .asks }}
{{- with include "argosy.modelTls" $model.tls }}
{{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* What it takes to trust a group, and to be known to it. */}}
{{- define "argosy.modelTls" -}}
{{- if .existingSecret -}}
- { name: ARGOSY_MODEL_TLS_CA_FILE, value: /etc/argosy/model-tls/ca.crt }
{{- if .identity }}
- { name: ARGOSY_MODEL_TLS_CERT_FILE, value: /etc/argosy/model-tls/tls.crt }
- { name: ARGOSY_MODEL_TLS_KEY_FILE, value: /etc/argosy/model-tls/tls.key }
{{- end }}
{{- end }}
{{- end }}

{{/* What ARGOSY_MODEL is: the value, or else all inference groups of this chart. */}}
{{- define "argosy.modelSpec" -}}
{{- if .Values.model.spec -}}
{{ .Values.model.spec }}
{{- else -}}
grpc:{{ include "argosy.groupAddresses" . }}
{{- end -}}
{{- end }}

{{- define "argosy.toolEnvironment" -}}
- { name: ARGOSY_TOOL_CONCURRENCY, value: {{ .role.values.concurrency | toString | quote }} }
{{- with .role.values.kinds }}
- { name: ARGOSY_TOOLS, value: {{ join "," . | quote }} }
{{- end }}
{{- if .role.values.browser }}
- { name: ARGOSY_BROWSER, value: /usr/bin/chromium }
- { name: ARGOSY_BROWSER_SANDBOX, value: {{ .role.values.browserSandbox }} }
{{- else if and .role.visits (include "argosy.hasBrowserPool" .root) }}
- { name: ARGOSY_BROWSER, value: workers }
{{- else }}
- { name: ARGOSY_BROWSER, value: "off" }
{{- end }}
{{- if has "egress" .role.calls }}
- { name: ARGOSY_EGRESS_URL, value: http://{{ include "argosy.fullname" .root }}-egress:3128 }
{{- end }}
{{- with .root.Values.search.contact }}
- { name: ARGOSY_CONTACT, value: {{ . | quote }} }
{{- end }}
{{- if .role.searches }}
{{- with .root.Values.search.ownKeys }}
- { name: ARGOSY_OWN_KEYS, value: {{ join "," . | quote }} }
{{- end }}
{{- end }}
{{- range $provider, $secret := .root.Values.search.keys }}
{{- if and $.role.searches $secret.existingSecret }}
- name: ARGOSY_{{ upper $provider }}_API_KEY
  valueFrom: { secretKeyRef: { name: {{ $secret.existingSecret }}, key: {{ $secret.key }} } }
{{- end }}
{{- end }}
{{- end }}

{{/* The same networks and hosts as in the policies, for the library that dials: it sees addresses that policies do not. */}}
{{- define "argosy.egressRules" -}}
{{- $hosts := list -}}
{{- range .Values.networkPolicy.exceptions }}{{- $hosts = append $hosts (printf "%s:%v" .host .port) }}{{- end -}}
{{- with $hosts }}
- { name: ARGOSY_EGRESS_ALLOW, value: {{ join "," . | quote }} }
{{- end }}
{{- with .Values.networkPolicy.clusterCidrs }}
- { name: ARGOSY_EGRESS_DENY, value: {{ join "," . | quote }} }
{{- end }}
{{- end }}
