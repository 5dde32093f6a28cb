package e2e

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// The pod as deployed: dnsmasq in front of kube-dns, the sidecar next to them, all with one
// ConfigMap.
func TestThroughDNSMasq(t *testing.T) {
	world := startResolver(t, outside)
	partner := startResolver(t, "www.partner.example. 60 IN A 203.0.113.90", "www.outside.example. 60 IN A 203.0.113.91")
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

	for _, tt := range throughDNSMasq {
		for _, q := range []question{
			{name: tt.name, qtype: tt.qtype}, {name: tt.name, qtype: tt.qtype, tcp: true},
			{name: tt.name, qtype: tt.qtype, plain: true},
		} {
			mustAnswer(t, f.dns, q, dns.RcodeSuccess, tt.records...)
		}
	}
	mustAnswer(t, f.dns, question{name: "absent.shop.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeNameError)
	mustAnswer(t, f.dns, question{name: "set.shop.svc.cluster.local", qtype: dns.TypeAAAA}, dns.RcodeSuccess)

	// The upstream changes and the stub domain is removed.
	if err := k.config.set(upstream(partner)); err != nil {
		t.Fatal(err)
	}
	mustAnswer(t, f.dns, question{name: "www.outside.example", qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.91")
	// An invalid configuration changes nothing.
	if err := k.config.set(map[string]string{"upstreamNameservers": `["no.address.example"]`}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second) // five periods for a possible reload
	mustAnswer(t, f.dns, question{name: "www.outside.example", qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.91")
	// dnsmasq sends queries for outside names itself; kube-dns forwards this one.
	mustAnswer(t, k.dns, question{name: "www.outside.example", qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.91")
	checkHealth(t, k, f)
}

// throughDNSMasq are queries for TestThroughDNSMasq's objects.
var throughDNSMasq = []struct {
	name    string
	qtype   uint16
	records []string
}{
	{"kube-dns.kube-system.svc.cluster.local", dns.TypeA, []string{"A 10.96.0.10"}},
	{"set.shop.svc.cluster.local", dns.TypeA, []string{"A 10.244.75.1", "A 10.244.75.2"}},
	{
		"_dns._udp.kube-dns.kube-system.svc.cluster.local", dns.TypeSRV,
		[]string{"SRV 10 100 53 kube-dns.kube-system.svc.cluster.local."},
	},
	{
		"_dns-tcp._tcp.kube-dns.kube-system.svc.cluster.local", dns.TypeSRV,
		[]string{"SRV 10 100 53 kube-dns.kube-system.svc.cluster.local."},
	},
	{"10.0.96.10.in-addr.arpa", dns.TypePTR, []string{"PTR kube-dns.kube-system.svc.cluster.local."}},
	{"ns.dns.cluster.local", dns.TypeA, []string{"A 10.96.0.10"}},
	{"dns-version.cluster.local", dns.TypeTXT, []string{`TXT "1.1.0"`}},
	{"10-1-2-3.shop.pod.cluster.local", dns.TypeA, []string{"A 10.1.2.3"}},
	{"www.outside.example", dns.TypeA, []string{"A 203.0.113.80"}},
	{"www.partner.example", dns.TypeA, []string{"A 203.0.113.90"}},
	// kube-dns itself queries the stub domain's server for the target.
	{"away.shop.svc.cluster.local", dns.TypeA, []string{"CNAME www.partner.example.", "A 203.0.113.90"}},
}

// checkHealth checks the probe and metrics endpoints of a cluster.
func checkHealth(t *testing.T, k *kubeDNS, f *front) {
	t.Helper()
	for _, probe := range []string{"kubedns", "dnsmasq"} {
		eventually(t, time.Minute, func() error {
			return wantHealth(f, probe, func(h health) bool { return h.IsOk && h.Err == "" && h.LatencySeconds > 0 })
		})
	}
	for _, page := range []struct {
		url, want string
	}{
		{k.status + "/readiness", `^ok\n$`},
		{k.status + "/cache", `"kube-system"`},
		{k.status + "/metrics", `(?m)^skydns_skydns_dns_request_count_total\{system="auth"\} [1-9]`},
		{k.metrics + "/metrics", `(?m)^skydns_skydns_dns_request_count_total\{system="recursive"\} [1-9]`},
		{k.metrics + "/metrics", `(?m)^skydns_skydns_dns_request_duration_seconds_count\{system="reverse"\} [1-9]`},
		{k.metrics + "/metrics", `(?m)^skydns_skydns_dns_error_count_total\{cause="nxdomain",system="auth"\} [1-9]`},
		{f.status + "/healthz", `^ok`},
		{f.status + "/metrics", `(?m)^kubedns_probe_kubedns_latency_ms_count [1-9]`},
		{f.status + "/metrics", `(?m)^kubedns_probe_dnsmasq_latency_ms_count [1-9]`},
		{f.status + "/metrics", `(?m)^kubedns_dnsmasq_max_size 1000$`},
		{f.status + "/metrics", `(?m)^kubedns_dnsmasq_hits [1-9]`},
		{f.status + "/metrics", `(?m)^kubedns_dnsmasq_misses [1-9]`},
		{f.status + "/metrics", `(?m)^kubedns_dnsmasq_errors \d`},
	} {
		eventually(t, time.Minute, func() error {
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

// A pod that waits for the API server answers all other names, and its liveness probes do not
// restart it: they restart a hung process, not a waiting one.
func TestPodWaitsForAPIServer(t *testing.T) {
	proxy := startFilterProxy(t, rig.cluster.kubeDNSIdentity(t, true, false))
	kubeconfig := proxy.identity().write(t)
	proxy.down(t)
	world := startResolver(t, outside)
	k := startKubeDNS(t, kubeconfig, upstream(world))
	f := startFront(t, k)
	mustAnswer(t, f.dns, question{name: "www.outside.example", qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.80")
	inside := question{name: "kubernetes.default.svc.cluster.local", qtype: dns.TypeA}
	eventually(t, time.Minute, func() error { return wantNotReady(f.dns, inside) })
	for _, probe := range []string{"kubedns", "dnsmasq"} {
		eventually(t, time.Minute, func() error {
			return wantHealth(f, probe, func(h health) bool { return !h.IsOk && h.Err != "" })
		})
	}
	proxy.up(t)
	mustAnswer(t, f.dns, inside, dns.RcodeSuccess, "A 10.96.0.1")
	for _, probe := range []string{"kubedns", "dnsmasq"} {
		eventually(t, time.Minute, func() error {
			return wantHealth(f, probe, func(h health) bool { return h.IsOk && h.Err == "" })
		})
	}
}

// A health is the reply of the sidecar's /healthcheck/<label>.
type health struct {
	IsOk           bool
	LatencySeconds float64
	Err            string
}

// wantHealth checks the health of a probe, and that the status is 200.
func wantHealth(f *front, probe string, check func(health) bool) error {
	body, err := get(f.status+"/healthcheck/"+probe, 200)
	if err != nil {
		return err
	}
	var h health
	if err := json.Unmarshal([]byte(body), &h); err != nil {
		return fmt.Errorf("/healthcheck/%s: %w", probe, err)
	}
	if !check(h) {
		return fmt.Errorf("/healthcheck/%s: got %s", probe, body)
	}
	return nil
}

// A configuration change must not lose a query, for cluster names or outside names.
func TestConfigurationChangesUnderLoad(t *testing.T) {
	var records []string
	for i := range 200 {
		records = append(records, fmt.Sprintf("n%d.outside.example. 60 IN A 203.0.113.1", i))
	}
	world, partner := startResolver(t, records...), startResolver(t, records...)
	k, _ := follow(t, rig.cluster.kubeDNSIdentity(t, true, false))
	if err := k.config.set(upstream(world)); err != nil {
		t.Fatal(err)
	}
	f := startFront(t, k)
	inside := question{name: "kubernetes.default.svc.cluster.local", qtype: dns.TypeA}
	mustAnswer(t, f.dns, inside, dns.RcodeSuccess, "A 10.96.0.1")
	mustAnswer(t, f.dns, question{name: "n0.outside.example", qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.1")
	pid := dnsmasqPIDs(t, f.nanny)

	stop := make(chan struct{}) // closed by this goroutine after the last change
	var wait sync.WaitGroup
	for worker := range 4 {
		wait.Go(func() {
			for i := worker; ; i += 4 {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
				}
				name := "n" + strconv.Itoa(i%200) + ".outside.example"
				if err := wantAnswer(f.dns, question{name: name, qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.1"); err != nil {
					t.Error(err)
				}
				if err := wantAnswer(f.dns, inside, dns.RcodeSuccess, "A 10.96.0.1"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range 6 {
		config := upstream([]*conformance.Resolver{partner, world}[i%2])
		config["stubDomains"] = fmt.Sprintf(`{"stub%d.example": [%q]}`, i, partner.Addr())
		if err := k.config.set(config); err != nil {
			t.Error(err)
		}
		time.Sleep(700 * time.Millisecond)
	}
	close(stop)
	wait.Wait()
	if now := dnsmasqPIDs(t, f.nanny); now != pid {
		t.Errorf("dnsmasq was restarted: pid %s became %s", pid, now)
	}
}

// dnsmasqPIDs returns the children of the nanny.
func dnsmasqPIDs(t *testing.T, nanny *process) string {
	t.Helper()
	var pids []string
	for _, c := range childProcesses(nanny.cmd.Process.Pid) {
		pids = append(pids, strconv.Itoa(c.pid))
	}
	if len(pids) == 0 {
		t.Fatal("dnsmasq-nanny has no child")
	}
	return strings.Join(pids, " ")
}
