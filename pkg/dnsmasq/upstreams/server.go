// Package upstreams holds the servers that dnsmasq forwards to, and the content of its servers file
// over time. It has no files and no clock.
package upstreams

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// A Server is one upstream of dnsmasq: the value of one --server option.
type Server struct {
	// Domain is the domain of its queries, without a trailing dot. Empty: a default server, for all
	// names without another server.
	Domain string
	// Addr is its address.
	Addr netip.AddrPort
}

// String returns s in dnsmasq's form: "192.0.2.1", "192.0.2.1#5353" or
// "/acme.example/2001:db8::1#5353". IPv6 addresses have no brackets, which dnsmasq refuses, and
// keep their scope. Port 53 is omitted.
func (s Server) String() string {
	text := s.Addr.Addr().String()
	if port := s.Addr.Port(); port != config.DefaultPort {
		text += "#" + strconv.Itoa(int(port))
	}
	if s.Domain != "" {
		text = "/" + s.Domain + "/" + text
	}
	return text
}

// Lookup returns the addresses of a stub server given by name; none if unknown.
type Lookup func(host string) []netip.Addr

// FromConfig returns the servers of cfg: the servers of the stub domains in the order of the
// domains, then the upstream nameservers. Servers of one domain are in the order given, for
// --strict-order. A name counts for all its addresses, a duplicate server once.
func FromConfig(cfg config.Config, lookup Lookup) []Server {
	var list []Server
	seen := map[Server]bool{}
	add := func(s Server) {
		if !seen[s] {
			list, seen[s] = append(list, s), true
		}
	}
	for _, stub := range cfg.StubDomains {
		for _, server := range stub.Servers {
			if server.Host == "" {
				add(Server{stub.Domain, server.Nameserver.AddrPort})
				continue
			}
			for _, addr := range lookup(server.Host) {
				add(Server{stub.Domain, netip.AddrPortFrom(addr, config.DefaultPort)})
			}
		}
	}
	for _, ns := range cfg.Upstreams {
		add(Server{Addr: ns.AddrPort})
	}
	return list
}

// render returns the content of dnsmasq's servers file.
func render(list []Server) []byte {
	var b bytes.Buffer
	b.WriteString("# Written by dnsmasq-nanny from its configuration. Changes made here are lost.\n")
	for _, s := range list {
		fmt.Fprintf(&b, "server=%s\n", s)
	}
	return b.Bytes()
}

// Hosts returns the names among the stub servers of cfg, sorted.
func Hosts(cfg config.Config) []string {
	var names []string
	for _, stub := range cfg.StubDomains {
		for _, server := range stub.Servers {
			if server.Host != "" {
				names = append(names, server.Host)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Addresses returns the distinct addresses of list, in order.
func Addresses(list []Server) []netip.AddrPort {
	return distinct(list, func(s Server) netip.AddrPort { return s.Addr })
}

// Domains returns the distinct domains of list, in order.
func Domains(list []Server) []string {
	return distinct(list, func(s Server) string { return s.Domain })
}

// distinct returns the distinct values of of for the servers of list, in order.
func distinct[T comparable](list []Server, of func(Server) T) []T {
	var values []T
	seen := map[T]bool{}
	for _, s := range list {
		if v := of(s); !seen[v] {
			values, seen[v] = append(values, v), true
		}
	}
	return values
}

// Texts returns list for the log.
func Texts(list []Server) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		out = append(out, s.String())
	}
	return out
}

// ParseOption reads the value of a --server or --local with one or more domains between slashes. It
// returns nil without an address (local domains, "#" for the default servers, names).
func ParseOption(value string) []Server {
	parts := strings.Split(value, "/")
	last := len(parts) - 1
	if last < 2 || parts[0] != "" {
		return nil
	}
	text, _, _ := strings.Cut(parts[last], "@")
	host, portText, hasPort := strings.Cut(text, "#")
	port := uint64(config.DefaultPort)
	addr, err := netip.ParseAddr(host)
	if err == nil && hasPort {
		port, err = strconv.ParseUint(portText, 10, 16)
	}
	if err != nil {
		return nil
	}
	var list []Server
	for _, domain := range parts[1:last] {
		if domain = strings.ToLower(strings.Trim(domain, ".")); domain != "" {
			list = append(list, Server{domain, netip.AddrPortFrom(addr, uint16(port))})
		}
	}
	return list
}
