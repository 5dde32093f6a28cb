package e2e

import (
	"testing"
	"time"

	"github.com/miekg/dns"
)

// API servers of all ages: kube-dns detects their features, has its data within a bounded time and
// watches changes.
func TestOldAPIServers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		server *oldServer
		// reads is the required kind of endpoints.
		reads string
		// limit is the maximum time to the first data.
		limit time.Duration
		// streams reports whether kube-dns is allowed to request a streamed list.
		streams bool
	}{
		{"1.16 without slices", &oldServer{minor: 16}, "Endpoints", 10 * time.Second, false},
		// Until 1.19 manual Endpoints are not mirrored into slices.
		{"1.18 with v1beta1 slices", &oldServer{minor: 18, slices: "v1beta1"}, "Endpoints", 10 * time.Second, false},
		{"1.20 with v1beta1 slices", &oldServer{minor: 20, slices: "v1beta1"}, "EndpointSlice", 10 * time.Second, false},
		{"1.30 rejects streaming", &oldServer{minor: 30, slices: "v1", streaming: streamRejected}, "EndpointSlice",
			10 * time.Second, false},
		{"1.32 rejects streaming", &oldServer{minor: 32, slices: "v1", streaming: streamRejected}, "EndpointSlice",
			15 * time.Second, true},
		{"1.32 ignores streaming", &oldServer{minor: 32, slices: "v1", streaming: streamIgnored}, "EndpointSlice",
			40 * time.Second, true},
		{"1.32 is silent when streaming", &oldServer{minor: 32, slices: "v1", streaming: streamSilent}, "EndpointSlice",
			40 * time.Second, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			old := tt.server
			id := old.start(t)
			old.set(service("shop", "web", map[string]any{"clusterIP": "10.96.1.1", "clusterIPs": []any{"10.96.1.1"}}))
			old.set(service("shop", "set", map[string]any{"clusterIP": "None"}))
			// The address shows which kind was read.
			old.set(endpoints("shop", "set", "10.244.1.1"))
			if old.slices != "" {
				old.set(slice(old.slices, "shop", "set", "10.244.2.1"))
			}
			want := map[string]string{"Endpoints": "A 10.244.1.1", "EndpointSlice": "A 10.244.2.1"}[tt.reads]

			k := startKubeDNS(t, id.write(t), nil)
			k.waitReady(t, tt.limit)
			mustAnswer(t, k.dns, question{name: "web.shop.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeSuccess, "A 10.96.1.1")
			mustAnswer(t, k.dns, question{name: "set.shop.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeSuccess, want)

			old.set(service("shop", "later", map[string]any{"clusterIP": "10.96.1.2", "clusterIPs": []any{"10.96.1.2"}}))
			mustAnswer(t, k.dns, question{name: "later.shop.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeSuccess,
				"A 10.96.1.2")

			streamed, _ := old.asked("services")
			if got := streamed > 0; got != tt.streams {
				t.Errorf("asked for %d streamed lists, want some: %t", streamed, tt.streams)
			}
		})
	}
}
