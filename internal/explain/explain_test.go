package explain_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/internal/explain"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

func zone() *kubedns.Zone {
	z := kubedns.NewZone(kubedns.Options{})
	addr := netip.MustParseAddr
	z.SetService(kubedns.Service{
		Key: kubedns.Key{Namespace: "prod", Name: "web"}, ClusterIPs: []netip.Addr{addr("10.0.0.1")},
		Ports: []kubedns.Port{{Name: "http", Protocol: "tcp", Number: 80}},
	})
	z.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "prod", Name: "db"}, Headless: true})
	z.SetEndpoints(kubedns.Endpoints{
		Key: kubedns.Key{Namespace: "prod", Name: "db-1"}, Service: "db", AnyReady: true,
		Subsets: []kubedns.Subset{{Endpoints: []kubedns.Endpoint{{Addr: addr("10.1.0.1"), Hostname: "db-0", Ready: true}}}},
	})
	z.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "prod", Name: "idle"}, Headless: true})
	z.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "prod", Name: "ext"}, ExternalName: "www.example.com"})
	z.SetService(kubedns.Service{
		Key: kubedns.Key{Namespace: "prod", Name: "alias"}, ExternalName: "web.prod.svc.cluster.local",
	})
	z.Publish()
	z.MarkSynced()
	return z
}

func explainer(z *kubedns.Zone) *explain.Explainer {
	return &explain.Explainer{Zone: z, Domain: "cluster.local.", Route: func(name string) string {
		if strings.Count(name, ".") < 2 {
			return ""
		}
		return "nameservers 192.0.2.53:53"
	}}
}

func TestExplain(t *testing.T) {
	e := explainer(zone())
	for _, tt := range []struct {
		q       explain.Question
		results string // of the steps
		last    string // in the last step's object, answer or reason
		summary string
	}{
		{explain.Question{Name: "web", Namespace: "prod"}, "NOERROR", "A 10.0.0.1 (TTL 30)", "answer at query 1"},
		{explain.Question{Name: "web.prod"}, "NXDOMAIN NOERROR", "without a ready endpoint", "answer at query 2"},
		{explain.Question{Name: "WEB.prod.svc.cluster.local."}, "NOERROR", "Service prod/web, ClusterIP", "query 1"},
		{explain.Question{Name: "web", Namespace: "prod", Type: "AAAA"}, "NODATA NXDOMAIN NXDOMAIN NXDOMAIN",
			"one label", "the Service has no IPv6 address"},
		{explain.Question{Name: "wen", Namespace: "prod"}, "NXDOMAIN NXDOMAIN NXDOMAIN NXDOMAIN", "one label",
			`no Service "wen", or it is headless without a ready endpoint; there is "web"`},
		{explain.Question{Name: "web", Namespace: "prd"}, "NXDOMAIN NXDOMAIN NXDOMAIN NXDOMAIN", "",
			`namespace "prd" has no Service with records; there is "prod"`},
		{explain.Question{Name: "db-0.db", Namespace: "prod"}, "NOERROR", "headless, 1 addresses", "query 1"},
		{explain.Question{Name: "db-1.db", Namespace: "prod"}, "NXDOMAIN NXDOMAIN NXDOMAIN asked outside",
			"192.0.2.53", "goes to nameservers"},
		{explain.Question{Name: "idle.prod.svc.cluster.local."}, "NXDOMAIN", "headless without a ready endpoint", ""},
		{explain.Question{Name: "_http._tcp.web", Namespace: "prod", Type: "SRV"}, "NOERROR",
			"SRV web.prod.svc.cluster.local. port 80", ""},
		{explain.Question{Name: "_htp._tcp.web.prod.svc.cluster.local.", Type: "SRV"}, "NXDOMAIN",
			"no port _htp._tcp; it has _http._tcp", ""},
		{explain.Question{Name: "ext", Namespace: "prod"}, "NOERROR", "looked up at nameservers", ""},
		{explain.Question{Name: "alias", Namespace: "prod"}, "NOERROR", "the target is Service prod/web", ""},
		{explain.Question{Name: "www.example.com"}, "NXDOMAIN NXDOMAIN NXDOMAIN asked outside", "192.0.2.53", "query 4"},
		{explain.Question{Name: "a.b.c.d.e.example.com"}, "asked outside NXDOMAIN NXDOMAIN NXDOMAIN", "", ""},
		{explain.Question{Name: "10-0-0-9.prod.pod.cluster.local."}, "NOERROR", "a pod's address", ""},
		{explain.Question{Name: "ten.prod.pod.cluster.local."}, "NXDOMAIN", "no address with dashes", ""},
		{explain.Question{Name: "10.0.0.1"}, "NOERROR", "PTR web.prod.svc.cluster.local.", "has the name web"},
		{explain.Question{Name: "10.9.9.9"}, "asked outside", "no ClusterIP", "no name in the cluster"},
	} {
		t.Run(tt.q.Name+" "+tt.q.Namespace+" "+tt.q.Type, func(t *testing.T) {
			w, err := e.Explain(t.Context(), tt.q)
			if err != nil {
				t.Fatal(err)
			}
			var results []string
			for _, s := range w.Steps {
				results = append(results, s.Result)
			}
			if got := strings.Join(results, " "); got != tt.results {
				t.Errorf("results %q, want %q: %+v", got, tt.results, w.Steps)
			}
			last := w.Steps[len(w.Steps)-1]
			got := strings.Join(append(slices.Clone(last.Answer), last.Object, last.Reason), "; ")
			if !strings.Contains(got, tt.last) {
				t.Errorf("last step: %q, want %q in it", got, tt.last)
			}
			if !strings.Contains(w.Summary, tt.summary) {
				t.Errorf("summary %q, want %q in it", w.Summary, tt.summary)
			}
		})
	}
}

func TestExplainNotReady(t *testing.T) {
	e := explainer(kubedns.NewZone(kubedns.Options{}))
	w, err := e.Explain(t.Context(), explain.Question{Name: "web", Namespace: "prod"})
	if err != nil || w.Steps[0].Result != "SERVFAIL" || !strings.Contains(w.Summary, "first lists") {
		t.Errorf("%+v, %v, want SERVFAIL and that the first lists are not complete", w, err)
	}
}

func TestExplainRefuses(t *testing.T) {
	e := explainer(zone())
	for _, q := range []explain.Question{
		{}, {Name: "."}, {Name: "a..b"}, {Name: "http://web/"}, {Name: "web:80"}, {Name: strings.Repeat("a", 64)},
		{Name: strings.Repeat("a.", 130)}, {Name: "web", Type: "MX"}, {Name: "web", Namespace: "a.b"},
	} {
		if w, err := e.Explain(t.Context(), q); err == nil {
			t.Errorf("%+v: got %+v, want an error", q, w)
		}
	}
}

func FuzzExplain(f *testing.F) {
	f.Add("web", "prod", "A")
	f.Add("*.prod.svc.cluster.local.", "", "SRV")
	f.Add("_http._tcp.web", "prod", "SRV")
	f.Add("::1", "", "")
	e := explainer(zone())
	f.Fuzz(func(t *testing.T, name, namespace, qtype string) {
		w, err := e.Explain(t.Context(), explain.Question{Name: name, Namespace: namespace, Type: qtype})
		if err == nil && (len(w.Steps) == 0 || w.Summary == "") {
			t.Errorf("%q: no steps or no summary: %+v", name, w)
		}
	})
}
