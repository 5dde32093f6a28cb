//go:build node

package node

import (
	"flag"
	"fmt"
	"os"
	"testing"
)

// dirVariable is set by run.sh to the directory of the node to use.
const dirVariable = "KUBE_DNS_NODE_DIR"

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.list"); f != nil && f.Value.String() != "" {
		os.Exit(m.Run())
	}
	if os.Getenv(dirVariable) == "" {
		fmt.Fprintln(os.Stderr, "these tests need a node: use run.sh, which starts one")
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// TestNode has an order: first tests without side effects, then those that disturb the DNS pods, at
// last those that load and break the cluster.
func TestNode(t *testing.T) {
	c := newCluster(t)
	for _, tt := range []struct {
		name string
		run  func(*cluster, *testing.T)
	}{
		{"names", (*cluster).names},
		{"readiness changes", (*cluster).readinessChanges},
		{"Kubernetes DNS suite", (*cluster).suite},
		{"configuration", (*cluster).configuration},
		{"rolling update", (*cluster).rollingUpdate},
		{"upgrade", (*cluster).upgrade},
		{"helm test", (*cluster).helmTest},
		{"kubectl plugin", (*cluster).pluginCommands},
		{"node drain", (*cluster).drain},
		{"hung containers", (*cluster).hung},
		{"overlays", (*cluster).overlays},
		{"migration", (*cluster).migrate},
		{"migration of a stock kube-dns", (*cluster).migrateStock},
		{"NodeLocal DNSCache", (*cluster).nodeLocal},
		{"lacking features", (*cluster).lacking},
		{"large cluster", (*cluster).large},
		{"API server away", (*cluster).away},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.settle(t)
			tt.run(c, t)
		})
	}
}
