package hostnet

import (
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// TestKilled is an agent that is killed under load: the kernel removes its rules.
func TestKilled(t *testing.T) {
	for _, proxy := range slices.Sorted(maps.Keys(world.Proxies)) {
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			l, a := startUnderLoad(t, proxy, options.RulesAuto)
			a.signal(t, syscall.SIGKILL)
			_ = a.cmd.Wait()
			ended := l.Now()
			l.WaitFor("kube-dns", 500)
			world.WantNoneLostSince(t, l.Stop(), ended)
		})
	}
}

// TestHangs is an agent that stops under load: its rules time out.
func TestHangs(t *testing.T) {
	for _, proxy := range slices.Sorted(maps.Keys(world.Proxies)) {
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			wantOutage(t, signalUnderLoad(t, proxy, options.RulesAuto, syscall.SIGSTOP), elementTimeout)
		})
	}
}

// TestKilledWithIPTables is an agent without nftables: its addresses time out.
func TestKilledWithIPTables(t *testing.T) {
	t.Parallel()
	wantOutage(t, signalUnderLoad(t, "iptables-legacy", options.RulesIPTables, syscall.SIGKILL), lifetime)
}

// signalUnderLoad returns the queries from before the signal until kube-dns answers.
func signalUnderLoad(t *testing.T, proxy string, way options.Rules, signal syscall.Signal) []world.Query {
	t.Helper()
	l, a := startUnderLoad(t, proxy, way)
	a.signal(t, signal)
	l.WaitFor("kube-dns", 500)
	return l.Stop()
}

func startUnderLoad(t *testing.T, proxy string, way options.Rules) (*world.Load, *agentProcess) {
	t.Helper()
	w := world.New(t)
	world.Proxies[proxy](t, w.Node)
	cfg := config()
	cfg.Rules = way
	a := startAgent(t, w.Node, cfg)
	l := world.StartLoad(t, w.Pod, world.ClusterIP)
	l.WaitFor("agent", 500)
	return l, a
}

// wantOutage wants queries to be lost for the timeout of the rules and a second, with
// slack for a busy machine. Then all have a reply of kube-dns.
func wantOutage(t *testing.T, queries []world.Query, timeout time.Duration) {
	t.Helper()
	isLost := func(q world.Query) bool { return q.Server == "" }
	first := slices.IndexFunc(queries, isLost)
	if first < 0 {
		t.Error("lost no query: did the agent hang?")
		return
	}
	last := len(queries) - 1
	for !isLost(queries[last]) {
		last--
	}
	outage := queries[last].At - queries[first].At
	t.Logf("lost %d of %d queries in %v", world.Lost(queries), len(queries), outage)
	if most := timeout + 3*time.Second; outage > most {
		t.Errorf("queries were lost for %v, want at most %v", outage, most)
	}
	for _, q := range queries[last+1:] {
		if q.Server != "kube-dns" {
			t.Errorf("got a reply of %q after the outage, want kube-dns", q.Server)
		}
	}
}
