package dns

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// digestObjects returns Services of all kinds with their endpoints.
func digestObjects() (services []Service, endpoints []Endpoints) {
	for i := range 50 {
		name := fmt.Sprintf("web-%d", i)
		addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})
		s := Service{Key: Key{"prod", name}, Ports: []Port{{"http", "tcp", 80}}}
		e := Endpoints{Key: Key{"prod", name + "-x"}, Service: name, AnyReady: true}
		at := Endpoint{Addr: addr, Ready: true}
		switch i % 4 {
		case 0:
			s.ClusterIPs = []netip.Addr{addr}
		case 1:
			s.Headless = true
		case 2:
			s.Headless, at.Hostname = true, "db-0"
		case 3:
			s.ExternalName = name + ".example.com"
		}
		e.Subsets = []Subset{{Ports: s.Ports, Endpoints: []Endpoint{at}}}
		services, endpoints = append(services, s), append(endpoints, e)
	}
	return services, endpoints
}

func TestDigestOfAnyOrder(t *testing.T) {
	services, endpoints := digestObjects()
	var first uint64
	for n := range 5 {
		z := NewZone(Options{})
		rand.Shuffle(len(services), func(i, j int) { services[i], services[j] = services[j], services[i] })
		rand.Shuffle(len(endpoints), func(i, j int) { endpoints[i], endpoints[j] = endpoints[j], endpoints[i] })
		for i := range services {
			z.SetService(services[i])
			z.SetEndpoints(endpoints[i])
			if i%(n+1) == 0 {
				z.Publish()
			}
		}
		z.Publish()
		if n == 0 {
			first = z.Digest()
		}
		if got := z.Digest(); got != first || got == 0 || got >= 1<<digestBits {
			t.Errorf("order %d: digest %x, want %x", n, got, first)
		}
		for i := range services {
			z.DeleteService(services[i].Key)
		}
		z.Publish()
		if got := z.Digest(); got != 0 {
			t.Errorf("without Services: digest %x, want 0", got)
		}
	}
}

// TestDigestChanges checks that each change visible in an answer changes the digest, and that a
// look-up of members does not.
func TestDigestChanges(t *testing.T) {
	z := NewZone(Options{})
	addr := netip.MustParseAddr
	plain := Service{Key: Key{"prod", "web"}, ClusterIPs: []netip.Addr{addr("10.0.0.1")}}
	ported, v6, headless := plain, plain, Service{Key: plain.Key, Headless: true}
	ported.Ports = []Port{{"http", "tcp", 80}}
	other := plain
	other.Ports = []Port{{"http", "tcp", 81}}
	v6.ClusterIPs = []netip.Addr{addr("10.0.0.1"), addr("fd00::1")}
	slice := func(ends ...Endpoint) Endpoints {
		return Endpoints{Key: Key{"prod", "web-x"}, Service: "web", AnyReady: true, Subsets: []Subset{{Endpoints: ends}}}
	}
	a, b := Endpoint{Addr: addr("10.1.0.1"), Ready: true}, Endpoint{Addr: addr("10.1.0.2"), Ready: true}
	named, swapped := a, b
	named.Hostname, swapped.Hostname = "db-0", "db-0"
	seen := map[uint64]string{0: "the empty zone"}
	for _, step := range []struct {
		name   string
		change func()
	}{
		{"a ClusterIP", func() { z.SetService(plain) }},
		{"a port", func() { z.SetService(ported) }},
		{"another number", func() { z.SetService(other) }},
		{"two families", func() { z.SetService(v6) }},
		{"headless", func() { z.SetService(headless); z.SetEndpoints(slice(a)) }},
		{"two endpoints", func() { z.SetEndpoints(slice(a, b)) }},
		{"a hostname", func() { z.SetEndpoints(slice(named, b)) }},
		{"the hostname at the other", func() { z.SetEndpoints(slice(a, swapped)) }},
		{"an ExternalName", func() { z.SetService(Service{Key: plain.Key, ExternalName: "www.example.com"}) }},
	} {
		step.change()
		z.Publish()
		got := z.Digest()
		if was, ok := seen[got]; ok {
			t.Errorf("%s: digest %x is that of %s", step.name, got, was)
		}
		seen[got] = step.name
	}
	z.SetService(headless)
	z.SetEndpoints(slice(a, b))
	z.Publish()
	z.records[plain.Key].value.members()
	z.DeleteService(plain.Key)
	z.Publish()
	if got := z.Digest(); got != 0 {
		t.Errorf("members made meanwhile: digest %x, want 0", got)
	}
}

func BenchmarkDigest(b *testing.B) {
	z := NewZone(Options{})
	var ends []Endpoint
	for i := range 1000 {
		ends = append(ends, Endpoint{Addr: netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), Ready: true})
	}
	z.SetService(Service{Key: Key{"prod", "db"}, Headless: true})
	z.SetEndpoints(Endpoints{
		Key: Key{"prod", "db-x"}, Service: "db", AnyReady: true, Subsets: []Subset{{Endpoints: ends}},
	})
	z.Publish()
	value := z.records[Key{"prod", "db"}].value
	b.ReportAllocs()
	for b.Loop() {
		digestOf(value)
	}
}
