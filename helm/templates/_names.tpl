{{/* Names and labels. */}}
{{- define "bowsprit.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "bowsprit.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- else if contains (include "bowsprit.name" .) .Release.Name -}}
{{- .Release.Name | trunc 53 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "bowsprit.name" .) | trunc 53 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "bowsprit.selector" -}}
app.kubernetes.io/name: {{ include "bowsprit.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: bot
{{- end }}

{{- define "bowsprit.labels" -}}
app.kubernetes.io/name: {{ include "bowsprit.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: bowsprit
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "bowsprit.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end }}

{{/* The namespaces for what the bot starts: kind to name. `environments` is there only where it is one fixed namespace. */}}
{{- define "bowsprit.namespaces" -}}
{{- range $kind := list "training" "untrusted" "build" "environments" }}
{{- if or (ne $kind "environments") (eq $.Values.rbac.environments "fixed") }}
{{ $kind }}: {{ (index $.Values.namespaces $kind).name | default (printf "%s-%s" $.Release.Namespace $kind) }}
{{- end }}
{{- end }}
{{- end }}
