package coredns_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/cmd/node-cache/coredns"
	"github.com/kube-dns/kube-dns/cmd/node-cache/corefile"
	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// start runs a Corefile for the duration of the test. The port of addr is the default.
func start(t *testing.T, addr netip.AddrPort, text string) *coredns.Server {
	t.Helper()
	server, err := coredns.Start(coredns.Options{Path: "Corefile", Port: addr.Port(), Quiet: true}, text)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(server.Drain(), server.Stop(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return server
}

// answering returns a server that answers each A query with the address, while it is on.
func answering(t *testing.T, ip string, on *atomic.Bool) *dnstest.Server {
	t.Helper()
	return dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if on != nil && !on.Load() {
			return
		}
		m := new(dns.Msg).SetReply(q)
		m.Answer = dnstest.Records(t, q.Question[0].Name+" 1 A "+ip)
		_ = w.WriteMsg(m)
	}))
}

func ask(t *testing.T, addr netip.AddrPort, name string) *dns.Msg {
	t.Helper()
	q := dnstest.Query(name, dns.TypeA)
	q.SetEdns0(1232, false)
	return dnstest.Exchange(t, addr.String(), q, false)
}

// sum returns the sum of a metric over its series with the given label value.
func sum(t *testing.T, name, value string) float64 {
	t.Helper()
	families, err := prometheus.DefaultGatherer.Gather()
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && (value == "" || strings.Contains(fmt.Sprint(m.GetLabel()), value)) {
				total += m.GetCounter().GetValue() + m.GetGauge().GetValue() +
					float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return total
}

// While kube-dns is away, a cached name is answered with its expired reply, marked as such.
func TestStale(t *testing.T) {
	var on atomic.Bool
	on.Store(true)
	kubeDNS, addr := answering(t, "192.0.2.1", &on), dnstest.FreeAddr(t)
	text := fmt.Sprintf("cluster.local {\n bind 127.0.0.1\n prometheus 127.0.0.1:0\n cache {\n  success 9984 1 1\n "+
		"}\n forward . %s\n}\n", kubeDNS.Addr())
	adapted, _ := corefile.Adapt(text, corefile.Facts{ClusterUpstream: []netip.Addr{kubeDNS.AddrPort().Addr()}})
	start(t, addr, adapted)
	if fresh := ask(t, addr, "a.cluster.local."); fresh.Answer[0].Header().Ttl != 1 {
		t.Errorf("fresh: %v", fresh)
	}
	on.Store(false)
	until(t, func() string {
		if got := dnstest.MessageText(ask(t, addr, "a.cluster.local.")); !strings.Contains(got, " 5 IN A 192.0.2.1") ||
			!strings.Contains(got, "extended error: 3") {
			return got
		}
		return ""
	})
	if got := sum(t, "coredns_cache_served_stale_total", "cluster.local"); got < 1 {
		t.Errorf("%v stale replies are counted", got)
	}
	if r := ask(t, addr, "never.cluster.local."); r.Rcode != dns.RcodeServerFailure {
		t.Errorf("a name that was never asked: %v", r)
	}
	on.Store(true)
	until(t, func() string {
		if got := dnstest.MessageText(ask(t, addr, "a.cluster.local.")); strings.Contains(got, "extended error") {
			return got
		}
		return ""
	})
}

// until repeats f until it returns "".
func until(t *testing.T, f func() string) {
	t.Helper()
	var last string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if last = f(); last == "" {
			return
		}
	}
	t.Error(last)
}

func TestUnavailable(t *testing.T) {
	addr := dnstest.FreeAddr(t)
	start(t, addr, ". {\n bind 127.0.0.1\n cache 30\n hosts {\n  192.0.2.7 known.example\n  fallthrough\n }\n "+
		"unavailable \"no server\"\n}\n")
	for range 2 { // the second reply comes from the cache
		got := dnstest.MessageText(ask(t, addr, "name.example."))
		if !strings.Contains(got, "SERVFAIL") || !strings.Contains(got, `"no server"`) {
			t.Error(got)
		}
	}
	if got := ask(t, addr, "known.example."); len(got.Answer) != 1 {
		t.Errorf("hosts: %v", got)
	}
}

// A zone that is forwarded to ourselves answers SERVFAIL. Other zones and the process are not
// affected.
func TestLoop(t *testing.T) {
	addr, other := dnstest.FreeAddr(t), answering(t, "192.0.2.1", nil)
	server := start(t, addr, fmt.Sprintf(
		"loop.example {\n bind 127.0.0.1\n loop\n forward . %s\n}\n. {\n bind 127.0.0.1\n loop\n forward . %s\n}\n",
		addr, other.Addr()))
	until(t, func() string {
		if got := dnstest.MessageText(ask(t, addr, "name.loop.example.")); !strings.Contains(got, "leads back") {
			return got
		}
		return ""
	})
	if got := sum(t, "nodecache_upstream_loop", "loop.example"); got != 1 {
		t.Errorf("metric: %v", got)
	}
	if got := ask(t, addr, "name.example."); len(got.Answer) != 1 {
		t.Errorf("another zone: %v", got)
	}
	good := fmt.Sprintf("loop.example {\n bind 127.0.0.1\n loop\n forward . %s\n}\n", other.Addr())
	if err := server.Reload(good); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, addr, "name.loop.example."); len(got.Answer) != 1 {
		t.Errorf("after the correction: %v", got)
	}
	if got := sum(t, "nodecache_upstream_loop", "loop.example"); got != 0 {
		t.Errorf("metric after the correction: %v", got)
	}
}

// A zone that becomes a loop by a new Corefile is detected, though the previous server still
// replies to probes for a moment.
func TestLoopAfterReload(t *testing.T) {
	corefile := func(upstream string) string {
		return fmt.Sprintf(". {\n bind 127.0.0.1\n loop\n forward . %s\n}\n", upstream)
	}
	addr, other := dnstest.FreeAddr(t), answering(t, "192.0.2.1", nil)
	for name, upstream := range map[string]string{"answering": other.Addr(), "dead": dnstest.FreeAddr(t).String()} {
		t.Run(name, func(t *testing.T) {
			server := start(t, addr, corefile(upstream))
			ask(t, addr, "name.example.")
			if err := server.Reload(corefile(addr.String())); err != nil {
				t.Fatal(err)
			}
			until(t, func() string {
				if got := sum(t, "nodecache_upstream_loop", "."); got != 1 {
					return fmt.Sprintf("metric: %v", got)
				}
				return ""
			})
			until(t, func() string { return misses(addr, "leads back") })
			if err := server.Reload(corefile(other.Addr())); err != nil {
				t.Fatal(err)
			}
			until(t, func() string { return misses(addr, "192.0.2.1") })
		})
	}
}

// misses returns the reply of an address if it lacks the text. The query can get lost: the previous
// server takes some for a moment.
func misses(addr netip.AddrPort, text string) string {
	q := dnstest.Query("name.example.", dns.TypeA)
	q.SetEdns0(1232, false)
	got, _, err := (&dns.Client{Timeout: time.Second}).Exchange(q, addr.String())
	if err != nil {
		return err.Error()
	}
	if reply := dnstest.MessageText(got); !strings.Contains(reply, text) {
		return reply
	}
	return ""
}

// Dashboards for CoreDNS before 1.11 still have their metrics.
func TestOldForwardMetrics(t *testing.T) {
	addr, other := dnstest.FreeAddr(t), answering(t, "192.0.2.1", nil)
	start(t, addr, fmt.Sprintf(". {\n bind 127.0.0.1\n prometheus 127.0.0.1:0\n forward . %s\n}\n", other.Addr()))
	ask(t, addr, "name.example.")
	for _, name := range []string{
		"coredns_forward_requests_total", "coredns_forward_responses_total", "coredns_forward_request_duration_seconds",
		"coredns_reload_version_info", "coredns_build_info", "coredns_plugin_enabled", "coredns_dns_requests_total",
	} {
		if sum(t, name, "") < 1 {
			t.Errorf("%s is missing", name)
		}
	}
}

// A query above max_concurrent gets SERVFAIL, which the cache does not keep.
func TestPending(t *testing.T) {
	var held atomic.Pointer[dns.Msg]
	release := make(chan struct{})
	upstream := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if q.Question[0].Name == "held.example." {
			held.Store(q)
			<-release
		}
		m := new(dns.Msg).SetReply(q)
		m.Answer = dnstest.Records(t, q.Question[0].Name+" 1 A 192.0.2.1")
		_ = w.WriteMsg(m)
	}))
	addr := dnstest.FreeAddr(t)
	text := fmt.Sprintf(". {\n bind 127.0.0.1\n errors\n prometheus 127.0.0.1:0\n cache 30\n forward . %s {\n  "+
		"max_concurrent 1\n }\n}\n", upstream.Addr())
	adapted, _ := corefile.Adapt(text, corefile.Facts{})
	start(t, addr, adapted)
	before := sum(t, "coredns_forward_max_concurrent_rejects_total", "")
	client := dns.Client{Timeout: 30 * time.Second}
	first := make(chan *dns.Msg, 1)
	go func() {
		reply, _, _ := client.Exchange(dnstest.Query("held.example.", dns.TypeA), addr.String())
		first <- reply
	}()
	until(t, func() string {
		if held.Load() == nil {
			return "the first query did not arrive"
		}
		return ""
	})
	if got := sum(t, "nodecache_upstream_inflight", ""); got != 1 {
		t.Errorf("%v queries are pending, want 1", got)
	}
	if got := ask(t, addr, "second.example."); got.Rcode != dns.RcodeServerFailure {
		t.Errorf("the second query: got %s, want SERVFAIL", dns.RcodeToString[got.Rcode])
	}
	if got := sum(t, "coredns_forward_max_concurrent_rejects_total", "") - before; got != 1 {
		t.Errorf("%v queries are counted, want 1", got)
	}
	close(release)
	if got := <-first; got == nil || len(got.Answer) != 1 {
		t.Errorf("the first query: %v", got)
	}
	until(t, func() string {
		if got := ask(t, addr, "second.example."); len(got.Answer) != 1 {
			return got.String()
		}
		return ""
	})
	if got := sum(t, "nodecache_upstream_inflight", ""); got != 0 {
		t.Errorf("%v queries are pending at the end", got)
	}
}

// An upstream's own REFUSED reaches the client.
func TestRefusedByUpstream(t *testing.T) {
	upstream, addr := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeRefused))
	})), dnstest.FreeAddr(t)
	adapted, _ := corefile.Adapt(fmt.Sprintf(". {\n bind 127.0.0.1\n forward . %s\n}\n", upstream.Addr()),
		corefile.Facts{})
	start(t, addr, adapted)
	if got := ask(t, addr, "name.example."); got.Rcode != dns.RcodeRefused {
		t.Errorf("got %s, want REFUSED", dns.RcodeToString[got.Rcode])
	}
}
