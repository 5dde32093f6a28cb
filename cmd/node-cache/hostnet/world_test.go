package hostnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/vishvananda/netlink"

	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
)

// Addresses of the agent, and of kube-dns.
var (
	linkLocal  = netip.MustParseAddr("169.254.20.10")
	clusterIP  = netip.MustParseAddr("10.96.0.10")
	linkLocal6 = netip.MustParseAddr("fd00:20::10")
	clusterIP6 = netip.MustParseAddr("fd00:96::10")
	kubeDNS    = netip.MustParseAddr("10.0.2.2")
	kubeDNS6   = netip.MustParseAddr("fd00:2::2")
)

// config is that of an agent in a world.
func config() Config {
	return Config{
		Interface: "nodelocaldns", Addrs: []netip.Addr{linkLocal, clusterIP, linkLocal6, clusterIP6},
		Port: 53, HealthPort: 8080, SetupInterface: true, Rules: options.RulesAuto,
	}
}

// A world is a pod, a node and the pod of kube-dns.
type world struct{ pod, node, kubeDNS namespace }

func newWorld(t *testing.T) world {
	t.Helper()
	w := world{pod: newNamespace(t), node: newNamespace(t), kubeDNS: newNamespace(t)}
	for _, n := range []namespace{w.pod, w.node, w.kubeDNS} {
		write(t, n, "ipv6/conf/default/accept_dad", "0") // IPv6 works at once
		up(t, n, "lo")
	}
	w.join(t, "pod", w.pod, "1")
	w.join(t, "kubedns", w.kubeDNS, "2")
	write(t, w.node, "ipv4/ip_forward", "1")
	write(t, w.node, "ipv6/conf/all/forwarding", "1")
	w.kubeDNS.do(func() {
		for _, addr := range []netip.Addr{kubeDNS, kubeDNS6} {
			if err := serveDNS(netip.AddrPortFrom(addr, 53), "kube-dns"); err != nil {
				t.Error(err)
			}
		}
	})
	return w
}

// write sets a variable of the kernel.
func write(t *testing.T, in namespace, path, value string) {
	t.Helper()
	in.do(func() {
		if err := os.WriteFile("/proc/sys/net/"+path, []byte(value), 0); err != nil {
			t.Error(err)
		}
	})
}

// join connects a pod with the node: 10.0.NET.0/24 and fd00:NET::/64.
func (w world) join(t *testing.T, name string, pod namespace, net string) {
	t.Helper()
	var err error
	w.node.do(func() {
		veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: "eth0", PeerNamespace: netlink.NsFd(pod.fd)}
		err = netlink.LinkAdd(veth)
	})
	if err != nil {
		t.Fatal(err)
	}
	up(t, w.node, name, "10.0."+net+".1/24", "fd00:"+net+"::1/64")
	up(t, pod, "eth0", "10.0."+net+".2/24", "fd00:"+net+"::2/64")
	pod.do(func() {
		for _, gateway := range []string{"10.0." + net + ".1", "fd00:" + net + "::1"} {
			err = netlink.RouteAdd(&netlink.Route{Gw: netip.MustParseAddr(gateway).AsSlice()})
			if err != nil {
				t.Error(err)
			}
		}
	})
}

func up(t *testing.T, in namespace, name string, addrs ...string) {
	t.Helper()
	in.do(func() {
		device, err := netlink.LinkByName(name)
		if err != nil {
			t.Error(err)
			return
		}
		for _, text := range addrs {
			prefix := netip.MustParsePrefix(text)
			addr := (&link{}).newAddr(prefix.Addr())
			addr.Mask = net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())
			if err := netlink.AddrAdd(device, addr); err != nil {
				t.Error(err)
			}
		}
		if err := netlink.LinkSetUp(device); err != nil {
			t.Error(err)
		}
	})
}

// proxies are what a kube-proxy does in each of its modes.
var proxies = map[string]func(t *testing.T, node namespace){
	"iptables-legacy": func(t *testing.T, node namespace) { iptablesProxy(t, node, "-legacy") },
	"iptables-nft":    func(t *testing.T, node namespace) { iptablesProxy(t, node, "-nft") },
	"nftables":        nftablesProxy,
}

func iptablesProxy(t *testing.T, node namespace, backend string) {
	t.Helper()
	for fam, addrs := range map[family][2]string{
		ipv4: {clusterIP.String(), kubeDNS.String()}, ipv6: {clusterIP6.String(), kubeDNS6.String()},
	} {
		program := fam.program(backend)
		for _, proto := range []string{"udp", "tcp"} {
			for _, chain := range []string{"PREROUTING", "OUTPUT"} {
				node.run(t, program, "-w", "-t", "nat", "-A", chain, "-d", addrs[0], "-p", proto, "--dport", "53",
					"-j", "DNAT", "--to-destination", addrs[1])
			}
		}
		node.run(t, program, "-w", "-t", "nat", "-A", "POSTROUTING", "-s", addrs[0], "-j", "MASQUERADE")
	}
}

// nftablesProxy also rejects what the host sends to a ClusterIP and is not translated.
func nftablesProxy(t *testing.T, node namespace) {
	t.Helper()
	var rules strings.Builder
	for fam, addrs := range map[string][2]netip.Addr{"ip": {clusterIP, kubeDNS}, "ip6": {clusterIP6, kubeDNS6}} {
		fmt.Fprintf(&rules, `table %[1]s kube-proxy {
			chain pre { type nat hook prerouting priority -100
				%[1]s daddr %[2]s udp dport 53 dnat to %[3]s
				%[1]s daddr %[2]s tcp dport 53 dnat to %[3]s
			}
			chain out { type nat hook output priority -100
				%[1]s daddr %[2]s udp dport 53 dnat to %[3]s
				%[1]s daddr %[2]s tcp dport 53 dnat to %[3]s
			}
			chain post { type nat hook postrouting priority 100
				%[1]s saddr %[2]s masquerade
			}
			chain check { type filter hook output priority 0
				ct state new %[1]s daddr %[2]s reject
			}
		}
		`, fam, addrs[0], addrs[1])
	}
	if _, err := node.try(rules.String(), "nft", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

// replyTimeout is how long a query may take that is not lost.
const replyTimeout = 2 * time.Second

// ask sends one query from a namespace, and returns the name of the server.
func ask(from namespace, network string, server netip.Addr) (string, error) {
	var conn net.Conn
	var err error
	from.do(func() {
		dialer := net.Dialer{Timeout: replyTimeout}
		conn, err = dialer.DialContext(context.Background(), network, netip.AddrPortFrom(server, 53).String())
	})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return exchange(conn, replyTimeout)
}

func exchange(conn net.Conn, timeout time.Duration) (string, error) {
	client := dns.Client{Timeout: timeout}
	query := new(dns.Msg).SetQuestion("example.", dns.TypeTXT)
	reply, _, err := client.ExchangeWithConn(query, &dns.Conn{Conn: conn})
	if err != nil {
		return "", err
	}
	return reply.Answer[0].(*dns.TXT).Txt[0], nil
}

// wantServer asks over UDP and TCP.
func wantServer(t *testing.T, want string, from namespace, servers ...netip.Addr) {
	t.Helper()
	for _, server := range servers {
		for _, network := range []string{"udp", "tcp"} {
			if got, err := ask(from, network, server); got != want {
				t.Errorf("%s %s: got a reply of %q (%v), want %q", network, server, got, err, want)
			}
		}
	}
}

// A query is one of a load.
type query struct {
	at     time.Duration // since the start of the load
	server string        // "": lost
}

// A load is a pod that sends queries over UDP, each from a new port.
type load struct {
	cancel  context.CancelFunc
	done    chan struct{}
	mu      sync.Mutex
	queries []query
	start   time.Time
}

// loadPeriod is the time between two queries of a load.
const loadPeriod = 2 * time.Millisecond

func startLoad(t *testing.T, from namespace, server netip.Addr) *load {
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel, done: make(chan struct{}), start: time.Now()}
	go from.do(func() {
		defer close(l.done)
		var pending sync.WaitGroup
		defer pending.Wait()
		ticker := time.NewTicker(loadPeriod)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			at := time.Since(l.start)
			conn, err := net.Dial("udp", netip.AddrPortFrom(server, 53).String())
			if err != nil {
				l.add(query{at: at})
				continue
			}
			pending.Go(func() {
				defer conn.Close()
				name, _ := exchange(conn, replyTimeout)
				l.add(query{at: at, server: name})
			})
		}
	})
	t.Cleanup(func() { l.stop() })
	return l
}

func (l *load) add(q query) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queries = append(l.queries, q)
}

// waitFor returns when so many queries more have a reply that is wanted.
func (l *load) waitFor(wanted func(server string) bool, more int) {
	start := l.count(wanted)
	for l.count(wanted) < start+more {
		time.Sleep(loadPeriod)
	}
}

func (l *load) count(wanted func(server string) bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, q := range l.queries {
		if wanted(q.server) {
			n++
		}
	}
	return n
}

func isAgent(server string) bool { return server == "agent" }

func isKubeDNS(server string) bool { return server == "kube-dns" }

// stop returns the queries in the order they were sent.
func (l *load) stop() []query {
	l.cancel()
	<-l.done
	slices.SortFunc(l.queries, func(a, b query) int { return int(a.at - b.at) })
	return l.queries
}

func lost(queries []query) int {
	n := 0
	for _, q := range queries {
		if q.server == "" {
			n++
		}
	}
	return n
}
