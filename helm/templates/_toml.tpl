{{/* A map as TOML: single values first, then each table under its head. */}}
{{- define "bowsprit.toml" -}}
{{- $at := .at -}}
{{- range $key, $value := .of }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ include "bowsprit.toml.key" $key }} = {{ include "bowsprit.toml.value" $value }}
{{- end }}
{{- end }}
{{- range $key, $value := .of }}
{{- if and (kindIs "map" $value) $value }}
{{- $path := append $at (include "bowsprit.toml.key" $key) }}

[{{ join "." $path }}]
{{- include "bowsprit.toml" (dict "at" $path "of" $value) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "bowsprit.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ toRawJson . }}{{ end -}}
{{- end }}

{{/* Helm reads numbers as floats, which would print 1e+10; text in JSON's quotes is text in TOML's too. */}}
{{- define "bowsprit.toml.value" -}}
{{- if kindIs "slice" . -}}
[{{ range $index, $item := . }}{{ if $index }}, {{ end }}{{ include "bowsprit.toml.value" $item }}{{ end }}]
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{ printf "%.0f" . }}
{{- else if kindIs "string" . -}}
{{ toRawJson . }}
{{- else -}}
{{ . }}
{{- end -}}
{{- end }}
