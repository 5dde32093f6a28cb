package hostnet

import (
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// TestFlushRuleset deletes all tables but ours: a table that has an owner stays.
func TestFlushRuleset(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	startAgent(t, w.node, config())
	l := startLoad(t, w.pod, clusterIP)
	l.waitFor(isAgent, 250)
	w.node.run(t, "nft", "flush", "ruleset")
	l.waitFor(isAgent, 250)
	if queries := l.stop(); lost(queries) > 0 {
		t.Errorf("lost %d of %d queries, want none", lost(queries), len(queries))
	}
}

// TestFlushIPTables deletes rules that were made with iptables. They are back after 10
// seconds at most; until then kube-dns answers.
func TestFlushIPTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	proxies["nftables"](t, w.node)
	cfg := config()
	cfg.Rules = options.RulesIPTables
	a := startAgent(t, w.node, cfg)
	l := startLoad(t, w.pod, clusterIP)
	l.waitFor(isAgent, 250)
	w.node.run(t, "iptables", "-w", "-t", "raw", "-F")
	l.waitFor(isKubeDNS, 250)
	a.waitFor(t, "Added back nodelocaldns rule - ")
	l.waitFor(isAgent, 250)
}

// TestLinkDeleted deletes the link, and each address, under load.
func TestLinkDeleted(t *testing.T) {
	t.Parallel()
	for _, way := range []options.Rules{options.RulesAuto, options.RulesIPTables} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			cfg := config()
			cfg.Rules = way
			startAgent(t, w.node, cfg)
			l := startLoad(t, w.pod, linkLocal)
			l.waitFor(isAgent, 250)
			w.node.do(func() { deleteAddrs(t, cfg) })
			l.waitFor(isAgent, 250)
			w.node.do(func() {
				if err := netlink.LinkDel(&netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: cfg.Interface}}); err != nil {
					t.Error(err)
				}
			})
			l.waitFor(isAgent, 250)
			wantServer(t, "agent", w.pod, cfg.Addrs...)
			queries := l.stop()
			t.Logf("lost %d of %d queries", lost(queries), len(queries))
			if most := 2 * int(time.Second/loadPeriod); lost(queries) > most {
				t.Errorf("lost %d of %d queries, want at most %d", lost(queries), len(queries), most)
			}
		})
	}
}

func deleteAddrs(t *testing.T, cfg Config) {
	device, err := netlink.LinkByName(cfg.Interface)
	if err != nil {
		t.Error(err)
		return
	}
	for _, addr := range cfg.Addrs {
		if err := netlink.AddrDel(device, (&link{}).newAddr(addr)); err != nil {
			t.Error(err)
		}
	}
}
