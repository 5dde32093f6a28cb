{{/*
What runs, as YAML: address, replicas and zone, each only where there is one; more, the
Service's other addresses; and others, the names of other Deployments whose pods the Service
selects. Empty without an API server.
*/}}
{{- define "kube-dns.running" -}}
{{- $service := lookup "v1" "Service" "kube-system" "kube-dns" | default dict -}}
{{- $running := dict "others" (list) -}}
{{- with $service.spec -}}
{{- $_ := set $running "address" .clusterIP -}}
{{- with .clusterIPs }}{{ $_ := set $running "more" (rest .) }}{{ end -}}
{{- end -}}
{{- range (lookup "apps/v1" "Deployment" "kube-system" "" | default dict).items | default list -}}
  {{- if eq .metadata.name "kube-dns" -}}
    {{- $_ := set $running "replicas" .spec.replicas -}}
    {{- range .spec.template.spec.containers -}}
      {{- $zone := "" -}}
      {{- range .env -}}
        {{- if eq .name "CLUSTER_DOMAIN" }}{{ $zone = .value }}{{ end -}}
      {{- end -}}
      {{- range .args -}}
        {{- if hasPrefix "--domain=" . -}}
          {{- $_ := set $running "zone" (trimPrefix "--domain=" . | trimSuffix "." | replace "$(CLUSTER_DOMAIN)" $zone) -}}
        {{- end -}}
      {{- end -}}
    {{- end -}}
  {{- else if eq (dig "k8s-app" "" (.spec.template.metadata.labels | default dict)) "kube-dns" -}}
    {{- $_ := set $running "others" (append $running.others .metadata.name) -}}
  {{- end -}}
{{- end -}}
{{- toYaml $running -}}
{{- end -}}

{{/* The zone without its final dot. */}}
{{- define "kube-dns.zone" -}}
{{- trimSuffix "." .Values.clusterDomain -}}
{{- end -}}

{{/* "true" where the pod is that of Kubernetes 1.22 and later. */}}
{{- define "kube-dns.modern" -}}
{{- $able := semverCompare ">=1.22-0" .Capabilities.KubeVersion.Version -}}
{{- if and .Values.modern (not $able) -}}
{{- fail (printf "modern needs Kubernetes 1.22, and this is %s: leave modern unset" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{- if and $able (ne (toString .Values.modern) "false") }}true{{ end -}}
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

{{/* EnsureExists: an add-on manager neither prunes the objects nor applies its own over
them. It treats objects with the label cluster-service and without this one as its own. */}}
{{- define "kube-dns.helmLabels" -}}
addonmanager.kubernetes.io/mode: EnsureExists
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{/* An image by its name: include "kube-dns.image" (list . "k8s-dns-sidecar") */}}
{{- define "kube-dns.image" -}}
{{- $ := index . 0 -}}
{{- $registry := required "image.registry is missing: where the three images are, for example registry.example/dns" $.Values.image.registry -}}
image: {{ printf "%s/%s:%s" $registry (index . 1) (default $.Chart.AppVersion $.Values.image.tag) | quote }}
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
{{- if include "kube-dns.modern" . }}
capabilities: {drop: [ALL]}
{{- end }}
{{- end -}}

{{/* Where the cache on a node answers probes, for nodeLocal. */}}
{{- define "kube-dns.healthAddress" -}}
{{- if contains ":" .localIP }}[{{ .localIP }}]{{ else }}{{ .localIP }}{{ end }}:{{ .healthPort }}
{{- end -}}
