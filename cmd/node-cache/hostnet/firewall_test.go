package hostnet

import (
	"slices"
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// podFirewall allows queries of a pod and replies of tracked connections, and nothing else.
const podFirewall = `table inet firewall {
	chain to-pod { type filter hook output priority 0
		oifname "pod" meta l4proto { tcp, udp } ct state established accept
		oifname "pod" meta l4proto { tcp, udp } drop
	}
}`

// TestTracked has a firewall that drops replies of untracked connections.
func TestTracked(t *testing.T) {
	for _, proxy := range []string{"iptables-legacy", "iptables-nft", "nftables"} {
		for _, way := range []options.Rules{options.RulesAuto, options.RulesIPTables} {
			t.Run(proxy+"/"+string(way), func(t *testing.T) {
				t.Parallel()
				w := world.New(t)
				world.Proxies[proxy](t, w.Node)
				if _, err := w.Node.Try(podFirewall, "nft", "-f", "-"); err != nil {
					t.Fatal(err)
				}
				cfg := config()
				cfg.Rules, cfg.Tracked = way, true
				startAgent(t, w.Node, cfg)
				world.WantServer(t, "agent", w.Pod, cfg.Addrs...)
				world.WantServer(t, "agent", w.Node, cfg.Addrs...)
			})
		}
	}
}

// TestUntracked has the same firewall without Tracked. It verifies the firewall of TestTracked.
func TestUntracked(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	if _, err := w.Node.Try(podFirewall, "nft", "-f", "-"); err != nil {
		t.Fatal(err)
	}
	startAgent(t, w.Node, config())
	if name, err := world.Ask(w.Pod, "udp", world.ClusterIP); err == nil {
		t.Errorf("got a reply of %q, want none", name)
	}
}

// TestHostFirewall has a firewall on the host that drops packets by default. It contains our rules
// that accept queries, until the agent exits.
func TestHostFirewall(t *testing.T) {
	closed := map[string][]string{
		"policy": {"-P INPUT DROP", "-P OUTPUT DROP"},
		"rule":   {"-A INPUT -j REJECT", "-A INPUT -j DROP", "-A OUTPUT -j DROP"},
	}
	for _, backend := range []string{"-legacy", "-nft"} {
		for name, rules := range closed {
			t.Run(name+backend, func(t *testing.T) {
				t.Parallel()
				w := world.New(t)
				programs := []string{"iptables" + backend, "ip6tables" + backend}
				for _, program := range programs {
					w.Node.Run(t, program, "-w", "-A", "INPUT", "-p", "ipv6-icmp", "-j", "ACCEPT")
					w.Node.Run(t, program, "-w", "-A", "OUTPUT", "-p", "ipv6-icmp", "-j", "ACCEPT")
					for _, rule := range rules {
						w.Node.Run(t, append([]string{program, "-w"}, strings.Fields(rule)...)...)
					}
				}
				before := filters(t, w.Node, programs)
				a := startAgent(t, w.Node, config())
				world.WantServer(t, "agent", w.Pod, config().Addrs...)
				world.WantServer(t, "agent", w.Node, config().Addrs...)
				if !strings.Contains(filters(t, w.Node, programs), commentFilter) {
					t.Error("found no rule that accepts queries")
				}
				a.end(t, "close")
				if after := filters(t, w.Node, programs); after != before {
					t.Errorf("the filter is\n%s\nafter the agent, and was\n%s", after, before)
				}
			})
		}
	}
}

func filters(t *testing.T, node world.Namespace, programs []string) string {
	t.Helper()
	var all strings.Builder
	for _, program := range programs {
		all.WriteString(node.Run(t, program, "-w", "-S"))
	}
	return all.String()
}

func TestRefusesRest(t *testing.T) {
	for rules, want := range map[string]bool{
		"-P INPUT ACCEPT\n":                                                            false,
		"-P INPUT DROP\n-A INPUT -i lo -j ACCEPT\n":                                    true,
		"-P INPUT ACCEPT\n-A INPUT -s 192.0.2.1/32 -j DROP\n":                          false,
		"-P INPUT ACCEPT\n-A INPUT -j REJECT --reject-with icmp-host-prohibited\n":     true,
		"-P INPUT ACCEPT\n-A INPUT -j DROP\n":                                          true,
		"-P INPUT ACCEPT\n-A INPUT -m conntrack --ctstate INVALID -j DROP\n":           false,
		"-P INPUT ACCEPT\n-A INPUT -m comment --comment \"-A INPUT -j DROP\" -j LOG\n": false,
	} {
		if got := refusesRest("INPUT", rules); got != want {
			t.Errorf("%q: got %t, want %t", rules, got, want)
		}
	}
}

// TestRules checks the rules for iptables. Programs on nodes match some of them.
func TestRules(t *testing.T) {
	cfg := config()
	var got []string
	for _, r := range slices.Concat(switchRules(cfg), filterRules(cfg)) {
		got = append(got, r.table()+" "+describe(r, world.LinkLocal))
	}
	const raw = " -m comment --comment " + commentRaw + " -j NOTRACK"
	const filter = " -m comment --comment " + commentFilter + " -j ACCEPT"
	const local = " -m addrtype --dst-type LOCAL"
	var want []string
	for _, proto := range []string{"tcp", "udp"} {
		p := " -p " + proto + " -m " + proto
		want = append(want,
			"raw PREROUTING -d 169.254.20.10"+p+" --dport 53"+local+raw,
			"raw OUTPUT -s 169.254.20.10"+p+" --sport 53"+raw,
			"raw OUTPUT -d 169.254.20.10"+p+" --dport 53"+local+raw,
			"filter INPUT -d 169.254.20.10"+p+" --dport 53"+filter,
			"filter OUTPUT -s 169.254.20.10"+p+" --sport 53"+filter,
			"filter OUTPUT -d 169.254.20.10"+p+" --dport 53"+filter,
			"filter INPUT -s 169.254.20.10"+p+" --sport 53"+filter,
		)
	}
	want = append(want,
		"raw OUTPUT -d 169.254.20.10 -p tcp -m tcp --dport 8080"+local+raw,
		"raw OUTPUT -s 169.254.20.10 -p tcp -m tcp --sport 8080"+raw,
	)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
