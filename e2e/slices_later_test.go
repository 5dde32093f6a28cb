package e2e

import (
	"testing"

	"github.com/miekg/dns"
)

// An API server without EndpointSlices is replaced by one with them. A running process continues to
// watch Endpoints until it retries slices, some minutes later; a process started afterwards uses
// slices.
func TestSlicesAppearLater(t *testing.T) {
	proxy := startFilterProxy(t, rig.cluster.kubeDNSIdentity(t, true, false))
	proxy.hideDiscovery = true
	before, target := follow(t, proxy.identity())
	target.endpoints = "Endpoints"
	change(t, target, []map[string]any{
		service("appear", "set", map[string]any{"clusterIP": "None"}),
		endpoints("appear", "set", "10.244.77.1"),
		slice("v1", "appear", "set", "10.244.77.2"),
	})
	q := question{name: "set.appear.svc.cluster.local", qtype: dns.TypeA}
	mustAnswer(t, before.dns, q, dns.RcodeSuccess, "A 10.244.77.1")

	// The field is not read while the proxy is down.
	proxy.down(t)
	proxy.hideDiscovery = false
	proxy.up(t)
	change(t, target, []map[string]any{endpoints("appear", "set", "10.244.77.3")})
	mustAnswer(t, before.dns, q, dns.RcodeSuccess, "A 10.244.77.3")

	after, _ := follow(t, proxy.identity())
	mustAnswer(t, after.dns, q, dns.RcodeSuccess, "A 10.244.77.2")
}
