package e2e

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// The pod of the overlay lean: kube-dns is the only server on port 53 and the sidecar probes it.
// Clients get the same replies as with the other shapes, and the search path at once.
func TestLean(t *testing.T) {
	world := startResolver(t, outside)
	partner := startResolver(t, "www.partner.example. 60 IN A 203.0.113.90", "www.outside.example. 60 IN A 203.0.113.91")
	config := upstream(world)
	config["stubDomains"] = `{"partner.example": ["` + partner.Addr().String() + `"]}`
	k, status := startLean(t, rig.cluster.kubeDNSIdentity(t, true, false), config)
	k.waitReady(t, 30*time.Second)
	target := &apiTarget{objects: rig.cluster.objects, server: k.dns, config: k.config, endpoints: "EndpointSlice"}
	change(t, target, []map[string]any{
		service("kube-system", "kube-dns", map[string]any{"clusterIP": "10.96.0.10", "ports": []any{
			map[string]any{"name": "dns", "port": 53, "protocol": "UDP"},
			map[string]any{"name": "dns-tcp", "port": 53, "protocol": "TCP"},
		}}),
		service("shop", "set", map[string]any{"clusterIP": "None"}),
		slice("v1", "shop", "set", "10.244.75.1", "10.244.75.2"),
		service("shop", "away", map[string]any{"type": "ExternalName", "externalName": "www.partner.example"}),
	})
	for range 2 { // the second time from the cache
		for _, tt := range throughDNSMasq {
			for _, q := range []question{
				{name: tt.name, qtype: tt.qtype}, {name: tt.name, qtype: tt.qtype, tcp: true},
				{name: tt.name, qtype: tt.qtype, plain: true},
			} {
				mustAnswer(t, k.dns, q, dns.RcodeSuccess, tt.records...)
			}
		}
	}
	mustAnswer(t, k.dns, question{name: "absent.shop.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeNameError)
	mustAnswer(t, k.dns, question{name: "www.partner.example.shop.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeSuccess,
		"CNAME www.partner.example.", "A 203.0.113.90")
	eventually(t, time.Minute, func() error {
		return wantHealth(&front{status: status}, "kubedns", func(h health) bool { return h.IsOk && h.LatencySeconds > 0 })
	})
	body, err := get(status+"/metrics", 200)
	if err != nil || !strings.Contains(body, "\nkubedns_dnsmasq_errors 0\n") {
		t.Errorf("the sidecar polls a dnsmasq: %v\n%.3000s", err, body)
	}

	// The upstream changes and the stub domain is removed.
	if err := k.config.set(upstream(partner)); err != nil {
		t.Fatal(err)
	}
	mustAnswer(t, k.dns, question{name: "www.outside.example", qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.91")
}

// leanDifferences are the vectors with different replies in the overlay lean, with the documented
// flag that changes them. All other vectors have the same replies as with dnsmasq.
var leanDifferences = map[string]string{
	"15-behind-dnsmasq/start/one label is never forwarded/short/A": "--direct",
	"15-behind-dnsmasq/start/the root is never forwarded/./NS":     "--direct",
}

// The conformance vectors over the overlay lean: those of kube-dns with dnsmasq, except for the
// listed differences, and its own.
func TestLeanConformance(t *testing.T) {
	files, err := conformance.Vectors(conformance.Zone)
	if err != nil {
		t.Fatal(err)
	}
	resolver := startResolver(t)
	k, _ := startLean(t, rig.cluster.kubeDNSIdentity(t, true, true), upstream(resolver))
	k.waitReady(t, 30*time.Second)
	suite := conformance.Suite{
		Endpoints: conformance.EndpointsAsSlices, Resolver: resolver,
		Features: []string{
			conformance.FeatureDualStack, conformance.FeatureEndpointSlices, conformance.FeatureDnsmasq, conformance.FeatureLean,
		},
		Target: &apiTarget{objects: rig.cluster.objects, server: k.dns, config: k.config, endpoints: "EndpointSlice"},
	}
	played, found := 0, map[string]bool{}
	for _, file := range files {
		if reason := suite.Missing(file); reason != "" {
			t.Errorf("%s is not played: %s", file.Name, reason)
		}
		suite.Play(t.Context(), file, func(r conformance.Result) {
			played++
			name := file.Name + "/" + r.Title()
			switch flag := leanDifferences[name]; {
			case r.Skip != "":
				t.Errorf("%s: not played: %s", name, r.Skip)
			case r.Failure != "" && flag == "":
				t.Errorf("%s: %s", name, r.Failure)
			case r.Failure != "":
				found[name] = true
			}
		})
	}
	for name, flag := range leanDifferences {
		if !found[name] {
			t.Errorf("%s: no difference by %s", name, flag)
		}
	}
	t.Logf("%d vectors, %d differences", played, len(found))
}

// startLean runs the two commands with the arguments of the overlay, on unprivileged loopback
// ports. env is more environment of kube-dns. It also returns the URL of the sidecar.
func startLean(t *testing.T, id identity, config map[string]string, env ...string) (k *kubeDNS, status string) {
	t.Helper()
	args := overlayArgs(t, "lean")
	if len(args) != 2 {
		t.Fatalf("containers: %v", args)
	}
	port, statusPort, metricsPort, sidecarPort := freePort(t), freePort(t), freePort(t), freePort(t)
	k = &kubeDNS{
		dns:    fmt.Sprintf("127.0.0.1:%d", port),
		status: fmt.Sprintf("http://127.0.0.1:%d", statusPort),
		config: newConfigDir(t, config),
	}
	change := strings.NewReplacer(
		"--dns-port=53", "--dns-port="+strconv.Itoa(port), "127.0.0.1:53", k.dns,
		"=/kube-dns-config", "="+k.config.dir, "=/var/lib/kube-dns", "="+stateDir(t), "cluster.local,5,", "cluster.local,1,",
	)
	for _, list := range args {
		for i := range list {
			list[i] = change.Replace(list[i])
		}
	}
	k.process = start(t, "kube-dns", append(env, "PROMETHEUS_PORT="+strconv.Itoa(metricsPort)), append(args["kubedns"],
		"--dns-bind-address=127.0.0.1", "--healthz-port="+strconv.Itoa(statusPort),
		"--kubecfg-file="+id.write(t), "--config-period=200ms")...)
	start(t, "sidecar", nil, append(args["sidecar"],
		"--prometheus-addr=127.0.0.1", "--prometheus-port="+strconv.Itoa(sidecarPort))...)
	return k, fmt.Sprintf("http://127.0.0.1:%d", sidecarPort)
}
