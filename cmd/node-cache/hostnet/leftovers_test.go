package hostnet

import (
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// A state is everything that an agent can leave on a node.
type state struct {
	links []string
	addrs []string // without those of the world
	rules string
}

func stateOf(t *testing.T, node world.Namespace) state {
	t.Helper()
	var s state
	node.Do(func() {
		links, err := netlink.LinkList()
		if err != nil {
			t.Error(err)
		}
		for _, l := range links {
			s.links = append(s.links, l.Attrs().Name)
		}
		addrs, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
		if err != nil {
			t.Error(err)
		}
		for _, a := range addrs {
			if slices.ContainsFunc(config().Addrs,
				func(own netip.Addr) bool { return net.IP(own.AsSlice()).Equal(a.IP) }) {
				s.addrs = append(s.addrs, a.IP.String())
			}
		}
	})
	// Tables of iptables-nft exist after the first read.
	for line := range strings.Lines(node.Run(t, "nft", "list", "ruleset")) {
		if strings.Contains(line, "node-cache") || strings.Contains(line, "NodeLocal") {
			s.rules += line
		}
	}
	for _, program := range []string{"iptables-legacy", "ip6tables-legacy", "iptables-nft", "ip6tables-nft"} {
		for _, table := range []string{"raw", "nat", "filter"} {
			for line := range strings.Lines(node.Run(t, program, "-w", "-t", table, "-S")) {
				if strings.Contains(line, "NodeLocal") {
					s.rules += line
				}
			}
		}
	}
	slices.Sort(s.links)
	slices.Sort(s.addrs)
	return s
}

var (
	worldLinks = []string{"kubedns", "lo", "pod"}
	agentLinks = []string{"kubedns", "lo", "nodelocaldns", "pod"}
	agentAddrs = []string{"10.96.0.10", "169.254.20.10", "fd00:20::10", "fd00:96::10"}
)

// TestLeftovers stops an agent in each way. Only documented parts remain.
func TestLeftovers(t *testing.T) {
	addrs := func(*Config) {}
	for name, tt := range map[string]struct {
		config func(*Config)
		before func(t *testing.T, node world.Namespace)
		end    string // the word for keepServing
		want   state
	}{
		"exit": {config: addrs, end: "close", want: state{links: worldLinks}},
		"exit with iptables": {config: func(c *Config) { c.Rules = options.RulesIPTables }, end: "close",
			want: state{links: worldLinks}},
		"exit with a successor": {config: addrs, end: "leave", want: state{links: agentLinks, addrs: agentAddrs}},
		"skipteardown":          {config: addrs, end: "exit", want: state{links: agentLinks, addrs: agentAddrs}},
		"no rules": {
			config: func(c *Config) { c.Rules = options.RulesNone }, end: "exit",
			want: state{links: agentLinks, addrs: agentAddrs},
		},
		"setupinterface=false": {
			config: func(c *Config) { c.SetupInterface = false }, end: "close", before: addLink,
			want: state{links: agentLinks, addrs: agentAddrs},
		},
		"link of others": {config: addrs, end: "close", before: addEmptyLink, want: state{links: agentLinks}},
		"killed":         {config: addrs, end: "kill", want: state{links: agentLinks, addrs: agentAddrs}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			if tt.before != nil {
				tt.before(t, w.Node)
			}
			cfg := config()
			tt.config(&cfg)
			a := startAgent(t, w.Node, cfg)
			if got := stateOf(t, w.Node); (got.rules == "") != (cfg.Rules == options.RulesNone) ||
				!slices.Equal(got.addrs, agentAddrs) {
				t.Errorf("the agent has %+v", got)
			}
			if tt.end == "kill" {
				a.signal(t, syscall.SIGKILL)
				_ = a.cmd.Wait()
			} else {
				a.end(t, tt.end)
			}
			got := stateOf(t, w.Node)
			if !slices.Equal(got.links, tt.want.links) || !slices.Equal(got.addrs, tt.want.addrs) ||
				got.rules != tt.want.rules {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// addEmptyLink adds a link like an administrator.
func addEmptyLink(t *testing.T, node world.Namespace) {
	node.Do(func() {
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: config().Interface}}); err != nil {
			t.Error(err)
		}
	})
}

func addLink(t *testing.T, node world.Namespace) {
	addEmptyLink(t, node)
	var addrs []string
	for _, addr := range config().Addrs {
		addrs = append(addrs, netip.PrefixFrom(addr, addr.BitLen()).String())
	}
	world.Up(t, node, config().Interface, addrs...)
}

// TestSecondAgent starts a second agent and stops the first: each agent has its table, and the link
// remains.
func TestSecondAgent(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	world.Proxies["nftables"](t, w.Node)
	first := startAgent(t, w.Node, config())
	l := world.StartLoad(t, w.Pod, world.ClusterIP)
	cfg := config()
	second := startAgent(t, w.Node, cfg)
	l.WaitFor("agent", 250)
	first.end(t, "leave")
	l.WaitFor("agent", 250)
	if n := l.Count("kube-dns"); n > 0 {
		t.Errorf("got %d replies of kube-dns, want none", n)
	}
	second.end(t, "close")
	if got := stateOf(t, w.Node); !slices.Equal(got.links, worldLinks) || got.rules != "" {
		t.Errorf("got %+v, want nothing", got)
	}
}

// TestNoRight has an agent without network permissions.
func TestNoRight(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	if _, err := exec.LookPath("setpriv"); err != nil {
		t.Fatal(err)
	}
	a := newAgent(t, w.Node, config(), "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
	got := a.waitFor(t, "failed: ")
	want := "failed: -interfacename=nodelocaldns: cannot make the link: type dummy: operation not permitted: " +
		"give the container the capability NET_ADMIN, or set -setupinterface=false"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := stateOf(t, w.Node); !slices.Equal(got.links, worldLinks) || got.rules != "" {
		t.Errorf("got %+v, want nothing", got)
	}
}

// TestNoRightForRules has the same agent on a node with the addresses.
func TestNoRightForRules(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	addLink(t, w.Node)
	a := newAgent(t, w.Node, config(), "setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin")
	got := a.waitFor(t, "failed: ")
	if want := "failed: -rules=auto: cannot make packet rules: "; !strings.HasPrefix(got, want) ||
		!strings.HasSuffix(got, "operation not permitted: give the container the capability NET_ADMIN, or set "+
			"-setupiptables=false") {
		t.Errorf("got %s, want %s...", got, want)
	}
}
