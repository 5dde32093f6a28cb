package dnsmasq

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/internal/httpd"
)

func TestLoopTest(t *testing.T) {
	test := newLoopTest(netip.MustParseAddr("192.0.2.10"), NewMetrics(nil), testLog(t))
	name, text, _ := strings.Cut(test.record(), ",")
	// What comes back at the end of a loop is dnsmasq's own record.
	looping := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = dnstest.Records(t, name+". 0 TXT "+text)
		_ = w.WriteMsg(m)
	}))
	good := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeNameError))
	}))
	wildcard := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = dnstest.Records(t, name+". 0 TXT something")
		_ = w.WriteMsg(m)
	}))
	dead := dnstest.FreeAddr(t)
	found := test.test(t.Context(), []netip.AddrPort{
		looping.AddrPort(), good.AddrPort(), wildcard.AddrPort(), dead, netip.MustParseAddrPort("192.0.2.10:53"),
	})
	want := map[netip.AddrPort]string{
		looping.AddrPort():                       "a loopback address is the pod itself",
		netip.MustParseAddrPort("192.0.2.10:53"): "it is the cluster's own DNS service",
	}
	if len(found) != len(want) {
		t.Errorf("found %v, want %v", found, want)
	}
	for server, why := range want {
		if !strings.HasPrefix(found[server], why) {
			t.Errorf("%v: %q, want %q", server, found[server], why)
		}
	}
}

func TestLoopTestRun(t *testing.T) {
	reg := httpd.NewRegistry()
	clusterDNS := netip.MustParseAddr("192.0.2.10")
	test := newLoopTest(clusterDNS, NewMetrics(reg), testLog(t))
	ctx, cancel := context.WithCancel(t.Context())
	lists, done := make(chan []netip.AddrPort), make(chan error)
	go func() { done <- test.run(ctx, lists) }()
	lists <- []netip.AddrPort{netip.AddrPortFrom(clusterDNS, 53)}
	lists <- []netip.AddrPort{netip.AddrPortFrom(clusterDNS, 53)} // taken when the first list has been tested
	const series = `kubedns_nanny_upstream_loop{server="192.0.2.10:53"} 1`
	if text := scrape(t, httpd.MetricsHandler(reg)); !strings.Contains(text, series) {
		t.Errorf("no %s in\n%s", series, text)
	}
	lists <- nil
	lists <- nil
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if text := scrape(t, httpd.MetricsHandler(reg)); strings.Contains(text, "upstream_loop{") {
		t.Errorf("a server leads back, want none any more:\n%s", text)
	}
}

func TestLoopNamesDiffer(t *testing.T) {
	a, b := newLoopTest(netip.Addr{}, NewMetrics(nil), testLog(t)), newLoopTest(netip.Addr{}, NewMetrics(nil), testLog(t))
	if a.record() == b.record() {
		t.Errorf("two processes have one record: %s", a.record())
	}
}

func TestOwnAddrs(t *testing.T) {
	local, other := netip.MustParseAddrPort("127.0.0.1:5353"), netip.MustParseAddrPort("127.0.0.1:5354")
	far := netip.MustParseAddrPort("192.0.2.1:5353")
	got, err := ownAddrs([]netip.AddrPort{local, other, far}, 5353)
	if err != nil || len(got) != 1 || !got[local] {
		t.Errorf("own %v, %v; want %v", got, err, local)
	}
}
