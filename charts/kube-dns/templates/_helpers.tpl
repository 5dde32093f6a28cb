{{/* The zone without its final dot. */}}
{{- define "kube-dns.zone" -}}
{{- trimSuffix "." .Values.clusterDomain -}}
{{- end -}}

{{/* Ports of kube-dns and dnsmasq, seen from within the pod. */}}
{{- define "kube-dns.port" -}}
{{- if .Values.clusterFirst }}53{{ else }}10053{{ end -}}
{{- end -}}
{{- define "kube-dns.dnsmasqPort" -}}
{{- if .Values.clusterFirst }}10053{{ else }}53{{ end -}}
{{- end -}}

{{- define "kube-dns.labels" -}}
k8s-app: kube-dns
kubernetes.io/cluster-service: "true"
{{ include "kube-dns.helmLabels" . }}
{{- end -}}

{{- define "kube-dns.helmLabels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* An image by its name: include "kube-dns.image" (list . "k8s-dns-sidecar") */}}
{{- define "kube-dns.image" -}}
{{- $ := index . 0 -}}
image: {{ printf "%s/%s:%s" $.Values.image.registry (index . 1) (default $.Chart.AppVersion $.Values.image.tag) | quote }}
{{- with $.Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- end -}}

{{/* A liveness probe at the sidecar: include "kube-dns.alive" "/metrics" */}}
{{- define "kube-dns.alive" -}}
httpGet: {path: {{ . }}, port: 10054, scheme: HTTP}
initialDelaySeconds: 60
timeoutSeconds: 5
successThreshold: 1
failureThreshold: 5
{{- end -}}

{{/* What the containers kubedns and sidecar may. */}}
{{- define "kube-dns.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsUser: 1001
runAsGroup: 1001
{{- if .Values.modern }}
capabilities: {drop: [ALL]}
{{- end }}
{{- end -}}
