package chart

import (
	"strings"
	"testing"
)

// TestRefused checks values that cannot work, each combined with valid values.
func TestRefused(t *testing.T) {
	stub := func(domain, server string) map[string]any {
		return map[string]any{"config": map[string]any{"stubDomains": map[string]any{domain: []any{server}}}}
	}
	for _, tt := range []struct {
		values map[string]any
		want   string
	}{
		{map[string]any{"imgae": map[string]any{"tag": "x"}}, "imgae"},
		{map[string]any{"image": map[string]any{"registry": "localhost", "tga": "x"}}, "tga"},
		{map[string]any{"image": map[string]any{"registry": "https://registry.example"}}, "/image/registry"},
		{map[string]any{"image": map[string]any{"registry": "registry.example/"}}, "/image/registry"},
		{map[string]any{"image": map[string]any{"registry": "localhost", "tag": "a:b"}}, "/image/tag"},
		{map[string]any{"image": map[string]any{"registry": ""}}, "image.registry is missing"},
		{map[string]any{"replicas": "abc"}, "/replicas"},
		{map[string]any{"replicas": -1}, "/replicas"},
		{map[string]any{"replicas": 1.5}, "/replicas"},
		{map[string]any{"modern": "yes-please"}, "/modern"},
		{map[string]any{"dualStack": "true"}, "/dualStack"},
		{map[string]any{"clusterIP": ""}, "--cluster-dns"},
		{map[string]any{"clusterIP": "10.96.0.10/32"}, "/clusterIP"},
		{map[string]any{"clusterIP": "10.96.0.256"}, "/clusterIP"},
		{map[string]any{"clusterIP": "fd00:::1"}, "/clusterIP"},
		{map[string]any{"clusterIP": "None"}, "/clusterIP"},
		{map[string]any{"clusterDomain": "Cluster.Local"}, "/clusterDomain"},
		{map[string]any{"clusterDomain": "cluster..local"}, "/clusterDomain"},
		{map[string]any{"clusterDomain": ""}, "/clusterDomain"},
		{map[string]any{"resources": nil}, "resources"},
		{map[string]any{"resources": map[string]any{"kubedsn": nil}}, "kubedsn"},
		{map[string]any{"config": nil}, "config"},
		{map[string]any{"config": map[string]any{"stubDomain": nil}}, "stubDomain"},
		{map[string]any{"extraArgs": map[string]any{"kubedns": "--v=4"}}, "/extraArgs/kubedns"},
		{map[string]any{"extraArgs": map[string]any{"nanny": []any{"-"}}}, "/extraArgs/nanny"},
		{map[string]any{"nodeSelector": map[string]any{"x": 1}}, "/nodeSelector"},
		{map[string]any{"config": map[string]any{"upstreamNameservers": []any{"dns.example"}}},
			"/config/upstreamNameservers"},
		{map[string]any{"config": map[string]any{"upstreamNameservers": []any{"192.0.2.1:0"}}},
			"/config/upstreamNameservers"},
		{map[string]any{"config": map[string]any{"upstreamNameservers": []any{"192.0.2.1:65536"}}},
			"/config/upstreamNameservers"},
		{stub("acme.example", "300.1.1.1"), "/config/stubDomains"},
		{stub("acme.example", "192.0.2.1:"), "/config/stubDomains"},
		{stub("acme example", "192.0.2.1"), `config.stubDomains: "acme example" is no domain`},
		{stub("Acme.example", "192.0.2.1"), `config.stubDomains: "Acme.example" is no domain`},
		{stub("acme.example.", "192.0.2.1"), `config.stubDomains: "acme.example." is no domain`},
		{map[string]any{"clusterFirst": true, "modern": false}, "clusterFirst needs modern"},
		{map[string]any{"lean": true, "modern": false}, "lean needs modern"},
		{map[string]any{"lean": true, "clusterFirst": true}, "lean and clusterFirst exclude each other"},
		{map[string]any{"lean": true, "dnsmasq": list("--address=/x/192.0.2.1")}, "dnsmasq has no effect with lean"},
		{map[string]any{"lean": true, "extraArgs": map[string]any{"nanny": list("-v=4")}},
			"extraArgs.nanny has no effect with lean"},
		{overTLS("tls://192.0.2.1", false), "or set lean=true"},
		{overTLS("tls://dns.example.com", true), "/config/upstreamNameservers"},
		{overTLS("tls://192.0.2.1:0", true), "/config/upstreamNameservers"},
		{overTLS("tls://[2001:db8::1]", true), "/config/upstreamNameservers"},
		{overTLS("tls://192.0.2.1#a_b", true), "/config/upstreamNameservers"},
		{map[string]any{"autoscaler": map[string]any{"enabled": true}}, "autoscaler.image is missing"},
		{map[string]any{"nodeLocal": true}, "/nodeLocal"},
		{map[string]any{"nodeLocal": map[string]any{"mode": "ebpf"}}, "/nodeLocal/mode"},
		{map[string]any{"nodeLocal": map[string]any{"localIP": "169.254.20.10/32"}}, "/nodeLocal/localIP"},
		{map[string]any{"nodeLocal": map[string]any{"healthPort": 0}}, "/nodeLocal/healthPort"},
		{map[string]any{"nodeLocal": map[string]any{"localip": "169.254.20.10"}}, "localip"},
		{map[string]any{"images": map[string]any{"kubedns": "registry.example/dns"}}, "/images/kubedns"},
		{map[string]any{"images": map[string]any{"kubedns": "registry.example/dns@sha256:12"}}, "/images/kubedns"},
		{map[string]any{"images": map[string]any{"kube-dns": "registry.example/dns:1"}}, "kube-dns"},
		{map[string]any{"podLabels": map[string]any{"k8s-app": "mine"}}, "podLabels: the Service selects"},
		{map[string]any{"podAnnotations": map[string]any{"x": true}}, "/podAnnotations"},
		{map[string]any{"env": map[string]any{"sidecar": []any{map[string]any{"value": "x"}}}}, "/env/sidecar"},
		{map[string]any{"volumes": []any{map[string]any{"name": "kubedns-state"}}},
			"volumes: the pod has a volume kubedns-state"},
		{map[string]any{"probes": map[string]any{"kubedns": map[string]any{"readiness": map[string]any{"period": 3}}}},
			"period"},
		{map[string]any{"lameduck": 28}, "set terminationGracePeriodSeconds=33 or more"},
		{map[string]any{"lameduck": 60, "terminationGracePeriodSeconds": 64}, "set terminationGracePeriodSeconds=65"},
		{map[string]any{"lameduck": "25s"}, "/lameduck"},
		{map[string]any{"updateStrategy": map[string]any{"rollingUpdate": map[string]any{"maxSurge": "ten"}}},
			"/updateStrategy/rollingUpdate/maxSurge"},
		{map[string]any{"podDisruptionBudget": map[string]any{"maxUnavailable": "half"}}, "/podDisruptionBudget"},
		{map[string]any{"monitoring": map[string]any{"rules": true}}, "/monitoring/rules"},
		{map[string]any{"networkPolicy": map[string]any{"httpFrom": []any{map[string]any{"pods": "x"}}}},
			"/networkPolicy/httpFrom"},
		{map[string]any{"affinity": map[string]any{"nodeAffinty": map[string]any{}}}, "/affinity"},
		{map[string]any{"resources": nest([]string{"kubedns", "limits", "memory"}, "70Mib")},
			"/resources/kubedns/limits/memory"},
		{map[string]any{"resources": nest([]string{"kubedns", "limits", "memory"}, -1)}, "/resources/kubedns/limits/memory"},
		{map[string]any{"updateStrategy": map[string]any{"type": "Recreate"}}, "set updateStrategy.rollingUpdate=null"},
		{map[string]any{"updateStrategy": nest([]string{"rollingUpdate", "maxSurge"}, "0%")},
			"no pod could ever be replaced"},
		{map[string]any{"volumeMounts": map[string]any{"sidecar": list(map[string]any{"name": "x", "mountPath": "/x"})}},
			"volumeMounts.sidecar: there is no volume x"},
		{map[string]any{"volumes": list(map[string]any{"name": "A_b"})}, "/volumes/0/name"},
		{map[string]any{"config": map[string]any{"federations": "west"}}, "/config/federations"},
		{map[string]any{"config": map[string]any{"federations": "West=west.example"}}, "/config/federations"},
		{map[string]any{"priorityClassName": "Mine"}, "/priorityClassName"},
		{map[string]any{"podAnnotations": map[string]any{"a b": "c"}}, "/podAnnotations"},
		{map[string]any{"env": map[string]any{"kubedns": list(map[string]any{"name": "A=B", "value": "c"})}},
			"/env/kubedns/0/name"},
		{map[string]any{"probes": nest([]string{"sidecar", "liveness", "successThreshold"}, 2)}, "/probes/sidecar/liveness"},
		{map[string]any{"tolerations": list(map[string]any{"operator": "Exists", "value": "x"})}, "/tolerations/0/value"},
		{map[string]any{"tolerations": list(map[string]any{"effect": "NoSchedule"})}, "missing property 'key'"},
		{map[string]any{"topologySpreadConstraints": list(map[string]any{"topologyKey": "zone", "maxSkew": 0,
			"whenUnsatisfiable": "ScheduleAnyway"})}, "/topologySpreadConstraints/0/maxSkew"},
		{map[string]any{"autoscaler": map[string]any{"enabled": true, "image": "registry.example/cpa:v1",
			"linear": map[string]any{"max": 1}}}, "autoscaler.linear: min=2 is more than max=1: set max=2"},
		{map[string]any{"nodeLocal": map[string]any{"enabled": true, "localIP": "10.96.0.10"}},
			"nodeLocal.localIP=10.96.0.10 is the address of the Service"},
		{map[string]any{"nodeLocal": map[string]any{"enabled": true, "localIP": "127.0.0.1"}}, "cannot be reached from pods"},
	} {
		if _, err := execute(t, tt.values); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("values %v: got error %v, want one with %q", tt.values, err, tt.want)
		}
	}
}

// TestAccepted checks unusual values that are valid.
func TestAccepted(t *testing.T) {
	for _, values := range []map[string]any{
		{"clusterIP": "fd00::a"},
		{"clusterDomain": "k8s.example."},
		{"image": map[string]any{"registry": "registry.example:5000/some/path"}},
		{"replicas": 0},
		{"modern": true},
		{"resources": map[string]any{"sidecar": nil}},
		{"config": map[string]any{"upstreamNameservers": []any{"192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:53"}}},
		overTLS("tls://192.0.2.1", true), overTLS("tls://2001:db8::1#dns.example.com", true),
		overTLS("tls://[2001:db8::1]:8853", true), overTLS("tls://192.0.2.1:853#a", true),
		{"lean": true, "lameduck": 20, "extraArgs": map[string]any{"kubedns": list("--autopath=false")}},
		{"config": map[string]any{"stubDomains": map[string]any{"a.example": []any{"ns1.a.example", "ns:5353",
			"1.in-addr"}}}},
		{"extraArgs": map[string]any{"kubedns": nil}},
		{"updateStrategy": map[string]any{"type": "Recreate", "rollingUpdate": nil}},
		{"updateStrategy": nest([]string{"rollingUpdate"}, map[string]any{"maxSurge": 0, "maxUnavailable": 1})},
		{"config": map[string]any{"federations": " west=west.example , east = east.example"}},
		{"volumeMounts": map[string]any{"kubedns": list(map[string]any{"name": "kubedns-state", "mountPath": "/state"})}},
		{"tolerations": list(map[string]any{"key": "a.example/b", "value": "c", "effect": "NoExecute",
			"tolerationSeconds": 60})},
		{"resources": nest([]string{"kubedns", "requests"}, map[string]any{"cpu": 0.5, "memory": "1e8",
			"hugepages-2Mi": "4Mi"})},
		{"global": map[string]any{"x": 1}},
		{"nodeLocal": map[string]any{"enabled": true, "resources": nil, "extraArgs": []any{"-lameduck=5s"}}},
	} {
		if _, err := execute(t, values); err != nil {
			t.Errorf("values %v: %v", values, err)
		}
	}
}

// TestOldReleases checks that the chart renders only objects that a release has.
func TestOldReleases(t *testing.T) {
	for _, tt := range []struct {
		release string
		values  map[string]any
		want    string // part of the error; empty: no error
		modern  bool
	}{
		{"v1.16.15", nil, "", false},
		{"v1.18.20", nil, "", false},
		{"v1.21.14-gke.100", nil, "", false},
		{"v1.22.0", nil, "", true},
		{"v1.22.17-eks-0a21954", nil, "", true},
		{"v1.36.0", map[string]any{"modern": false}, "", false},
		{"v1.18.20", map[string]any{"modern": true}, "modern needs Kubernetes 1.22", false},
		{"v1.18.20", map[string]any{"clusterFirst": true}, "clusterFirst needs modern", false},
		{"v1.22.0", map[string]any{"dualStack": true}, "dualStack needs Kubernetes 1.23", false},
		{"v1.21.14", map[string]any{"nodeLocal": map[string]any{"enabled": true}}, "nodeLocal.enabled needs Kubernetes 1.22",
			false},
		{"v1.18.20", map[string]any{"autoscaler": map[string]any{"enabled": true,
			"image": "registry.example/cpa:v1"}}, "", false},
	} {
		files, err := executeIn(t, tt.values, tt.release)
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, values %v: got error %v, want one with %q", tt.release, tt.values, err, tt.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s, values %v: %v", tt.release, tt.values, err)
			continue
		}
		var text strings.Builder
		for name, file := range files {
			if strings.HasSuffix(name, ".yaml") {
				text.WriteString(file)
			}
		}
		for _, part := range []string{"policy/v1", "sysctls", "seccompProfile", "topologySpreadConstraints"} {
			if strings.Contains(text.String(), part) != tt.modern {
				t.Errorf("%s, values %v: %s is there: %v, want %v", tt.release, tt.values, part, !tt.modern, tt.modern)
			}
		}
	}
}

// overTLS are values with a server over TLS.
func overTLS(server string, lean bool) map[string]any {
	return map[string]any{"lean": lean, "config": map[string]any{"upstreamNameservers": list(server)}}
}
