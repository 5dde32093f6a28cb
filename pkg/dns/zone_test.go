package dns_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

const unlimited = 1 << 16

// newZone returns an empty zone after its first lists.
func newZone() *dns.Zone {
	z := dns.NewZone(dns.Options{})
	z.MarkSynced()
	return z
}

// ask returns the records of a name of the zone as sorted lines, or a word for their absence.
func ask(t *testing.T, z *dns.Zone, name string, rrtype uint16) []string {
	t.Helper()
	a, err := z.Records(t.Context(), backend.Query{Name: name + ".cluster.local.", Type: rrtype, Limit: unlimited})
	switch {
	case errors.Is(err, backend.ErrNotFound):
		return []string{"NXDOMAIN"}
	case err != nil:
		return []string{"error: " + err.Error()}
	case len(a.Records) == 0:
		return []string{"NODATA"}
	}
	return lines(a.Records)
}

func lines(rs []backend.Record) []string {
	var out []string
	for _, r := range rs {
		switch r.Type {
		case backend.TypeA, backend.TypeAAAA:
			out = append(out, r.Addr.String())
		case backend.TypeSRV:
			out = append(out, fmt.Sprintf("%s:%d %v", r.Host, r.Port, r.Addrs))
		case backend.TypeTXT:
			out = append(out, r.Text)
		default:
			out = append(out, r.Host)
		}
	}
	slices.Sort(out)
	return out
}

func reverse(z *dns.Zone, addr string) []string {
	rs, err := z.ReverseRecords(netip.MustParseAddr(addr))
	if err != nil {
		return nil
	}
	return lines(rs)
}

func plainReverse(z *dns.Zone, addr string) backend.Plain {
	return z.PlainReverse(netip.MustParseAddr(addr))
}

func addrs(texts ...string) []netip.Addr {
	var out []netip.Addr
	for _, text := range texts {
		out = append(out, netip.MustParseAddr(text))
	}
	return out
}

func key(text string) dns.Key {
	namespace, name, _ := strings.Cut(text, "/")
	return dns.Key{Namespace: namespace, Name: name}
}

func clusterIP(k string, ips ...string) dns.Service {
	return dns.Service{Key: key(k), ClusterIPs: addrs(ips...),
		Ports: []dns.Port{{Name: "http", Protocol: "tcp", Number: 80}}}
}

func headless(k string) dns.Service { return dns.Service{Key: key(k), Headless: true} }

// slice returns an EndpointSlice of endpoints "ip" or "ip=hostname". A leading "!" means not ready.
func slice(k, service string, endpoints ...string) dns.Endpoints {
	e := dns.Endpoints{Key: key(k), Service: service}
	sub := dns.Subset{Ports: []dns.Port{{Name: "http", Protocol: "tcp", Number: 8080}}}
	for _, text := range endpoints {
		text, unready := strings.CutPrefix(text, "!")
		ip, host, _ := strings.Cut(text, "=")
		sub.Endpoints = append(sub.Endpoints, dns.Endpoint{Addr: netip.MustParseAddr(ip), Hostname: host, Ready: !unready})
		e.AnyReady = e.AnyReady || !unready
	}
	e.Subsets = []dns.Subset{sub}
	return e
}

func want(t *testing.T, z *dns.Zone, name string, rrtype uint16, want ...string) {
	t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, ask(t, z, name, rrtype)); diff != "" {
		t.Errorf("%s, type %d: want -, got +:\n%s", name, rrtype, diff)
	}
}

func wantReverse(t *testing.T, z *dns.Zone, addr string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, reverse(z, addr)); diff != "" {
		t.Errorf("reverse of %s: want -, got +:\n%s", addr, diff)
	}
	// The fast path has the same name, or none.
	if p := plainReverse(z, addr); p.Kind != backend.PlainUnknown {
		name := p.Host
		if p.Label != "" {
			name = p.Label + "." + name
		}
		if p.Kind != backend.PlainName || !slices.Equal(want, []string{name}) {
			t.Errorf("reverse of %s: %q, and plain %v", addr, want, p)
		}
	}
}

func TestHeadlessOfSeveralSlices(t *testing.T) {
	z := newZone()
	z.SetService(headless("ns/set"))
	// One endpoint is in two slices at once, as when a controller moves it.
	z.SetEndpoints(slice("ns/set-1", "set", "10.0.0.1=a", "10.0.0.2"))
	z.SetEndpoints(slice("ns/set-2", "set", "10.0.0.1=a", "!10.0.0.3=c", "fd00::1=a"))
	z.Publish()
	want(t, z, "set.ns.svc", backend.TypeA, "10.0.0.1", "10.0.0.2")
	want(t, z, "set.ns.svc", backend.TypeAAAA, "fd00::1")
	want(t, z, "a.set.ns.svc", backend.TypeA, "10.0.0.1")
	want(t, z, "c.set.ns.svc", backend.TypeA, "NXDOMAIN")
	want(t, z, "a._http._tcp.set.ns.svc", backend.TypeSRV, "a.set.ns.svc.cluster.local.:8080 [10.0.0.1 fd00::1]")
	want(t, z, "none._http._tcp.set.ns.svc", backend.TypeSRV, "NXDOMAIN")
	want(t, z, "_tcp.set.ns.svc", backend.TypeSRV, "NODATA")
	want(t, z, "_udp.set.ns.svc", backend.TypeSRV, "NXDOMAIN")
	wantReverse(t, z, "10.0.0.1", "a.set.ns.svc.cluster.local.")
	wantReverse(t, z, "fd00::1", "a.set.ns.svc.cluster.local.")
	wantReverse(t, z, "10.0.0.2")
	wantReverse(t, z, "10.0.0.3")

	z.DeleteEndpoints(key("ns/set-1"))
	z.Publish()
	want(t, z, "set.ns.svc", backend.TypeA, "10.0.0.1")
}

func TestPublishNotReady(t *testing.T) {
	z := newZone()
	svc := headless("ns/set")
	svc.PublishNotReady = true
	z.SetService(svc)
	z.SetEndpoints(slice("ns/set-1", "set", "!10.0.0.3=c"))
	z.Publish()
	want(t, z, "set.ns.svc", backend.TypeA, "10.0.0.3")
	svc.PublishNotReady = false
	z.SetService(svc)
	z.Publish()
	want(t, z, "set.ns.svc", backend.TypeA, "NXDOMAIN")
	want(t, z, "ns.svc", backend.TypeA, "NXDOMAIN")
}

func TestReverseClaims(t *testing.T) {
	z := newZone()
	z.SetService(headless("a/one"))
	z.SetService(headless("b/two"))
	z.SetEndpoints(slice("a/one-1", "one", "10.0.0.1=x"))
	z.SetEndpoints(slice("b/two-1", "two", "10.0.0.1=y"))
	z.Publish()
	wantReverse(t, z, "10.0.0.1", "x.one.a.svc.cluster.local.", "y.two.b.svc.cluster.local.")

	// A ClusterIP belongs to its Service, even if endpoints claim it.
	z.SetService(clusterIP("c/web", "10.0.0.1"))
	z.Publish()
	wantReverse(t, z, "10.0.0.1", "web.c.svc.cluster.local.")

	z.SetService(clusterIP("c/web", "10.0.0.9"))
	z.Publish()
	wantReverse(t, z, "10.0.0.1", "x.one.a.svc.cluster.local.", "y.two.b.svc.cluster.local.")
	wantReverse(t, z, "10.0.0.9", "web.c.svc.cluster.local.")

	// The Service is deleted first, its endpoints later or never.
	z.DeleteService(key("a/one"))
	z.DeleteService(key("c/web"))
	z.Publish()
	wantReverse(t, z, "10.0.0.1", "y.two.b.svc.cluster.local.")
	wantReverse(t, z, "10.0.0.9")
}

// If many Services claim an address, a reply has a few of their names, and each name has its turn.
// A ClusterIP is still found.
func TestReverseOfManyClaims(t *testing.T) {
	const services, most = 300, 64
	z := newZone()
	for i := range services {
		name := fmt.Sprintf("s%d", i)
		z.SetService(headless("ns/" + name))
		z.SetEndpoints(slice("ns/"+name, name, "10.0.0.1=x"))
	}
	z.Publish()
	seen := map[string]bool{}
	for range 200 {
		names := reverse(z, "10.0.0.1")
		if len(names) != most {
			t.Fatalf("got %d names, want %d", len(names), most)
		}
		for _, name := range names {
			seen[name] = true
		}
	}
	if len(seen) != services {
		t.Errorf("got %d different names, want %d", len(seen), services)
	}
	z.SetService(clusterIP("ns/web", "10.0.0.1"))
	z.Publish()
	wantReverse(t, z, "10.0.0.1", "web.ns.svc.cluster.local.")
}

// An address remains with a Service that changes its kind, and gets the name for that kind.
func TestReverseOfAnotherKind(t *testing.T) {
	z := newZone()
	z.SetService(clusterIP("ns/web", "10.0.0.1"))
	z.SetEndpoints(slice("ns/web-1", "web", "10.0.0.1=x"))
	z.Publish()
	wantReverse(t, z, "10.0.0.1", "web.ns.svc.cluster.local.")
	z.SetService(headless("ns/web"))
	z.Publish()
	wantReverse(t, z, "10.0.0.1", "x.web.ns.svc.cluster.local.")
	z.SetService(clusterIP("ns/web", "10.0.0.1"))
	z.Publish()
	wantReverse(t, z, "10.0.0.1", "web.ns.svc.cluster.local.")

	// The same after another Service claims it and releases it.
	z.SetService(clusterIP("ns/other", "10.0.0.1"))
	z.Publish()
	wantReverse(t, z, "10.0.0.1", "other.ns.svc.cluster.local.", "web.ns.svc.cluster.local.")
	z.SetService(headless("ns/web"))
	z.Publish()
	wantReverse(t, z, "10.0.0.1", "other.ns.svc.cluster.local.")
	z.DeleteService(key("ns/other"))
	z.Publish()
	wantReverse(t, z, "10.0.0.1", "x.web.ns.svc.cluster.local.")
	if plainReverse(z, "10.0.0.1").Kind != backend.PlainName {
		t.Error("one endpoint with a hostname has no plain reverse name")
	}
}

func TestBecomingHeadless(t *testing.T) {
	z := newZone()
	web := clusterIP("ns/web", "10.0.0.9")
	z.SetService(web)
	z.SetEndpoints(slice("ns/web-1", "web", "10.1.0.1"))
	z.Publish()
	want(t, z, "web.ns.svc", backend.TypeA, "10.0.0.9")
	z.SetService(headless("ns/web"))
	z.Publish()
	want(t, z, "web.ns.svc", backend.TypeA, "10.1.0.1")
	wantReverse(t, z, "10.0.0.9")

	z.SetService(clusterIP("ns/db", "10.0.0.8"))
	z.Publish()
	z.SetService(headless("ns/db"))
	z.Publish()
	want(t, z, "db.ns.svc", backend.TypeA, "NXDOMAIN")
}

func TestReplace(t *testing.T) {
	z := newZone()
	z.SetService(clusterIP("ns/a", "10.0.0.1"))
	z.SetService(headless("ns/set"))
	z.SetEndpoints(slice("ns/set-1", "set", "10.0.0.2=x"))
	z.Publish()
	z.ReplaceServices([]dns.Service{clusterIP("ns/b", "10.0.0.3"), headless("ns/set")})
	z.ReplaceEndpoints(nil)
	z.Publish()
	want(t, z, "a.ns.svc", backend.TypeA, "NXDOMAIN")
	want(t, z, "b.ns.svc", backend.TypeA, "10.0.0.3")
	want(t, z, "set.ns.svc", backend.TypeA, "NXDOMAIN")
	wantReverse(t, z, "10.0.0.2")
}

func TestSliceMovesToAnotherService(t *testing.T) {
	z := newZone()
	z.SetService(headless("ns/a"))
	z.SetService(headless("ns/b"))
	z.SetEndpoints(slice("ns/s", "a", "10.0.0.1"))
	z.Publish()
	z.SetEndpoints(slice("ns/s", "b", "10.0.0.1"))
	z.Publish()
	want(t, z, "a.ns.svc", backend.TypeA, "NXDOMAIN")
	want(t, z, "b.ns.svc", backend.TypeA, "10.0.0.1")
}

// The order of events does not matter to the final names.
func TestOrderDoesNotMatter(t *testing.T) {
	events := []func(*dns.Zone){
		func(z *dns.Zone) { z.SetService(clusterIP("ns/web", "10.0.0.1", "fd00::1")) },
		func(z *dns.Zone) { z.SetService(headless("ns/set")) },
		func(z *dns.Zone) { z.SetService(dns.Service{Key: key("ns/ext"), ExternalName: "Example.COM"}) },
		func(z *dns.Zone) { z.SetEndpoints(slice("ns/set-1", "set", "10.1.0.1=a", "10.1.0.2=b")) },
		func(z *dns.Zone) { z.SetEndpoints(slice("ns/set-2", "set", "10.1.0.3=a")) },
		func(z *dns.Zone) { z.SetEndpoints(slice("ns/web-1", "web", "10.1.0.1=a")) },
		func(z *dns.Zone) { z.DeleteService(key("ns/gone")) },
		func(z *dns.Zone) { z.Publish() },
		func(z *dns.Zone) { z.Publish() },
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		rnd.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		z := newZone()
		for _, event := range events {
			event(z)
		}
		z.Publish()
		want(t, z, "web.ns.svc", backend.TypeA, "10.0.0.1")
		want(t, z, "web.ns.svc", backend.TypeAAAA, "fd00::1")
		want(t, z, "set.ns.svc", backend.TypeA, "10.1.0.1", "10.1.0.2", "10.1.0.3")
		want(t, z, "a.set.ns.svc", backend.TypeA, "10.1.0.1", "10.1.0.3")
		want(t, z, "ext.ns.svc", backend.TypeCNAME, "example.com.")
		wantReverse(t, z, "10.1.0.1", "a.set.ns.svc.cluster.local.")
		wantReverse(t, z, "10.0.0.1", "web.ns.svc.cluster.local.")
		if t.Failed() {
			return
		}
	}
}

// After random changes, a zone has the names of a new zone with the same objects.
func TestZoneAgainstANewOne(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	z := newZone()
	services, endpoints := map[dns.Key]dns.Service{}, map[dns.Key]dns.Endpoints{}
	names := []string{"a", "b", "c"}
	for step := range 3000 {
		name := names[rnd.IntN(3)]
		switch rnd.IntN(6) {
		case 0:
			z.DeleteService(key("ns/" + name))
			delete(services, key("ns/"+name))
		case 1, 2:
			svc := headless("ns/" + name)
			if rnd.IntN(3) == 0 {
				svc = clusterIP("ns/"+name, fmt.Sprintf("10.0.0.%d", rnd.IntN(4)))
			}
			z.SetService(svc)
			services[svc.Key] = svc
		case 3:
			k := key(fmt.Sprintf("ns/%s-%d", name, rnd.IntN(2)))
			z.DeleteEndpoints(k)
			delete(endpoints, k)
		default:
			e := slice(fmt.Sprintf("ns/%s-%d", name, rnd.IntN(2)), name, fmt.Sprintf("10.0.0.%d=h%d", rnd.IntN(6), rnd.IntN(3)))
			z.SetEndpoints(e)
			endpoints[e.Key] = e
		}
		if rnd.IntN(3) > 0 {
			continue
		}
		z.Publish()
		fresh := newZone()
		for _, svc := range services {
			fresh.SetService(svc)
		}
		for _, e := range endpoints {
			fresh.SetEndpoints(e)
		}
		fresh.Publish()
		for _, name := range names {
			for _, q := range []string{name + ".ns.svc", "h0." + name + ".ns.svc", "_http._tcp." + name + ".ns.svc"} {
				for _, rrtype := range []uint16{backend.TypeA, backend.TypeSRV} {
					if diff := cmp.Diff(ask(t, fresh, q, rrtype), ask(t, z, q, rrtype)); diff != "" {
						t.Fatalf("step %d: %s: %s", step, q, diff)
					}
				}
			}
		}
		for i := range 6 {
			addr := fmt.Sprintf("10.0.0.%d", i)
			if diff := cmp.Diff(reverse(fresh, addr), reverse(z, addr)); diff != "" {
				t.Fatalf("step %d: reverse of %s: %s", step, addr, diff)
			}
		}
	}
}

func TestNames(t *testing.T) {
	z := newZone()
	z.SetService(clusterIP("ns/web", "10.0.0.1"))
	z.SetService(clusterIP("kube-system/kube-dns", "10.0.0.10", "fd00::10"))
	z.SetService(dns.Service{Key: key("ns/num"), ExternalName: "192.0.2.1"})
	z.SetService(dns.Service{Key: key("ns/ext"), ExternalName: "a.example."})
	z.SetService(dns.Service{Key: key("ns/pending")})
	z.Publish()
	tests := []struct {
		name string
		typ  uint16
		want []string
	}{
		{"ns.dns", backend.TypeA, []string{"10.0.0.10"}},
		{"ns.dns", backend.TypeAAAA, []string{"fd00::10"}},
		{"ns.dns", backend.TypeSRV, []string{"NODATA"}},
		{"dns", backend.TypeA, []string{"NODATA"}},
		{"local.dns", backend.TypeA, []string{"NXDOMAIN"}},
		{"dns-version", backend.TypeTXT, []string{"1.1.0"}},
		{"x.dns-version", backend.TypeTXT, []string{"NXDOMAIN"}},
		{"num.ns.svc", backend.TypeA, []string{"192.0.2.1"}},
		{"num.ns.svc", backend.TypeCNAME, []string{"NODATA"}},
		{"num.ns.svc", backend.TypeSRV, []string{"num.ns.svc.cluster.local.:0 [192.0.2.1]"}},
		{"x.num.ns.svc", backend.TypeA, []string{"NXDOMAIN"}},
		{"ext.ns.svc", backend.TypeA, []string{"a.example."}},
		{"*.ext.ns.svc", backend.TypeA, []string{"NXDOMAIN"}},
		{"pending.ns.svc", backend.TypeA, []string{"NXDOMAIN"}},
		{"web.ns.svc", 65, []string{"NODATA"}},
		{"*", backend.TypeA, []string{"NXDOMAIN"}},
		{"*.svc", backend.TypeA, []string{"NXDOMAIN"}},
		{"*.pod", backend.TypeA, []string{"NXDOMAIN"}},
		{"1-2-3-4.ns.pod", backend.TypeA, []string{"1.2.3.4"}},
		{"01-2-3-4.ns.pod", backend.TypeA, []string{"NXDOMAIN"}},
		{"--1.ns.pod", backend.TypeAAAA, []string{"::1"}},
		{"1-2--3.ns.pod", backend.TypeAAAA, []string{"1:2::3"}},
		{"1.2.3.4.ns.pod", backend.TypeA, []string{"NXDOMAIN"}},
		{"fe80--1%eth0.ns.pod", backend.TypeAAAA, []string{"NXDOMAIN"}},
		{"web.*.*", backend.TypeA, []string{"10.0.0.1"}},
		{"ns.*", backend.TypeA, []string{"NODATA"}},
		{"*._http._tcp.*.*.svc", backend.TypeSRV, []string{
			"kube-dns.kube-system.svc.cluster.local.:80 [10.0.0.10 fd00::10]", "web.ns.svc.cluster.local.:80 [10.0.0.1]"}},
		{"*.*.web.ns.svc", backend.TypeA, []string{"NXDOMAIN"}},
	}
	for _, tt := range tests {
		want(t, z, tt.name, tt.typ, tt.want...)
	}
	if _, err := z.Records(t.Context(), backend.Query{Name: "web.ns.svc.other."}); !errors.Is(err, backend.ErrNotFound) {
		t.Errorf("a name of another zone: %v", err)
	}
}

func TestWildcardIsBounded(t *testing.T) {
	z := newZone()
	for i := range 300 {
		z.SetService(clusterIP(fmt.Sprintf("ns%d/web", i), fmt.Sprintf("10.0.%d.%d", i/256, i%256)))
	}
	z.Publish()
	for _, rrtype := range []uint16{backend.TypeA, backend.TypeSRV} {
		a, err := z.Records(t.Context(), backend.Query{Name: "_http._tcp.web.*.svc.cluster.local.", Type: rrtype, Limit: 33})
		if err != nil || len(a.Records) > 33 {
			t.Errorf("%d records, %v", len(a.Records), err)
		}
		if rrtype == backend.TypeSRV && (a.Total < backend.ManyTargets || a.Total > backend.ManyTargets+1) {
			t.Errorf("%d were counted, want just enough for the weight", a.Total)
		}
	}
}

// Endpoints of a Service with a ClusterIP are kept. They are published only when the first one
// becomes ready or the last one stops being ready. They can arrive before their Service.
func TestEndpointsOfClusterIP(t *testing.T) {
	z := newZone()
	z.SetEndpoints(slice("ns/web-1", "web", "10.1.0.1"))
	z.SetEndpoints(slice("ns/gone-1", "gone", "10.1.0.2"))
	z.SetService(clusterIP("ns/web", "10.0.0.9"))
	z.Publish()
	for i, tt := range []struct {
		name    string
		change  func()
		publish bool
	}{
		{"another address", func() { z.SetEndpoints(slice("ns/web-1", "web", "10.1.0.3")) }, false},
		{"another slice", func() { z.SetEndpoints(slice("ns/web-2", "web", "10.1.0.4")) }, false},
		{"one slice less", func() { z.DeleteEndpoints(key("ns/web-1")) }, false},
		{"not ready", func() { z.SetEndpoints(slice("ns/web-2", "web", "!10.1.0.4")) }, true},
		{"ready again", func() { z.SetEndpoints(slice("ns/web-2", "web", "10.1.0.5")) }, true},
		{"endpoints without a Service", func() { z.DeleteEndpoints(key("ns/gone-1")) }, false},
		{"headless", func() { z.SetService(headless("ns/web")) }, true},
	} {
		was := z.Generation()
		tt.change()
		z.Publish()
		if got := z.Generation() != was; got != tt.publish {
			t.Errorf("%d, %s: published: %t, want %t", i, tt.name, got, tt.publish)
		}
	}
	want(t, z, "web.ns.svc", backend.TypeA, "10.1.0.5")
}

// A hostname is not used if it would make a name too long.
func TestNamesFit(t *testing.T) {
	z := dns.NewZone(dns.Options{Domain: strings.Repeat("zone.", 20) + "test."})
	long, k := strings.Repeat("h", 63), dns.Key{Namespace: strings.Repeat("n", 63), Name: strings.Repeat("s", 63)}
	z.SetService(dns.Service{Key: k, Headless: true})
	pod := dns.Endpoint{Addr: netip.MustParseAddr("10.0.0.1"), Hostname: long, Ready: true}
	z.SetEndpoints(dns.Endpoints{Key: k, Service: k.Name, Subsets: []dns.Subset{{Endpoints: []dns.Endpoint{pod}}}})
	z.Publish()
	z.MarkSynced()
	name := k.Name + "." + k.Namespace + ".svc." + strings.Repeat("zone.", 20) + "test."
	a, err := z.Records(t.Context(), backend.Query{Name: name, Type: backend.TypeSRV, Limit: 9})
	if err != nil || len(a.Records) != 1 || len(a.Records[0].Host) > 254 {
		t.Errorf("%v, %v", a, err)
	}
	if got := reverse(z, "10.0.0.1"); len(got) > 0 {
		t.Errorf("reverse name %v", got)
	}
}

// A wildcard that stops at the limit returns other records each time.
func TestWildcardReachesAll(t *testing.T) {
	z := newZone()
	for i := range 300 {
		z.SetService(clusterIP(fmt.Sprintf("ns%d/web", i), fmt.Sprintf("10.0.%d.%d", i/256, i%256)))
	}
	z.Publish()
	for _, rrtype := range []uint16{backend.TypeA, backend.TypeSRV} {
		name := map[uint16]string{backend.TypeA: "web.*.svc.cluster.local.",
			backend.TypeSRV: "_http._tcp.web.*.svc.cluster.local."}[rrtype]
		seen := map[string]bool{}
		for range 2000 {
			a, err := z.Records(t.Context(), backend.Query{Name: name, Type: rrtype, Limit: 33})
			if err != nil || len(a.Records) != 33 {
				t.Fatalf("%d records, %v", len(a.Records), err)
			}
			for _, line := range lines(a.Records) {
				seen[line] = true
			}
		}
		if len(seen) != 300 {
			t.Errorf("type %d: %d of 300 Services", rrtype, len(seen))
		}
	}
}

func TestFederation(t *testing.T) {
	z := newZone()
	z.SetFederations(map[string]string{"acme": "fed.example"})
	z.SetService(clusterIP("ns/ready", "10.0.0.1"))
	z.SetService(clusterIP("ns/idle", "10.0.0.2"))
	z.SetEndpoints(dns.Endpoints{Key: key("ns/ready-1"), Service: "ready", AnyReady: true})
	z.Publish()
	want(t, z, "ready.ns.acme.svc", backend.TypeA, "ready.ns.svc.cluster.local.")
	if got := ask(t, z, "idle.ns.acme.svc", backend.TypeA); !strings.HasPrefix(got[0], "error") {
		t.Errorf("without a location: %v", got)
	}
	calls := 0
	z.SetLocator(func(context.Context) (dns.Location, error) {
		calls++
		return dns.Location{Zone: "z1", Region: "r1"}, nil
	})
	atOnce := backend.Query{Name: "idle.ns.acme.svc.cluster.local.", Type: backend.TypeA, NoWait: true}
	if _, err := z.Records(t.Context(), atOnce); !errors.Is(err, backend.ErrWouldWait) || calls > 0 {
		t.Errorf("without waiting: got error %v after %d calls, want %v", err, calls, backend.ErrWouldWait)
	}
	want(t, z, "idle.ns.acme.svc", backend.TypeA, "idle.ns.acme.svc.z1.r1.fed.example.")
	want(t, z, "idle.ns.acme.svc", backend.TypeCNAME, "idle.ns.acme.svc.z1.r1.fed.example.")
	want(t, z, "idle.ns.acme.svc", backend.TypeTXT, "idle.ns.acme.svc.z1.r1.fed.example.")
	want(t, z, "1dle.ns.acme.svc", backend.TypeA, "NXDOMAIN")
	if _, err := z.Records(t.Context(), atOnce); err != nil || calls != 1 {
		t.Errorf("a location that is known: %v after %d calls", err, calls)
	}
}

func TestStale(t *testing.T) {
	old := dns.NewZone(dns.Options{})
	old.SetService(clusterIP("ns/web", "10.0.0.1"))
	old.SetService(headless("ns/set"))
	old.SetEndpoints(slice("ns/set-1", "set", "10.1.0.1=a"))
	old.Publish()

	z := dns.NewZone(dns.Options{})
	if got := z.Status(); got != backend.NotReady {
		t.Errorf("status %v without data", got)
	}
	if got := ask(t, z, "web.ns.svc", backend.TypeA); !strings.HasPrefix(got[0], "error") {
		t.Errorf("without data: %v", got)
	}
	now := time.Now()
	z.ServeStale(old, now.Add(time.Hour), now.Add(time.Hour))
	if got := z.Status(); got != backend.Stale {
		t.Errorf("status %v with old data", got)
	}
	want(t, z, "web.ns.svc", backend.TypeA, "10.0.0.1")
	want(t, z, "set.ns.svc", backend.TypeA, "10.1.0.1")
	want(t, z, "none.ns.svc", backend.TypeA, "NXDOMAIN")
	wantReverse(t, z, "10.1.0.1", "a.set.ns.svc.cluster.local.")

	// Writes of the source are invisible until published.
	z.SetService(clusterIP("ns/new", "10.0.0.2"))
	z.Publish()
	want(t, z, "new.ns.svc", backend.TypeA, "NXDOMAIN")
	z.MarkSynced()
	if got := z.Status(); got != backend.Ready {
		t.Errorf("status %v with new data", got)
	}
	want(t, z, "new.ns.svc", backend.TypeA, "10.0.0.2")
	want(t, z, "web.ns.svc", backend.TypeA, "NXDOMAIN")
}

func TestStaleForTooLong(t *testing.T) {
	old := dns.NewZone(dns.Options{})
	old.SetService(clusterIP("ns/web", "10.0.0.1"))
	old.SetService(headless("ns/set"))
	old.SetEndpoints(slice("ns/set-1", "set", "10.1.0.1=a"))
	old.Publish()
	z := dns.NewZone(dns.Options{})
	now := time.Now()
	z.ServeStale(old, now.Add(time.Hour), now.Add(-time.Second))
	want(t, z, "web.ns.svc", backend.TypeA, "10.0.0.1")
	for _, name := range []string{"set.ns.svc", "a.set.ns.svc", "set.*.svc"} {
		if got := ask(t, z, name, backend.TypeA); !strings.HasPrefix(got[0], "error") {
			t.Errorf("%s: %v", name, got)
		}
	}
	if _, err := z.ReverseRecords(netip.MustParseAddr("10.1.0.1")); err == nil || errors.Is(err, backend.ErrNotFound) {
		t.Errorf("reverse: %v", err)
	}
	z.ServeStale(old, now.Add(-time.Second), now.Add(-time.Second))
	if got := z.Status(); got != backend.NotReady {
		t.Errorf("status %v", got)
	}
}

// Exported objects have the same names again.
func TestExport(t *testing.T) {
	z := newZone()
	z.SetService(clusterIP("ns/web", "10.0.0.1", "fd00::1"))
	z.SetEndpoints(dns.Endpoints{Key: key("ns/web-1"), Service: "web", AnyReady: true})
	z.SetService(clusterIP("b/idle", "10.0.0.2"))
	z.SetService(headless("ns/set"))
	z.SetEndpoints(slice("ns/set-1", "set", "10.1.0.1=a", "10.1.0.2"))
	z.SetEndpoints(slice("ns/set-2", "set", "10.1.0.3=a", "!10.1.0.4"))
	z.SetEndpoints(dns.Endpoints{Key: key("ns/set-3"), Service: "set",
		Subsets: []dns.Subset{{Endpoints: []dns.Endpoint{{Addr: netip.MustParseAddr("10.1.0.5"), Ready: true}}}}})
	z.SetService(dns.Service{Key: key("ns/ext"), ExternalName: "a.example"})
	z.SetService(dns.Service{Key: key("ns/num"), ExternalName: "192.0.2.1"})
	z.Publish()
	copied := newZone()
	for svc, endpoints := range z.Export() {
		copied.SetService(svc)
		for _, e := range endpoints {
			copied.SetEndpoints(e)
		}
	}
	copied.Publish()
	if diff := cmp.Diff(dumped(t, z), dumped(t, copied)); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	for _, zone := range []*dns.Zone{z, copied} {
		zone.SetFederations(map[string]string{"acme": "fed.example"})
		want(t, zone, "web.ns.acme.svc", backend.TypeA, "web.ns.svc.cluster.local.")
		wantReverse(t, zone, "10.1.0.3", "a.set.ns.svc.cluster.local.")
		wantReverse(t, zone, "10.1.0.2")
	}
}
