{{/* What the bot and its doctor share: who they are, what they are told, what they may do. */}}
{{- define "bowsprit.pod" -}}
serviceAccountName: {{ include "bowsprit.fullname" . }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "bowsprit.container" -}}
image: {{ include "bowsprit.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  privileged: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources: {{- toYaml .Values.resources | nindent 2 }}
volumeMounts:
  - {name: state, mountPath: /var/lib/bowsprit}
  - {name: tmp, mountPath: /tmp}
  - {name: config, mountPath: /etc/bowsprit/config, readOnly: true}
  - {name: github, mountPath: /etc/bowsprit/github, readOnly: true}
  {{- if .Values.stepSecrets }}
  - {name: steps, mountPath: /etc/bowsprit/steps, readOnly: true}
  {{- end }}
  {{- range $index, $secret := .Values.secretFiles }}
  - {name: more-{{ $index }}, mountPath: /etc/bowsprit/more/{{ $secret }}, readOnly: true}
  {{- end }}
{{- end }}

{{/* All volumes but the state. */}}
{{- define "bowsprit.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .Values.tmpSize }}}
- name: config
  configMap: {name: {{ include "bowsprit.fullname" . }}}
- name: github
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ .Values.github.privateKey.secret }}
          items: [{key: {{ .Values.github.privateKey.key }}, path: private-key.pem}]
      {{- range $index, $one := .Values.github.webhookSecrets }}
      - secret:
          name: {{ $one.secret }}
          items: [{key: {{ $one.key }}, path: webhook-secret-{{ $index }}}]
      {{- end }}
      {{- if .Values.github.ca.configMap }}
      - configMap:
          name: {{ .Values.github.ca.configMap }}
          items: [{key: {{ .Values.github.ca.key }}, path: ca.crt}]
      {{- end }}
{{- if .Values.stepSecrets }}
- name: steps
  projected:
    defaultMode: 0440
    sources:
      {{- range $repository, $names := .Values.stepSecrets }}
      {{- range $name, $one := $names }}
      - secret:
          name: {{ $one.secret }}
          items: [{key: {{ $one.key }}, path: {{ printf "%s/%s" $repository $name }}}]
      {{- end }}
      {{- end }}
{{- end }}
{{- range $index, $secret := .Values.secretFiles }}
- name: more-{{ $index }}
  secret: {secretName: {{ $secret }}, defaultMode: 0440}
{{- end }}
{{- end }}
