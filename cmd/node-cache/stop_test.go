package main

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
)

// TestNodeStopsWithDeadUpstream stops the agent while queries wait for a silent upstream: kube-dns
// answers, and the node has no leftovers.
func TestNodeStopsWithDeadUpstream(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	world.Proxies["nftables"](t, w.Node)
	before := nodeState(t, w.Node)
	addr, _ := silentUpstream(t, w)
	text := "example. {\n bind __PILLAR__LOCAL__DNS__\n forward . __PILLAR__CLUSTER__DNS__\n}\n"
	n := newNodeCache(t, w.Node, t.TempDir(), text, "-upstreamsvc=up")
	n.cmd.Env = append(n.cmd.Env, "UP_SERVICE_HOST="+addr.String())
	n.start(t)
	n.waitReady(t)
	l := world.StartLoad(t, w.Pod, world.ClusterIP)
	eventually(t, func() string {
		metrics := n.get("http://127.0.0.1:9353/metrics")
		if strings.Contains(metrics, "\nnodecache_upstream_inflight 0\n") {
			return "no query is pending"
		}
		return ""
	})
	start := time.Now()
	n.end(t)
	t.Logf("the end took %v", time.Since(start))
	ended := l.Abandon()
	l.WaitFor("kube-dns", 250)
	world.WantNoneLostSince(t, l.Stop(), ended)
	if after := nodeState(t, w.Node); after != before {
		t.Errorf("the node has\n%s\nwant\n%s", after, before)
	}
}

// silentUpstream returns the address of a server that is silent until the function is called.
func silentUpstream(t *testing.T, w world.World) (addr netip.Addr, speak func()) {
	t.Helper()
	addr = netip.MustParseAddr("10.0.2.9")
	world.Up(t, w.KubeDNS, "eth0", addr.String()+"/24")
	w.KubeDNS.Do(func() {
		if err := world.Serve(netip.AddrPortFrom(addr, 53), "kube-dns"); err != nil {
			t.Error(err)
		}
	})
	w.KubeDNS.Run(t, "nft", "add table ip silent")
	w.KubeDNS.Run(t, "nft", "add chain ip silent in { type filter hook input priority 0; }")
	w.KubeDNS.Run(t, "nft", fmt.Sprintf("add rule ip silent in ip daddr %s drop", addr))
	return addr, func() { w.KubeDNS.Run(t, "nft", "delete table ip silent") }
}
