package hostnet

import (
	"maps"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// TestKilled kills an agent under load: the kernel removes its rules.
func TestKilled(t *testing.T) {
	for _, proxy := range slices.Sorted(maps.Keys(world.Proxies)) {
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			_, l, a := startUnderLoad(t, proxy, options.RulesAuto)
			a.signal(t, syscall.SIGKILL)
			_ = a.cmd.Wait()
			ended := l.Abandon()
			l.WaitFor("kube-dns", 500)
			world.WantNoneLostSince(t, l.Stop(), ended)
		})
	}
}

// TestHangs stops an agent under load with SIGSTOP: its rules time out.
func TestHangs(t *testing.T) {
	for _, proxy := range slices.Sorted(maps.Keys(world.Proxies)) {
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			w, l, a := startUnderLoad(t, proxy, options.RulesAuto)
			rules := w.Node.Run(t, "nft", "list", "ruleset")
			if !strings.Contains(rules, "timeout "+elementTimeout.String()) {
				t.Errorf("no element has a timeout of %s:\n%s", elementTimeout, rules)
			}
			a.signal(t, syscall.SIGSTOP)
			wantKubeDNSAfter(t, l, func() bool {
				return !strings.Contains(w.Node.Run(t, "nft", "list", "ruleset"), "expires")
			})
		})
	}
}

// TestKilledWithIPTables kills an agent without nftables: its addresses time out.
func TestKilledWithIPTables(t *testing.T) {
	t.Parallel()
	w, l, a := startUnderLoad(t, "iptables-legacy", options.RulesIPTables)
	a.signal(t, syscall.SIGKILL)
	wantKubeDNSAfter(t, l, func() bool {
		return !strings.Contains(w.Node.Run(t, "ip", "-br", "address"), world.ClusterIP.String())
	})
}

func startUnderLoad(t *testing.T, proxy string, way options.Rules) (world.World, *world.Load, *agentProcess) {
	t.Helper()
	w := world.New(t)
	world.Proxies[proxy](t, w.Node)
	cfg := config()
	cfg.Rules = way
	a := startAgent(t, w.Node, cfg)
	l := world.StartLoad(t, w.Pod, world.ClusterIP)
	l.WaitFor("agent", 500)
	return w, l, a
}

// wantKubeDNSAfter waits until over returns true: the kernel has then dropped the addresses that
// enable the rules. From then on kube-dns replies to all queries.
func wantKubeDNSAfter(t *testing.T, l *world.Load, over func() bool) {
	t.Helper()
	started := l.Now()
	for !over() {
		time.Sleep(world.LoadPeriod)
	}
	ended := l.Abandon()
	l.WaitFor("kube-dns", 500)
	queries := l.Stop()
	t.Logf("the rules ended after %v", ended-started)
	world.WantNoneLostSince(t, queries, ended)
	for _, q := range world.Between(queries, ended, math.MaxInt64) {
		if q.Server == "agent" {
			t.Error("got a reply of the agent after the end of the rules, want kube-dns")
		}
	}
}
