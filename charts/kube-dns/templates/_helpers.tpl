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
{{- if or .Values.clusterFirst .Values.lean }}53{{ else }}10053{{ end -}}
{{- end -}}
{{- define "kube-dns.dnsmasqPort" -}}
{{- if .Values.clusterFirst }}10053{{ else }}53{{ end -}}
{{- end -}}

{{/* Fails where lean, or a pod with dnsmasq, cannot do what a value asks for. */}}
{{- define "kube-dns.checkLean" -}}
{{- $v := .Values -}}
{{- if not $v.lean -}}
  {{- if contains "\"tls://" (toJson $v.config) -}}
  {{- fail "config: dnsmasq cannot send queries over TLS: write servers without tls://, or set lean=true" -}}
  {{- end -}}
{{- else if $v.clusterFirst -}}
  {{- fail "lean and clusterFirst exclude each other: clusterFirst forwards to dnsmasq, and lean has none" -}}
{{- else if not (include "kube-dns.modern" .) -}}
  {{- fail "lean needs modern: without it kube-dns may not open port 53" -}}
{{- else -}}
  {{- $own := list "--cache-size=1000" "--no-negcache" "--dns-loop-detect" "--log-facility=-" -}}
  {{- range $name, $set := dict "dnsmasq" (ne (toJson $v.dnsmasq) (toJson $own)) "images.dnsmasq" $v.images.dnsmasq
    "extraArgs.nanny" $v.extraArgs.nanny "env.dnsmasq" $v.env.dnsmasq "volumeMounts.dnsmasq" $v.volumeMounts.dnsmasq -}}
    {{- if $set -}}
    {{- fail (printf "%s has no effect with lean, which has no dnsmasq: leave one of them out" $name) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
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

{{/* An image: include "kube-dns.image" (list . "<the whole image, or nothing>" "k8s-dns-sidecar") */}}
{{- define "kube-dns.image" -}}
{{- $ := index . 0 -}}
{{- $image := index . 1 -}}
{{- if not $image -}}
{{- $registry := required "image.registry is missing: where the images are, for example registry.example/dns" $.Values.image.registry -}}
{{- $image = printf "%s/%s:%s" $registry (index . 2) (default $.Chart.AppVersion $.Values.image.tag) -}}
{{- end -}}
image: {{ quote $image }}
{{- with $.Values.image.pullPolicy }}
imagePullPolicy: {{ . }}
{{- end }}
{{- end -}}

{{/* The pods' annotations, as YAML. */}}
{{- define "kube-dns.podAnnotations" -}}
{{- $all := dict -}}
{{- if .Values.monitoring.annotations -}}
{{- $all = dict "prometheus.io/port" "10054" "prometheus.io/scrape" "true" -}}
{{- end -}}
{{- mergeOverwrite $all (.Values.podAnnotations | default dict) | toYaml -}}
{{- end -}}

{{/*
The argument lameduck of each container in seconds, as YAML; none where the command's own
fits. The server on port 53 ends first.
*/}}
{{- define "kube-dns.lameduck" -}}
{{- $times := dict -}}
{{- $front := .Values.lameduck -}}
{{- if kindIs "invalid" $front -}}
  {{- if .Values.clusterFirst }}{{ $times = dict "kubedns" 25 "dnsmasq" 27 }}{{ end -}}
{{- else -}}
  {{- $front = int $front -}}
  {{- $grace := int (.Values.terminationGracePeriodSeconds | default 30) -}}
  {{- if gt (add $front 5) $grace -}}
  {{- fail (printf "lameduck is %d s and the grace period %d s: set terminationGracePeriodSeconds=%d or more" $front $grace (add $front 5)) -}}
  {{- end -}}
  {{- $times = dict "kubedns" $front "dnsmasq" (add $front 2) "sidecar" (add $front 3) -}}
  {{- if not (or .Values.clusterFirst .Values.lean) }}{{ $times = dict "kubedns" (add $front 2) "dnsmasq" $front "sidecar" (add $front 3) }}{{ end -}}
{{- end -}}
{{- toYaml $times -}}
{{- end -}}

{{/* A liveness probe at the sidecar: include "kube-dns.alive" (list "/metrics" <fields that replace its own>) */}}
{{- define "kube-dns.alive" -}}
{{- $get := dict "path" (index . 0) "port" 10054 "scheme" "HTTP" -}}
{{- $probe := dict "httpGet" $get "initialDelaySeconds" 60 "timeoutSeconds" 5 "successThreshold" 1 "failureThreshold" 5 -}}
{{- mergeOverwrite $probe (index . 1) | toYaml -}}
{{- end -}}

{{/* The readiness probe of kube-dns: include "kube-dns.ready" <fields that replace its own> */}}
{{- define "kube-dns.ready" -}}
{{- $get := dict "path" "/readiness" "port" 8081 "scheme" "HTTP" -}}
{{- $probe := dict "httpGet" $get "initialDelaySeconds" 3 "periodSeconds" 5 "timeoutSeconds" 5 -}}
{{- mergeOverwrite $probe . | toYaml -}}
{{- end -}}

{{/* Fails in a cluster without these objects:
     include "kube-dns.needs" (list . "monitoring.podMonitor" "monitoring.coreos.com/v1/PodMonitor") */}}
{{- define "kube-dns.needs" -}}
{{- $ := index . 0 -}}
{{- $seen := lookup "v1" "Namespace" "" "kube-system" -}}
{{- if and $seen (not ($.Capabilities.APIVersions.Has (index . 2))) -}}
{{- fail (printf "%s is on, and the cluster has no %s: install the Prometheus operator first" (index . 1) (index . 2)) -}}
{{- end -}}
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
