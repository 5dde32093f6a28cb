package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// A nodeCache is a running node-cache.
type nodeCache struct {
	*process
	dns, health, metrics string // the last two are URLs without a path
	base                 string // the template of the Corefile
}

// startNodeCache runs node-cache in front of a pod, with the arguments and the Corefile of the
// manifests. It adds neither link nor rules, and its ports are those of this machine.
func startNodeCache(t *testing.T, f *front, config *configDir) *nodeCache {
	t.Helper()
	return runNodeCache(t, "node-cache", f.dns, config)
}

// runNodeCache is startNodeCache for a program that runs node-cache, the address of a dnsmasq, and
// more flags.
func runNodeCache(t *testing.T, program, upstreamDNS string, config *configDir, flags ...string) *nodeCache {
	t.Helper()
	port, health, metrics := freePort(t), freePort(t), freePort(t)
	n := &nodeCache{
		dns:     fmt.Sprintf("127.0.0.1:%d", port),
		health:  fmt.Sprintf("http://127.0.0.1:%d", health),
		metrics: fmt.Sprintf("http://127.0.0.1:%d", metrics),
	}
	dir := stateDir(t)
	base := manifest[corev1.ConfigMap](t, nodeLocal+"configmap.yaml", "ConfigMap").Data["Corefile"]
	const upstream = "__PILLAR__CLUSTER__DNS__"
	if !strings.Contains(base, ":53 {") || !strings.Contains(base, " "+upstream+" ") {
		t.Fatalf("the Corefile of the manifests has moved on:\n%s", base)
	}
	_, upstreamPort, _ := strings.Cut(upstreamDNS, ":")
	base = strings.NewReplacer(":53 {", ":"+strconv.Itoa(port)+" {", " "+upstream+" ",
		" "+upstream+":"+upstreamPort+" ").Replace(base)
	n.base = filepath.Join(dir, "Corefile.base")
	if err := os.WriteFile(n.base, []byte(base), 0o600); err != nil {
		t.Fatal(err)
	}
	pod := manifest[appsv1.DaemonSet](t, nodeLocal+"daemonset.yaml", "DaemonSet").Spec.Template.Spec
	args := append(expandedArgs(pod.Containers[0]), "-localip=127.0.0.1", "-setupinterface=false", "-setupiptables=false",
		"-dns.port="+strconv.Itoa(port), "-basecorefile="+n.base,
		"-conf="+filepath.Join(dir, "Corefile"), "-kubednscm="+config.dir, "-metrics-listen-address=0",
		"-health-listen-address="+strings.TrimPrefix(n.health, "http://"),
		"-prometheus-listen-address="+strings.TrimPrefix(n.metrics, "http://"))
	n.process = start(t, program, []string{"KUBE_DNS_UPSTREAM_SERVICE_HOST=127.0.0.1"}, append(args, flags...)...)
	return n
}

// nodeLocal are the manifests of the cache, relative to those of the pod.
const nodeLocal = "../components/node-local/"

// A pod with a cache on its node: node-cache, dnsmasq and kube-dns in a row, with one ConfigMap for
// all.
func TestThroughNodeCache(t *testing.T) {
	world := startResolver(t, outside)
	partner := startResolver(t, "www.partner.example. 60 IN A 203.0.113.90", "www.elsewhere.example. 60 IN A 203.0.113.92")
	config := upstream(world)
	config["stubDomains"] = `{"partner.example": ["` + partner.Addr().String() + `"]}`

	k, target := follow(t, rig.cluster.kubeDNSIdentity(t, true, false))
	if err := k.config.set(config); err != nil {
		t.Fatal(err)
	}
	change(t, target, []map[string]any{
		service("kube-system", "kube-dns", map[string]any{"clusterIP": "10.96.0.10", "ports": []any{
			map[string]any{"name": "dns", "port": 53, "protocol": "UDP"},
			map[string]any{"name": "dns-tcp", "port": 53, "protocol": "TCP"},
		}}),
		service("shop", "set", map[string]any{"clusterIP": "None"}),
		slice("v1", "shop", "set", "10.244.75.1", "10.244.75.2"),
		service("shop", "away", map[string]any{"type": "ExternalName", "externalName": "www.partner.example"}),
	})
	f := startFront(t, k)
	n := startNodeCache(t, f, k.config)
	for _, tt := range throughDNSMasq {
		for _, q := range []question{
			{name: tt.name, qtype: tt.qtype}, {name: tt.name, qtype: tt.qtype, tcp: true},
			{name: tt.name, qtype: tt.qtype, plain: true},
		} {
			mustAnswer(t, n.dns, q, dns.RcodeSuccess, tt.records...)
		}
	}
	mustAnswer(t, n.dns, question{name: "absent.shop.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeNameError)
	mustAnswer(t, n.dns, question{name: "set.shop.svc.cluster.local", qtype: dns.TypeAAAA}, dns.RcodeSuccess)
	checkNodeCache(t, n)

	// The upstream changes. A later invalid configuration changes nothing.
	if err := k.config.set(upstream(partner)); err != nil {
		t.Fatal(err)
	}
	elsewhere := question{name: "www.elsewhere.example", qtype: dns.TypeA}
	eventually(t, 30*time.Second, func() error { return wantAnswer(n.dns, elsewhere, dns.RcodeSuccess, "A 203.0.113.92") })
	if err := k.config.set(map[string]string{"upstreamNameservers": `["no.address.example"]`}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second) // in which it could
	mustAnswer(t, n.dns, elsewhere, dns.RcodeSuccess, "A 203.0.113.92")

	// Cached names outlive the pod.
	set := question{name: "set.shop.svc.cluster.local", qtype: dns.TypeA}
	mustAnswer(t, n.dns, set, dns.RcodeSuccess, "A 10.244.75.1", "A 10.244.75.2")
	f.sidecar.stop(t)
	f.nanny.stop(t)
	mustAnswer(t, n.dns, set, dns.RcodeSuccess, "A 10.244.75.1", "A 10.244.75.2")
	mustAnswer(t, n.dns, question{name: "new.shop.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeServerFailure)
}

// checkNodeCache checks the cache's pages for probes and scrapers.
func checkNodeCache(t *testing.T, n *nodeCache) {
	t.Helper()
	for _, page := range []struct{ url, want string }{
		{n.health + "/health", ""},
		{n.health + "/ready", ""},
		{
			n.metrics + "/metrics",
			`(?m)^coredns_dns_requests_total\{.*server="dns://` + regexp.QuoteMeta(n.dns) +
				`".*zone="cluster\.local\.".*\} [1-9]`,
		},
		{n.metrics + "/metrics", `(?m)^coredns_cache_hits_total\{.*type="success".*\} [1-9]`},
		{n.metrics + "/metrics", `(?m)^coredns_nodecache_setup_errors_total\{errortype="configmap"\} 0$`},
	} {
		eventually(t, time.Minute, func() error {
			if err := n.running(); err != nil {
				return err
			}
			body, err := get(page.url, 200)
			if err != nil {
				return err
			}
			if !regexp.MustCompile(page.want).MatchString(body) {
				return fmt.Errorf("%s: found no %s in:\n%.3000s", page.url, page.want, body)
			}
			return nil
		})
	}
}
