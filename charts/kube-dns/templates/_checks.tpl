{{/* Fails on values of the pod that the API server would refuse later. */}}
{{- define "kube-dns.checkPod" -}}
{{- if hasKey (.Values.podLabels | default dict) "k8s-app" -}}
{{- fail "podLabels: the Service selects the pods by k8s-app=kube-dns: leave k8s-app out" -}}
{{- end -}}
{{- $names := list "api-access" "kube-dns-config" "kubedns-state" "dnsmasq-state" -}}
{{- range .Values.volumes -}}
  {{- if has .name $names -}}
  {{- fail (printf "volumes: the pod has a volume %s of its own: give yours another name" .name) -}}
  {{- end -}}
  {{- $names = append $names .name -}}
{{- end -}}
{{- range $container, $mounts := .Values.volumeMounts -}}
  {{- range $mounts -}}
    {{- if not (has .name $names) -}}
    {{- fail (printf "volumeMounts.%s: there is no volume %s: add it to volumes" $container .name) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- with .Values.updateStrategy -}}
  {{- $step := .rollingUpdate | default dict -}}
  {{- if and (eq (.type | default "") "Recreate") $step -}}
  {{- fail "updateStrategy.type=Recreate ends all pods before a new one starts, and has no steps: also set updateStrategy.rollingUpdate=null" -}}
  {{- end -}}
  {{- if and (eq (include "kube-dns.zero" $step.maxSurge) "true") (eq (include "kube-dns.zero" $step.maxUnavailable) "true") -}}
  {{- fail "updateStrategy.rollingUpdate: maxSurge and maxUnavailable are both 0, so no pod could ever be replaced: set maxSurge=1" -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* "true" for a number or a share that is set and 0. */}}
{{- define "kube-dns.zero" -}}
{{- if and (ne . nil) (eq (int (trimSuffix "%" (toString .))) 0) }}true{{ end -}}
{{- end -}}

{{/* Fails on an address of the cache that is another's:
     include "kube-dns.checkLocalIP" (list "169.254.20.10" "10.96.0.10") */}}
{{- define "kube-dns.checkLocalIP" -}}
{{- $address := index . 0 -}}
{{- if eq $address (index . 1) -}}
{{- fail (printf "nodeLocal.localIP=%s is the address of the Service kube-dns: set one that nothing else has, for example 169.254.20.10" $address) -}}
{{- end -}}
{{- if or (hasPrefix "127." $address) (has $address (list "0.0.0.0" "::" "::1")) -}}
{{- fail (printf "nodeLocal.localIP=%s cannot be reached from pods: set one that nothing else has, for example 169.254.20.10" $address) -}}
{{- end -}}
{{- end -}}

{{/* Fails on a stub domain whose name kube-dns would refuse. */}}
{{- define "kube-dns.checkStubDomains" -}}
{{- range $domain, $_ := .Values.config.stubDomains -}}
  {{- if or (gt (len $domain) 253) (not (regexMatch "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?([.][a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$" $domain)) -}}
  {{- fail (printf "config.stubDomains: %q is no domain: write labels of a-z, 0-9 and - without a trailing dot, for example acme.example" $domain) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
