package hostnet

import (
	"net/netip"
	"slices"
	"strconv"
)

// Comments of the rules. Cleanup scripts on nodes match their prefix.
const (
	commentRaw    = "NodeLocal DNS Cache: skip conntrack"
	commentNAT    = "NodeLocal DNS Cache: keep the address"
	commentFilter = "NodeLocal DNS Cache: allow DNS traffic"
)

// A target is the action of a rule.
type target int

const (
	notrack     target = iota
	keepAddress        // destination NAT to the same address: later NAT rules do not apply
	accept
)

// A rule matches packets of one protocol and port to or from an address.
type rule struct {
	chain   string // INPUT, OUTPUT or PREROUTING
	proto   string // tcp or udp
	from    bool   // match the address and the port as the source, not the destination
	port    uint16
	toLocal bool         // the destination is an address of this host
	self    []netip.Addr // the other side is SelfSource of these; nil: any
	always  bool         // even while the address is not local
	target  target
}

// switchRules direct queries to the agent, and its replies back.
func switchRules(cfg Config) []rule {
	var rules []rule
	for _, proto := range []string{"tcp", "udp"} {
		pods := rule{chain: "PREROUTING", proto: proto, port: cfg.Port, target: notrack}
		if cfg.Tracked {
			pods.target = keepAddress
		}
		rules = append(rules, pods,
			// Tracked queries of pods have tracked replies.
			rule{chain: "OUTPUT", proto: proto, from: true, port: cfg.Port, toLocal: cfg.Tracked, target: notrack},
			rule{chain: "OUTPUT", proto: proto, port: cfg.Port, target: notrack},
		)
	}
	return append(rules,
		rule{chain: "OUTPUT", proto: "tcp", port: cfg.HealthPort, target: notrack},
		rule{chain: "OUTPUT", proto: "tcp", from: true, port: cfg.HealthPort, target: notrack},
	)
}

// selfRules protect queries of the agent to itself from kube-proxy. They exist even if the agent
// does not serve.
func selfRules(cfg Config) []rule {
	var rules []rule
	for _, proto := range []string{"tcp", "udp"} {
		rules = append(rules,
			rule{chain: "OUTPUT", proto: proto, port: cfg.Port, self: cfg.Addrs, target: notrack},
			rule{chain: "OUTPUT", proto: proto, from: true, port: cfg.Port, self: cfg.Addrs, target: notrack},
		)
	}
	return rules
}

// SelfSource returns the source for queries of an agent with addrs to one of them: the first of the
// same family. Queries from other addresses can reach kube-dns. Replies to loopback addresses do
// not arrive: the kubelet's firewall drops untracked packets.
func SelfSource(addrs []netip.Addr, to netip.Addr) netip.Addr {
	return families(addrs)[familyOf(to)][0]
}

// filterRules allow queries and replies through a firewall.
func filterRules(cfg Config) []rule {
	var rules []rule
	for _, proto := range []string{"tcp", "udp"} {
		rules = append(rules,
			rule{chain: "INPUT", proto: proto, port: cfg.Port, target: accept},
			rule{chain: "OUTPUT", proto: proto, from: true, port: cfg.Port, target: accept},
			// Clients on the host send through OUTPUT and get replies through INPUT.
			rule{chain: "OUTPUT", proto: proto, port: cfg.Port, target: accept},
			rule{chain: "INPUT", proto: proto, from: true, port: cfg.Port, target: accept},
		)
	}
	return rules
}

// table returns the iptables table of the rule.
func (r rule) table() string {
	switch r.target {
	case keepAddress:
		return "nat"
	case accept:
		return "filter"
	default:
		return "raw"
	}
}

// iptables returns the match and the target as arguments of iptables or ip6tables.
func (r rule) iptables(addr netip.Addr) []string {
	side, other, port := "-d", "-s", "--dport"
	if r.from {
		side, other, port = "-s", "-d", "--sport"
	}
	args := []string{side, addr.String(), "-p", r.proto, "-m", r.proto, port, strconv.Itoa(int(r.port))}
	if r.self != nil {
		args = append(args, other, SelfSource(r.self, addr).String())
	}
	// The address is not local after its lifetime. The rule then does not match.
	if r.toLocal || !r.from && !r.always && r.target != accept {
		args = append(args, "-m", "addrtype", "--dst-type", "LOCAL")
	}
	switch r.target {
	case keepAddress:
		return append(args, "-m", "comment", "--comment", commentNAT, "-j", "DNAT", "--to-destination", addr.String())
	case accept:
		return append(args, "-m", "comment", "--comment", commentFilter, "-j", "ACCEPT")
	default:
		return append(args, "-m", "comment", "--comment", commentRaw, "-j", "NOTRACK")
	}
}

// A family is IPv4 or IPv6.
type family string

const (
	ipv4 family = "ipv4"
	ipv6 family = "ipv6"
)

func familyOf(addr netip.Addr) family {
	if addr.Is4() {
		return ipv4
	}
	return ipv6
}

// families returns the families of addrs with their addresses.
func families(addrs []netip.Addr) map[family][]netip.Addr {
	m := make(map[family][]netip.Addr)
	for _, addr := range addrs {
		f := familyOf(addr)
		m[f] = append(slices.Clip(m[f]), addr)
	}
	return m
}
