package dns_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/dns"
)

func TestCounts(t *testing.T) {
	key := func(name string) dns.Key { return dns.Key{Namespace: "shop", Name: name} }
	ports := []dns.Port{{Name: "http", Protocol: "tcp", Number: 80}, {Name: "dns", Protocol: "udp", Number: 53}}
	endpoints := func(list ...dns.Endpoint) dns.Endpoints {
		return dns.Endpoints{Key: key("db-a"), Service: "db", Subsets: []dns.Subset{{Endpoints: list}}}
	}
	at := func(addr, hostname string) dns.Endpoint {
		return dns.Endpoint{Addr: addrs(addr)[0], Hostname: hostname, Ready: true}
	}
	z := newZone()
	steps := []struct {
		name   string
		change func()
		want   dns.Counts
	}{
		{"nothing", func() {}, dns.Counts{}},
		{
			"ClusterIPs with ports",
			func() {
				z.SetService(dns.Service{Key: key("web"), ClusterIPs: addrs("10.0.0.1", "fd00::1"), Ports: ports})
			},
			dns.Counts{Services: 1, Names: 5},
		},
		{
			"ExternalName",
			func() { z.SetService(dns.Service{Key: key("out"), ExternalName: "www.example.com"}) },
			dns.Counts{Services: 2, Names: 6},
		},
		{
			"headless without endpoints",
			func() { z.SetService(dns.Service{Key: key("db"), Headless: true}) },
			dns.Counts{Services: 2, Names: 6},
		},
		{
			"headless",
			func() { z.SetEndpoints(endpoints(at("10.1.0.1", ""), at("10.1.0.2", ""))) },
			dns.Counts{Services: 3, Endpoints: 2, Names: 9},
		},
		{
			"two addresses of one hostname",
			func() { z.SetEndpoints(endpoints(at("10.1.0.1", "db-0"), at("fd00::2", "db-0"), at("10.1.0.2", ""))) },
			dns.Counts{Services: 3, Endpoints: 3, Names: 9},
		},
		{
			"headless becomes a ClusterIP",
			func() { z.SetService(dns.Service{Key: key("db"), ClusterIPs: addrs("10.0.0.2")}) },
			dns.Counts{Services: 3, Names: 8},
		},
		{"one less", func() { z.DeleteService(key("web")) }, dns.Counts{Services: 2, Names: 3}},
		{"none", func() { z.ReplaceServices(nil) }, dns.Counts{}},
	}
	for _, step := range steps {
		step.change()
		z.Publish()
		if diff := cmp.Diff(step.want, z.Counts()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestHeadlessChanged(t *testing.T) {
	k := dns.Key{Namespace: "shop", Name: "db"}
	e := dns.Endpoints{Key: dns.Key{Namespace: "shop", Name: "db-a"}, Service: "db", Version: "1",
		Subsets: []dns.Subset{{Endpoints: []dns.Endpoint{{Addr: addrs("10.1.0.1")[0], Ready: true}}}}}
	z := newZone()
	want := func(step string, want bool) {
		t.Helper()
		if got := z.HeadlessChanged(k); got != want {
			t.Errorf("%s: HeadlessChanged = %t, want %t", step, got, want)
		}
	}
	want("nothing", false)
	z.SetEndpoints(e)
	want("endpoints without a Service", false)
	z.SetService(dns.Service{Key: k, ClusterIPs: addrs("10.0.0.1")})
	want("a ClusterIP", false)
	z.SetService(dns.Service{Key: k, Headless: true})
	want("headless", true)
	z.Publish()
	want("published", false)
	e.Version = "2"
	z.SetEndpoints(e)
	want("another version of the same endpoints", false)
	e.Subsets = nil
	z.SetEndpoints(e)
	want("other endpoints", true)
}
