package skydns_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// TestMissesCountOnce: a query that is answered again, in a goroutine that can wait, counts once.
func TestMissesCountOnce(t *testing.T) {
	reg := prometheus.NewRegistry()
	addr := serve(t, skydns.Options{
		Backend:    &fake{status: backend.Ready, names: map[string][]backend.Record{"out": {alias("www.outside.example.")}}},
		Forwarder:  forwarderTo(t, answerWith(t, "www.outside.example. 60 IN A 192.0.2.1")),
		Registerer: reg,
	})
	if m := dnstest.Exchange(t, addr, dnstest.Query("out.cluster.local.", backend.TypeA), false); len(m.Answer) != 2 {
		t.Fatalf("got %v, want an alias and its address", m)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "skydns_skydns_dns_cachemiss_count_total" {
			if got := f.GetMetric()[0].GetCounter().GetValue(); got != 1 {
				t.Errorf("%v misses, want 1", got)
			}
			return
		}
	}
	t.Error("no metric of misses")
}
