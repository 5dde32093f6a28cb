package hostnet

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// TestServe has a node with each mode of kube-proxy: pods and the host reach the agent, and
// kube-dns after Withdraw.
func TestServe(t *testing.T) {
	for _, proxy := range slices.Sorted(maps.Keys(world.Proxies)) {
		for _, way := range []options.Rules{options.RulesAuto, options.RulesIPTables} {
			t.Run(proxy+"/"+string(way), func(t *testing.T) {
				t.Parallel()
				w := world.New(t)
				world.Proxies[proxy](t, w.Node)
				world.WantServer(t, "kube-dns", w.Pod, world.ClusterIP, world.ClusterIP6)

				cfg := config()
				cfg.Rules = way
				a := startAgent(t, w.Node, cfg)
				world.WantServer(t, "agent", w.Pod, cfg.Addrs...)
				world.WantServer(t, "agent", w.Node, cfg.Addrs...)
				if entries := agentEntries(t, w.Node); len(entries) > 0 {
					t.Errorf("queries are tracked:\n%s", strings.Join(entries, "\n"))
				}

				fmt.Fprintln(a.words, "withdraw")
				a.waitFor(t, "withdrawn <nil>")
				world.WantServer(t, "kube-dns", w.Pod, world.ClusterIP, world.ClusterIP6)
				world.WantServer(t, "kube-dns", w.Node, world.ClusterIP, world.ClusterIP6)
				world.WantServer(t, "agent", w.Pod, world.LinkLocal, world.LinkLocal6)
				a.end(t, "close")
				world.WantServer(t, "kube-dns", w.Pod, world.ClusterIP, world.ClusterIP6)
			})
		}
	}
}

// agentEntries returns the connection tracking entries of flows between the node and the agent.
// Flows to kube-dns also have the address of kube-dns.
func agentEntries(t *testing.T, node world.Namespace) []string {
	t.Helper()
	var text []byte
	var err error
	node.Do(func() { text, err = os.ReadFile("/proc/thread-self/net/nf_conntrack") })
	if err != nil {
		t.Fatal(err)
	}
	var entries []string
	for line := range strings.Lines(string(text)) {
		toDNS := strings.Contains(line, "src=10.0.2.2 ") ||
			strings.Contains(line, "0002:0000:0000:0000:0000:0000:0002 ")
		if strings.Contains(line, "port=53 ") && !toDNS {
			entries = append(entries, line)
		}
	}
	return entries
}
