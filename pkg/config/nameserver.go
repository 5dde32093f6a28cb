package config

import (
	"net/netip"
	"strings"
)

// DefaultPort is the port of a server without one.
const DefaultPort = 53

// nameserverForms are the forms that ParseNameserver accepts.
const nameserverForms = "want an IP address, with a port if it is not 53: " +
	"192.0.2.1, 192.0.2.1:5353, 2001:db8::1 or [2001:db8::1]:5353"

const (
	badPort = "a port is a number from 1 to 65535"
	badIPv4 = "an IPv4 address is four numbers from 0 to 255 without leading zeros"
)

// ParseNameserver parses "ip", "ip:port" or "[ip6]:port". The default port is 53. Errors are host
// names, port 0, an empty port, and a bracketed address without a port. So are addresses with a
// scope, and addresses that no server can have.
func ParseNameserver(s string) (Nameserver, error) {
	ns, reason := parseNameserver(s)
	if reason != "" {
		return Nameserver{}, &KeyError{Value: quote(s), Reason: reason}
	}
	return ns, nil
}

// parseNameserver is ParseNameserver with only the reason of an error.
func parseNameserver(s string) (ns Nameserver, reason string) {
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		addr, err := netip.ParseAddr(s)
		if err != nil {
			return Nameserver{}, whyNoNameserver(s)
		}
		ap = netip.AddrPortFrom(addr, DefaultPort)
	}
	if ap.Port() == 0 {
		return Nameserver{}, badPort
	}
	if ap.Addr().Zone() != "" {
		return Nameserver{}, "an address with a scope (%interface) means " +
			"something else on every node; " + nameserverForms
	}
	if reason := whyNoServer(ap.Addr().Unmap()); reason != "" {
		return Nameserver{}, reason
	}
	return newNameserver(ap.Addr(), ap.Port()), ""
}

// whyNoServer returns the reason why no name server can have an address, or "".
func whyNoServer(addr netip.Addr) string {
	const form = " address, and no server has it; write the address of a name server, such as 192.0.2.1 or 2001:db8::1"
	switch {
	case addr.IsUnspecified():
		return "this is the unspecified" + form
	case addr.Is4() && addr.As4()[0] == 0:
		return "this is an address of \"this network\" (0.0.0.0/8), and no server has it; " +
			"write the address of a name server, such as 192.0.2.1"
	case addr.IsMulticast():
		return "this is a multicast" + form
	case addr == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "this is the broadcast" + form
	case addr.Is6() && !addr.IsLoopback() && compatible.Contains(addr):
		return "this is an IPv4 address in the deprecated form ::192.0.2.1; write it as 192.0.2.1"
	}
	return ""
}

// compatible holds the IPv4-compatible addresses (RFC 4291 section 2.5.5.1).
var compatible = netip.PrefixFrom(netip.IPv6Unspecified(), 96)

// whyNoNameserver returns the reason why s is none of nameserverForms.
func whyNoNameserver(s string) string {
	host := s
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		host = s[:i]
		addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
		if err == nil && addr.Is6() == strings.HasPrefix(host, "[") {
			return badPort
		}
	}
	if endsInNumber(host) && !strings.Contains(host, ":") {
		return badIPv4 + "; " + nameserverForms
	}
	return nameserverForms
}

// ParseNameserverList parses the value of the flag --nameservers: servers in the forms of
// ParseNameserver, separated by commas. Blank text is an empty list. An empty element is an error.
func ParseNameserverList(csv string) ([]Nameserver, error) {
	if strings.TrimSpace(csv) == "" {
		return nil, nil
	}
	var list []Nameserver
	for s := range strings.SplitSeq(csv, ",") {
		ns, err := ParseNameserver(strings.TrimSpace(s))
		if err != nil {
			return nil, err
		}
		list = append(list, ns)
	}
	return list, nil
}

// newNameserver returns the same value for an IPv4 address and its IPv4-mapped form.
func newNameserver(addr netip.Addr, port uint16) Nameserver {
	return Nameserver{AddrPort: netip.AddrPortFrom(addr.Unmap(), port)}
}

const (
	// tlsPort is the default port of a server over TLS (RFC 7858).
	tlsPort  = 853
	tlsForms = "want tls:// and an IP address, with a port if it is not 853, and after # the name in the " +
		"server's certificate if that is not for the address: tls://192.0.2.1 or tls://192.0.2.1:853#dns.example.com"
)

// parseServer parses a form of ParseNameserver, or with tls a server over TLS.
func parseServer(s string, tls bool) (ns Nameserver, reason string) {
	rest, isTLS := strings.CutPrefix(s, tlsScheme)
	switch {
	case !isTLS:
		return parseNameserver(s)
	case !tls:
		return Nameserver{}, "dnsmasq cannot send queries over TLS; write an address without tls://, " +
			"or run kube-dns without dnsmasq, with --direct"
	}
	host, name, named := strings.Cut(rest, "#")
	if named && checkName(name) != "" {
		return Nameserver{}, "the name after #: " + checkName(name) + "; " + tlsForms
	}
	addr, err := netip.ParseAddr(host)
	if err == nil {
		host = netip.AddrPortFrom(addr, tlsPort).String()
	}
	if ns, reason = parseNameserver(host); reason != "" {
		return Nameserver{}, whyNoTLS(reason)
	}
	ns.TLS, ns.ServerName = true, name
	return ns, ""
}

// whyNoTLS returns the reason of parseNameserver for a server over TLS.
func whyNoTLS(reason string) string {
	if reason == badPort {
		return reason + "; " + tlsForms
	}
	return strings.Replace(reason, nameserverForms, tlsForms, 1)
}

// parseStubServer parses a server of a stub domain: a form of parseServer, or a host
// name. An address without a port must be in its canonical form (RFC 5952).
func parseStubServer(s string, tls bool) (server StubServer, reason string) {
	if strings.HasPrefix(s, tlsScheme) {
		server.Nameserver, reason = parseServer(s, tls)
		return server, reason
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		if canonical := addr.Unmap().String(); canonical != s {
			return StubServer{}, "write this address in its canonical form, " + canonical
		}
	}
	ns, refused := parseNameserver(s)
	if refused == "" {
		return StubServer{Nameserver: ns}, ""
	}
	host, _, hasPort := strings.Cut(s, ":")
	switch {
	case strings.ContainsAny(s, "[]%") || strings.Count(s, ":") > 1 || endsInNumber(host):
		return StubServer{}, refused
	case hasPort && checkName(host) == "":
		return StubServer{}, "a server given as a host name takes no port, its port is 53"
	case checkName(s) != "":
		return StubServer{}, checkName(s) + "; " + nameserverForms + ", or a host name"
	}
	return StubServer{Host: s}, ""
}
