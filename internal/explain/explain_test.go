package explain_test

import (
	"encoding/json"
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
		Subsets: []kubedns.Subset{{Endpoints: []kubedns.Endpoint{
			{Addr: addr("10.1.0.1"), Hostname: "db-0", Ready: true}, {Addr: addr("10.1.0.3"), Hostname: "db-2"},
		}}},
	})
	z.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "prod", Name: "idle"}, Headless: true})
	z.SetEndpoints(kubedns.Endpoints{
		Key: kubedns.Key{Namespace: "prod", Name: "idle-1"}, Service: "idle",
		Subsets: []kubedns.Subset{{Endpoints: []kubedns.Endpoint{
			{Addr: addr("10.1.0.8"), Hostname: "idle-0"}, {Addr: addr("10.1.0.9")},
		}}},
	})
	z.SetService(kubedns.Service{Key: kubedns.Key{Namespace: "prod", Name: "ext"}, ExternalName: "www.example.com"})
	z.SetService(kubedns.Service{
		Key: kubedns.Key{Namespace: "prod", Name: "alias"}, ExternalName: "web.prod.svc.cluster.local",
	})
	z.Publish()
	z.MarkSynced()
	return z
}

func explainer(z *kubedns.Zone) *explain.Explainer {
	return &explain.Explainer{Zone: z, Domain: "cluster.local.", Route: func(name string) explain.Route {
		switch {
		case strings.Count(name, ".") < 2:
			return explain.Route{}
		case strings.HasSuffix(name, ".acme.example."):
			return explain.Route{Domain: "acme.example.", Servers: []string{"192.0.2.54:53"}}
		}
		return explain.Route{Servers: []string{"192.0.2.53:53"}}
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
			`no Service "wen"; there is "web"`},
		{explain.Question{Name: "web", Namespace: "prd"}, "NXDOMAIN NXDOMAIN NXDOMAIN NXDOMAIN", "",
			`namespace "prd" has no Service with records; there is "prod"`},
		{explain.Question{Name: "db-0.db", Namespace: "prod"}, "NOERROR", "headless, 1 addresses", "query 1"},
		{explain.Question{Name: "db-1.db", Namespace: "prod"}, "NXDOMAIN NXDOMAIN NXDOMAIN asked outside",
			"192.0.2.53", "goes to the nameservers"},
		{explain.Question{Name: "idle.prod.svc.cluster.local."}, "NXDOMAIN",
			"headless and has no ready endpoint; 2 not ready: idle-0, 10.1.0.9", ""},
		{explain.Question{Name: "web", Namespace: "test"}, "NXDOMAIN NXDOMAIN NXDOMAIN NXDOMAIN", "",
			`there is a Service "web" in namespace prod`},
		{explain.Question{Name: "db-2.db.prod.svc.cluster.local."}, "NXDOMAIN", `the endpoint "db-2" is not ready`, ""},
		{explain.Question{Name: "mysql.db.prod.svc.cluster.local."}, "NXDOMAIN", "1 not ready: db-2; it has db-0", ""},
		{explain.Question{Name: "a.acme.example", Ndots: "1"}, "asked outside NXDOMAIN NXDOMAIN NXDOMAIN", "", ""},
		{explain.Question{Name: "a.acme.example", Ndots: "1", Resolver: "musl"}, "asked outside",
			"192.0.2.54:53, of the stub domain acme.example", "query 1"},
		{explain.Question{Name: "web", Namespace: "prod", Type: "AAAA", Resolver: "musl"}, "NODATA", "no IPv6 address",
			"NODATA at query 1 ends the walk of musl"},
		{explain.Question{Name: "www", Search: "corp.example.com"}, "NXDOMAIN NXDOMAIN NXDOMAIN asked outside NXDOMAIN",
			"", ""},
		{explain.Question{Name: "_http._tcp.web", Namespace: "prod", Type: "SRV"}, "NOERROR",
			"SRV web.prod.svc.cluster.local. port 80", ""},
		{explain.Question{Name: "_htp._tcp.web.prod.svc.cluster.local.", Type: "SRV"}, "NXDOMAIN",
			"no port _htp._tcp; it has _http._tcp", ""},
		{explain.Question{Name: "ext", Namespace: "prod"}, "NOERROR", "looked up at the nameservers", ""},
		{explain.Question{Name: "alias", Namespace: "prod"}, "NOERROR", "the target is Service prod/web", ""},
		{explain.Question{Name: "www.example.com"}, "NXDOMAIN NXDOMAIN NXDOMAIN asked outside", "192.0.2.53", "query 4"},
		{explain.Question{Name: "a.b.c.d.e.example.com"}, "asked outside NXDOMAIN NXDOMAIN NXDOMAIN", "", ""},
		{explain.Question{Name: "10-0-0-9.prod.pod.cluster.local."}, "NOERROR", "a pod's address", ""},
		{explain.Question{Name: "ten.prod.pod.cluster.local."}, "NXDOMAIN", "not an address with dashes", ""},
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
			got := strings.Join(append(slices.Clone(last.Answer), last.Objects[0], last.Reason), "; ")
			if !strings.Contains(got, tt.last) {
				t.Errorf("last step: %q, want %q in it", got, tt.last)
			}
			if !strings.Contains(w.Summary, tt.summary) {
				t.Errorf("summary %q, want %q in it", w.Summary, tt.summary)
			}
		})
	}
}

// TestJSON checks the form for programs.
func TestJSON(t *testing.T) {
	for _, tt := range []struct {
		q    explain.Question
		want string
	}{
		{
			explain.Question{Name: "web", Namespace: "prod", Search: "a"},
			`{"question":{"name":"web","namespace":"prod"},` +
				`"search":["prod.svc.cluster.local","svc.cluster.local","cluster.local","a"],` +
				`"candidates":[{"name":"web.prod.svc.cluster.local.","answeredBy":"zone","rcode":"NOERROR",` +
				`"records":[{"type":"A","data":"10.0.0.1","ttl":30}],` +
				`"objects":["Service prod/web, ClusterIP, without a ready endpoint: connections fail"],` +
				`"used":true}],` +
				`"advice":["The pod gets an answer at query 1: web.prod.svc.cluster.local."]}`,
		},
		{
			explain.Question{Name: "a.acme.example", Resolver: "musl", Ndots: "1"},
			`{"question":{"name":"a.acme.example","resolver":"musl","ndots":"1"},` +
				`"search":["default.svc.cluster.local","svc.cluster.local","cluster.local"],` +
				`"candidates":[{"name":"a.acme.example.","answeredBy":"stub","rule":"stubDomains acme.example",` +
				`"servers":["192.0.2.54:53"],"rcode":"","records":[],"objects":["not a name of the zone"],` +
				`"reason":"192.0.2.54:53, of the stub domain acme.example","used":true}],` +
				`"advice":["No name of the cluster matches: query 1 goes to 192.0.2.54:53, of the stub domain acme.example."]}`,
		},
		{
			explain.Question{Name: "10.9.9.9"},
			`{"question":{"name":"10.9.9.9"},"search":[],"candidates":[{"name":"10.9.9.9","answeredBy":"upstream",` +
				`"rule":"nameservers","servers":["192.0.2.53:53"],"rcode":"","records":[],"objects":["no Service"],` +
				`"reason":"no ClusterIP, and no endpoint with a hostname, has this address: ` +
				`the nameservers 192.0.2.53:53 are queried","used":true}],` +
				`"advice":["The address has no name in the cluster."]}`,
		},
	} {
		w, err := explainer(zone()).Explain(t.Context(), tt.q)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := json.Marshal(w); err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s, %v\nwant %s", tt.q.Name, got, err, tt.want)
		}
	}
}

func TestExplainNotReady(t *testing.T) {
	e := explainer(kubedns.NewZone(kubedns.Options{}))
	e.Waiting = func() string { return "services: connection refused" }
	w, err := e.Explain(t.Context(), explain.Question{Name: "web", Namespace: "prod"})
	if err != nil || w.Steps[0].Result != "SERVFAIL" || !strings.Contains(w.Summary, "first lists") ||
		!strings.Contains(w.Summary, "connection refused") {
		t.Errorf("%+v, %v, want SERVFAIL and that the first lists are not complete", w, err)
	}
}

func TestExplainRefuses(t *testing.T) {
	e := explainer(zone())
	for _, q := range []explain.Question{
		{}, {Name: "."}, {Name: "a..b"}, {Name: "http://web/"}, {Name: "web:80"}, {Name: strings.Repeat("a", 64)},
		{Name: strings.Repeat("a.", 130)}, {Name: "web", Type: "MX"}, {Name: "web", Namespace: "a.b"},
		{Name: "web", Resolver: "windows"}, {Name: "web", Ndots: "16"}, {Name: "web", Ndots: "-1"},
		{Name: "web", Search: "a..b"}, {Name: "web", Search: strings.Repeat("a ", 30)},
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
