package hostnet

import (
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// TestKilled is an agent that is killed under load: the kernel removes its rules.
func TestKilled(t *testing.T) {
	for _, proxy := range slices.Sorted(maps.Keys(proxies)) {
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			queries := killUnderLoad(t, proxy, options.RulesAuto, syscall.SIGKILL)
			if n := lost(queries); n > 5 {
				t.Errorf("lost %d of %d queries, want at most 5", n, len(queries))
			}
		})
	}
}

// TestHangs is an agent that stops under load: its rules time out.
func TestHangs(t *testing.T) {
	for _, proxy := range slices.Sorted(maps.Keys(proxies)) {
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			wantOutage(t, killUnderLoad(t, proxy, options.RulesAuto, syscall.SIGSTOP), elementTimeout)
		})
	}
}

// TestKilledWithIPTables is an agent without nftables: its addresses time out.
func TestKilledWithIPTables(t *testing.T) {
	t.Parallel()
	wantOutage(t, killUnderLoad(t, "iptables-legacy", options.RulesIPTables, syscall.SIGKILL), lifetime)
}

// killUnderLoad returns the queries from before the signal until kube-dns answers.
func killUnderLoad(t *testing.T, proxy string, way options.Rules, signal syscall.Signal) []query {
	t.Helper()
	w := newWorld(t)
	proxies[proxy](t, w.node)
	cfg := config()
	cfg.Rules = way
	a := startAgent(t, w.node, cfg)
	l := startLoad(t, w.pod, clusterIP)
	l.waitFor(isAgent, 500)
	a.signal(t, signal)
	l.waitFor(isKubeDNS, 500)
	return l.stop()
}

// wantOutage wants queries to be lost for the timeout of the rules and a second, with
// slack for a busy machine. Then all have a reply of kube-dns.
func wantOutage(t *testing.T, queries []query, timeout time.Duration) {
	t.Helper()
	isLost := func(q query) bool { return q.server == "" }
	first := slices.IndexFunc(queries, isLost)
	if first < 0 {
		t.Error("lost no query: did the agent hang?")
		return
	}
	last := len(queries) - 1
	for !isLost(queries[last]) {
		last--
	}
	outage := queries[last].at - queries[first].at
	t.Logf("lost %d of %d queries in %v", lost(queries), len(queries), outage)
	if most := timeout + 3*time.Second; outage > most {
		t.Errorf("queries were lost for %v, want at most %v", outage, most)
	}
	for _, q := range queries[last+1:] {
		if q.server != "kube-dns" {
			t.Errorf("got a reply of %q after the outage, want kube-dns", q.server)
		}
	}
}
