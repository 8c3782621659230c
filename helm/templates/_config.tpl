{{/* The server's configuration as YAML: what the chart knows, under what the values say. */}}
{{- define "bowsprit.config" -}}
{{- $namespaces := include "bowsprit.namespaces" . | fromYaml -}}
{{- $github := dict "private_key_file" "/etc/bowsprit/github/private-key.pem" -}}
{{- $webhook := list -}}
{{- range $index, $_ := .Values.github.webhookSecrets -}}
{{- $webhook = append $webhook (printf "/etc/bowsprit/github/webhook-secret-%d" $index) -}}
{{- end -}}
{{- $_ := set $github "webhook_secret_files" $webhook -}}
{{- if .Values.github.ca.configMap -}}
{{- $_ := set $github "ca_file" "/etc/bowsprit/github/ca.crt" -}}
{{- end -}}
{{- $own := dict "listen" "0.0.0.0:8080" "state_dir" "/var/lib/bowsprit" "github" $github -}}
{{- $_ := set $own "runs" (dict "backend" "kubernetes") -}}
{{- $_ := set $own "releases" (dict "backend" "kubernetes") -}}
{{- if .Values.ingress.enabled -}}
{{- $_ := set $own "public_url" (printf "https://%s" .Values.ingress.host) -}}
{{- end -}}
{{- $secrets := dict -}}
{{- range $repository, $names := .Values.stepSecrets -}}
{{- $files := dict -}}
{{- range $name, $_ := $names -}}
{{- $_ := set $files $name (printf "/etc/bowsprit/steps/%s/%s" $repository $name) -}}
{{- end -}}
{{- $_ := set $secrets $repository $files -}}
{{- end -}}
{{- $_ := set $own "secrets" $secrets -}}
{{- $config := mustMergeOverwrite $own (deepCopy .Values.config) -}}
{{- if has "kubernetes" (list $config.runs.backend $config.releases.backend) -}}
{{- $cluster := dict "namespace" $namespaces.training "untrusted_namespace" $namespaces.untrusted "build_namespace" $namespaces.build -}}
{{- $_ := set $cluster "bot_url" (printf "http://%s.%s.svc:%d" (include "bowsprit.fullname" .) .Release.Namespace (int .Values.service.port)) -}}
{{- if and (eq $config.releases.backend "kubernetes") (eq .Values.rbac.environments "fixed") -}}
{{- $_ := set $cluster "releases_namespace" $namespaces.environments -}}
{{- end -}}
{{- $_ := set $config "cluster" (mustMergeOverwrite $cluster (default dict $config.cluster)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end }}

{{/* The names of Secrets that environments' own namespaces get copies of, as a list. */}}
{{- define "bowsprit.copied" -}}
{{- $named := (default dict .Values.config.cluster).copied_secrets | default "" -}}
{{- $names := list -}}
{{- range $name := splitList "," $named -}}
{{- with trim $name -}}
{{- $names = append $names . -}}
{{- end -}}
{{- end -}}
{{- toYaml $names -}}
{{- end }}

{{/* The port that the server listens on. */}}
{{- define "bowsprit.port" -}}
{{- (include "bowsprit.config" . | fromYaml).listen | splitList ":" | last -}}
{{- end }}

{{/* What a schema cannot say, each with what would work. */}}
{{- define "bowsprit.checks" -}}
{{- $config := include "bowsprit.config" . | fromYaml -}}
{{- if gt (int .Values.replicas) 1 -}}
{{- fail "replicas: the state is one SQLite file, which one bot alone may write: set `replicas: 1`; several need PostgreSQL, which is not built yet" -}}
{{- end -}}
{{- if not .Values.image.repository -}}
{{- fail "image.repository: name the image that you built with helm/Dockerfile and pushed, such as `registry.example.org/bowsprit`" -}}
{{- end -}}
{{- if not $config.github.app_id -}}
{{- fail "config.github.app_id: give the number that GitHub shows as App ID" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.host: give the name by which GitHub and people reach the bot, or set `ingress.enabled: false`" -}}
{{- end -}}
{{- if not $config.public_url -}}
{{- fail "config.public_url: give the address by which GitHub and people reach the bot, or `ingress.host` with `ingress.enabled: true`" -}}
{{- end -}}
{{- if eq $config.runs.backend "kubernetes" -}}
{{- range $key := list "base_image" "agent_image" -}}
{{- if not (index $config.cluster $key) -}}
{{- fail (printf "config.cluster.%s: name the image by digest, `registry.example.org/name@sha256:…`; README.md of the chart says which one" $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not (regexMatch "^(0\\.0\\.0\\.0|\\[::\\]):[0-9]+$" $config.listen) -}}
{{- fail "config.listen: pods are reached from outside of themselves: listen on `0.0.0.0:8080` or `[::]:8080`" -}}
{{- end -}}
{{- if hasPrefix "postgres" (toString (default dict $config.store).url) -}}
{{- fail "config.store.url: PostgreSQL is not built yet: leave it out, and the database lies on the volume" -}}
{{- end -}}
{{- end }}

{{/* The Secrets that the pod needs, each with its keys. */}}
{{- define "bowsprit.secrets" -}}
{{- $all := list .Values.github.privateKey -}}
{{- $all = concat $all .Values.github.webhookSecrets -}}
{{- range $repository, $names := .Values.stepSecrets -}}
{{- $all = concat $all (values $names) -}}
{{- end -}}
{{- $found := dict -}}
{{- range $one := $all -}}
{{- $_ := set $found $one.secret (append (default list (index $found $one.secret)) $one.key | uniq | sortAlpha) -}}
{{- end -}}
{{- toYaml $found -}}
{{- end }}
