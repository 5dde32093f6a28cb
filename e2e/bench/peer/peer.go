// Package peer starts and stops the measured servers.
package peer

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
)

// A Peer is one way to serve a cluster's names.
type Peer struct {
	// Name is the key in results.
	Name string
	// Title is the name in the report.
	Title string
	// Follows: it watches the API server.
	Follows bool
	// Pod: it has a dnsmasq, and gets fewer mixes.
	Pod bool
	// Echo: its replies have no answers.
	Echo bool
	// SlowChanges: it caches negative replies for seconds.
	SlowChanges bool
	// needs are the required programs.
	needs []string
	// command writes the files into the site's directory and returns the processes, in starting
	// order.
	command func(s *Site) ([]command, error)
}

// A command is one process of a peer.
type command struct {
	label string
	args  []string
	env   []string
}

// A Site is the environment of a peer.
type Site struct {
	// Bin finds programs by name.
	Bin map[string]string
	// Kubeconfig of the API server.
	Kubeconfig string
	// Set is the data.
	Set dataset.Set
	// Dir is a separate directory for the peer's files.
	Dir string
	// Address gets the queries. MetricsPort is kube-dns's, on the same address. The peer
	// sets both.
	Address     netip.AddrPort
	MetricsPort string
}

// port returns a free port for TCP and UDP on the loopback address.
func port() (int, error) {
	for range 50 {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		p := l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
		u, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: p})
		if err == nil {
			_ = u.Close()
			return p, nil
		}
	}
	return 0, fmt.Errorf("found no port that is free for TCP and UDP")
}

// ports returns different free ports, as text.
func ports(n int) ([]string, error) {
	var out []string
	seen := map[int]bool{}
	for len(out) < n {
		p, err := port()
		if err != nil {
			return nil, err
		}
		if !seen[p] {
			seen[p] = true
			out = append(out, strconv.Itoa(p))
		}
	}
	return out, nil
}

func (s *Site) at(port string) {
	s.Address = netip.MustParseAddrPort("127.0.0.1:" + port)
}

func (s *Site) file(name, content string) (string, error) {
	path := filepath.Join(s.Dir, name)
	return path, os.WriteFile(path, []byte(content), 0o644)
}

// All returns the peers in the order of the report.
func All() []Peer {
	return []Peer{
		{Name: "echo", Title: "echo (the floor)", Echo: true, command: echo},
		{Name: "kube-dns", Title: "kube-dns", Follows: true, needs: []string{"kube-dns"}, command: kubeDNS()},
		{Name: "kube-dns-slow", Title: "kube-dns --fast-path=false", Follows: true, needs: []string{"kube-dns"},
			command: kubeDNS("--fast-path=false")},
		{Name: "coredns", Title: "CoreDNS, plain", Follows: true, needs: []string{"coredns"}, command: coreDNS(plain)},
		{Name: "coredns-typical", Title: "CoreDNS, typical", Follows: true, SlowChanges: true,
			needs: []string{"coredns"}, command: coreDNS(typical)},
		{Name: "nsd", Title: "NSD (static zone)", needs: []string{"nsd"}, command: nsd},
		{Name: "knot", Title: "Knot DNS (static zone)", needs: []string{"knotd"}, command: knot},
		{Name: "cluster-first", Title: "pod: kube-dns in front", Follows: true, Pod: true,
			needs: []string{"kube-dns", "dnsmasq-nanny", "dnsmasq"}, command: clusterFirst},
		{Name: "drop-in", Title: "pod: dnsmasq in front", Follows: true, Pod: true,
			needs: []string{"kube-dns", "dnsmasq-nanny", "dnsmasq"}, command: dropIn()},
		{Name: "drop-in-negative", Title: "the same without --no-negcache", Follows: true, Pod: true,
			SlowChanges: true, needs: []string{"kube-dns", "dnsmasq-nanny",
				"dnsmasq"}, command: dropIn("--no-negcache")},
		{Name: "dnsmasq-coredns", Title: "dnsmasq before CoreDNS, plain", Follows: true, Pod: true,
			needs: []string{"coredns", "dnsmasq"}, command: dnsmasqCoreDNS},
		{Name: "node-cache", Title: "node-cache before that pod", Follows: true, Pod: true, SlowChanges: true,
			needs: []string{
				"node-cache",
				"kube-dns",
				"dnsmasq-nanny",
				"dnsmasq",
			}, command: nodeCache("node-cache", "prefer_udp")},
		{Name: "node-coredns", Title: "CoreDNS as the original cache before that pod", Follows: true, Pod: true,
			SlowChanges: true, needs: []string{"coredns", "kube-dns", "dnsmasq-nanny", "dnsmasq"},
			command: nodeCache("coredns", "force_tcp")},
	}
}

// Profiled is kube-dns with profiling enabled.
func Profiled() Peer {
	return Peer{Name: "kube-dns-profiled", Title: "kube-dns --profiling", Follows: true,
		command: kubeDNS("--profiling")}
}

// Missing returns the first missing program, or "".
func (p Peer) Missing(bin map[string]string) string {
	for _, n := range p.needs {
		if bin[n] == "" {
			return n
		}
	}
	return ""
}
