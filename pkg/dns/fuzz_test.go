package dns_test

import (
	"errors"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// Any name has an answer of the requested type or an alias, and never more records than exist.
func FuzzRecords(f *testing.F) {
	for _, name := range []string{
		"", "web.ns.svc", "*.web.ns.svc", "_http._tcp.web.ns.svc", "a._http._tcp.set.ns.svc", "*.*.*.*.svc",
		"_http._tcp.*.*.svc",
		"1-2-3-4.ns.pod", "--.ns.pod", "web.ns.acme.svc", "...", "_.x.web.ns.svc", "a\\046b.ns.svc", "_", "_tcp.set.ns.svc",
	} {
		f.Add(name, uint16(1))
		f.Add(name, uint16(33))
	}
	z := newZone()
	z.SetFederations(map[string]string{"acme": "fed.example"})
	z.SetService(clusterIP("ns/web", "10.0.0.1", "fd00::1"))
	z.SetService(headless("ns/set"))
	z.SetService(dns.Service{Key: key("ns/ext"), ExternalName: "a.example"})
	z.SetEndpoints(slice("ns/set-1", "set", "10.1.0.1=a", "10.1.0.2"))
	z.Publish()
	f.Fuzz(func(t *testing.T, name string, rrtype uint16) {
		if name != "" {
			name += "."
		}
		a, err := z.Records(t.Context(), backend.Query{Name: name + "cluster.local.", Type: rrtype, Limit: 3})
		if err != nil {
			if len(a.Records) > 0 {
				t.Error("records beside an error")
			}
			if !errors.Is(err, backend.ErrNotFound) && rrtype != backend.TypeA && rrtype != backend.TypeAAAA &&
				rrtype != backend.TypeSRV {
				t.Error(err)
			}
			return
		}
		if a.Total < len(a.Records) && len(a.Records) > 1 {
			t.Errorf("%d records of %d", len(a.Records), a.Total)
		}
		for _, r := range a.Records {
			if r.Type != rrtype && r.Type != backend.TypeCNAME {
				t.Errorf("a record of type %d", r.Type)
			}
		}
	})
}
