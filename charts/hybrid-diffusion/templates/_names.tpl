{{- define "hybrid-diffusion.name" -}}
{{- $name := .Values.fullnameOverride | default (ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name)) -}}
{{- /* A release may have dots and begin with a digit, a Service may not. */ -}}
{{- $name = $name | replace "." "-" -}}
{{- if regexMatch "^[0-9]" $name }}{{ $name = printf "hd-%s" $name }}{{ end -}}
{{- $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "hybrid-diffusion.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "hybrid-diffusion.name" .) -}}
{{- else -}}
{{- required "serviceAccount.name: found none while serviceAccount.create is false; name an account that exists." .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "hybrid-diffusion.selector" -}}
app.kubernetes.io/name: hybrid-diffusion-operator
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "hybrid-diffusion.labels" -}}
{{ include "hybrid-diffusion.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: hybrid-diffusion
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* An image by digest where there is one, else by tag; call with (dict "image" … "version" …). */}}
{{- define "hybrid-diffusion.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .version }}
{{- end -}}
{{- end -}}

{{/* What the operator may do where HybridDiffusion resources live. */}}
{{- define "hybrid-diffusion.rules" -}}
- apiGroups: [hybriddiffusion.io]
  resources: [hybriddiffusions]
  verbs: [get, list, watch]
- apiGroups: [hybriddiffusion.io]
  resources: [hybriddiffusions/status]
  verbs: [patch]
# No request uses this: clusters that enforce permissions of owner references ask for it when a child is made.
- apiGroups: [hybriddiffusion.io]
  resources: [hybriddiffusions/finalizers]
  verbs: [update]
# Applying an object that is not there needs `create` beside `patch`.
- apiGroups: [ray.io]
  resources: [rayservices]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [monitoring.coreos.com]
  resources: [podmonitors]
  verbs: [get, list, watch, create, patch, delete]
# The Service lives as long as its resource, whose deletion takes it along.
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch, create, patch]
# Jobs are made once and never changed.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch, delete]
# Only asked what it would say (dry run), so that a wrong pod template is told before anything is made of it.
- apiGroups: [""]
  resources: [podtemplates]
  verbs: [create]
- apiGroups: [""]
  resources: [configmaps, pods]
  verbs: [get, list, watch]
- apiGroups: [ray.io]
  resources: [rayclusters]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end -}}
