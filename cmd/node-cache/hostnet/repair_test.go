package hostnet

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// TestFlushRuleset deletes all tables but ours: a table with an owner remains.
func TestFlushRuleset(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	startAgent(t, w.Node, config())
	l := world.StartLoad(t, w.Pod, world.ClusterIP)
	l.WaitFor("agent", 250)
	w.Node.Run(t, "nft", "flush", "ruleset")
	l.WaitFor("agent", 250)
	if queries := l.Stop(); world.Lost(queries) > 0 {
		t.Errorf("lost %d of %d queries, want none", world.Lost(queries), len(queries))
	}
}

// TestFlushIPTables deletes iptables rules, while the agent is stopped with SIGSTOP: kube-dns
// answers. The agent adds them back.
func TestFlushIPTables(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	world.Proxies["nftables"](t, w.Node)
	cfg := config()
	cfg.Rules = options.RulesIPTables
	a := startAgent(t, w.Node, cfg)
	l := world.StartLoad(t, w.Pod, world.ClusterIP)
	l.WaitFor("agent", 250)
	a.signal(t, syscall.SIGSTOP)
	w.Node.Run(t, "iptables", "-w", "-t", "raw", "-F")
	l.WaitFor("kube-dns", 250)
	a.signal(t, syscall.SIGCONT)
	a.waitFor(t, "Added back nodelocaldns rule - ")
	l.WaitFor("agent", 250)
}

// TestLinkDeleted deletes the link, and each address, under load.
func TestLinkDeleted(t *testing.T) {
	t.Parallel()
	for _, way := range []options.Rules{options.RulesAuto, options.RulesIPTables} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			cfg := config()
			cfg.Rules = way
			startAgent(t, w.Node, cfg)
			for _, remove := range []func(){
				func() { deleteAddrs(t, cfg) },
				func() {
					link := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: cfg.Interface}}
					if err := netlink.LinkDel(link); err != nil {
						t.Error(err)
					}
				},
			} {
				l := world.StartLoad(t, w.Pod, world.LinkLocal)
				l.WaitFor("agent", 250)
				w.Node.Do(remove)
				back := awaitAddr(t, w, l)
				l.WaitFor("agent", 250)
				world.WantNoneLostSince(t, l.Stop(), back)
				world.WantServer(t, "agent", w.Pod, cfg.Addrs...)
			}
		})
	}
}

// awaitAddr waits until the link-local address is back, and returns that time.
func awaitAddr(t *testing.T, w world.World, l *world.Load) time.Duration {
	t.Helper()
	for !strings.Contains(w.Node.Run(t, "ip", "-br", "address"), world.LinkLocal.String()) {
		time.Sleep(world.LoadPeriod)
	}
	return l.Abandon()
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
