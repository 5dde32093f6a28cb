package hostnet

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// TestServe is a node with each mode of kube-proxy: pods and the host reach the agent, and
// after Withdraw kube-dns.
func TestServe(t *testing.T) {
	for _, proxy := range slices.Sorted(maps.Keys(proxies)) {
		for _, way := range []options.Rules{options.RulesAuto, options.RulesIPTables} {
			t.Run(proxy+"/"+string(way), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				proxies[proxy](t, w.node)
				wantServer(t, "kube-dns", w.pod, clusterIP, clusterIP6)

				cfg := config()
				cfg.Rules = way
				a := startAgent(t, w.node, cfg)
				wantServer(t, "agent", w.pod, cfg.Addrs...)
				wantServer(t, "agent", w.node, cfg.Addrs...)
				if entries := agentEntries(t, w.node); len(entries) > 0 {
					t.Errorf("queries are tracked:\n%s", strings.Join(entries, "\n"))
				}

				fmt.Fprintln(a.words, "withdraw")
				a.waitFor(t, "withdrawn <nil>")
				wantServer(t, "kube-dns", w.pod, clusterIP, clusterIP6)
				wantServer(t, "kube-dns", w.node, clusterIP, clusterIP6)
				wantServer(t, "agent", w.pod, linkLocal, linkLocal6)
				a.end(t, "close")
				wantServer(t, "kube-dns", w.pod, clusterIP, clusterIP6)
			})
		}
	}
}

// agentEntries returns the entries of connection tracking for flows between the node and
// the agent. Flows to kube-dns have the address of kube-dns, too.
func agentEntries(t *testing.T, node namespace) []string {
	t.Helper()
	var text []byte
	var err error
	node.do(func() { text, err = os.ReadFile("/proc/thread-self/net/nf_conntrack") })
	if err != nil {
		t.Fatal(err)
	}
	var entries []string
	for line := range strings.Lines(string(text)) {
		toDNS := strings.Contains(line, "src=10.0.2.2 ") || strings.Contains(line, "0002:0000:0000:0000:0000:0000:0002 ")
		if strings.Contains(line, "port=53 ") && !toDNS {
			entries = append(entries, line)
		}
	}
	return entries
}
