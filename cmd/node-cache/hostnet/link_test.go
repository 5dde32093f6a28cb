package hostnet

import (
	"log/slog"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
)

// TestVeth has the link of a kernel without dummy and bridge: both ends are added and removed.
func TestVeth(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	cfg := config()
	w.Node.Do(func() {
		l := &link{name: cfg.Interface, addrs: cfg.Addrs, log: slog.New(slog.DiscardHandler)}
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.Alias = l.name, alias
		if err := l.makeFirst(&netlink.Veth{LinkAttrs: attrs, PeerName: peer(l.name)}); err != nil {
			t.Error(err)
			return
		}
		if _, err := l.ensure(); err != nil {
			t.Error(err)
		}
	})
	if got := stateOf(t, w.Node); !slices.Equal(got.addrs, agentAddrs) || !slices.Contains(got.links, "nodelocaldns-") {
		t.Errorf("got %+v", got)
	}
	startAgent(t, w.Node, cfg).end(t, "close")
	if got := stateOf(t, w.Node); !slices.Equal(got.links, worldLinks) || got.rules != "" {
		t.Errorf("got %+v, want nothing", got)
	}
}
