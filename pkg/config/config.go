// Package config is what operators of kube-dns may change while it runs: the
// keys of the ConfigMap kube-dns, read from a directory, from the API (package
// kube) or from flags. It imports the standard library alone, so that the
// nanny does not link a Kubernetes client.
//
//	directory ─► Dir ────────────┐
//	ConfigMap ─► kube.ConfigMap ─┼─► Update{Config, Version, Err} ─► apply
//	flags ─────► Static ─────────┘
//
// Text is parsed once, by Parse, and refused as a whole when any key of it is
// invalid: a reader then keeps the configuration it had. A key that is absent
// resets its setting to the default.
package config

import (
	"context"
	"maps"
	"net/netip"
	"slices"
)

// A Config is one valid configuration. The zero value is the default one.
// Values are immutable once published, and so safe for concurrent use.
type Config struct {
	// Federations maps a federation's name to its domain. Neither has a
	// trailing dot.
	Federations map[string]string
	// StubDomains is sorted by domain; servers stand in the order given.
	StubDomains []StubDomain
	// Upstreams are the upstreamNameservers in the order given. None: the
	// nameservers of resolv.conf are used.
	Upstreams []Nameserver
	// Mistyped are keys that have no meaning and look like one that has, sorted.
	// They are for Warnings alone.
	Mistyped []string
}

// Equal reports whether a and b say the same. The order of servers counts.
func Equal(a, b Config) bool {
	return maps.Equal(a.Federations, b.Federations) &&
		slices.EqualFunc(a.StubDomains, b.StubDomains, func(a, b StubDomain) bool {
			return a.Domain == b.Domain && slices.Equal(a.Servers, b.Servers)
		}) &&
		slices.Equal(a.Upstreams, b.Upstreams)
}

// A StubDomain is a domain whose names are asked at servers of its own.
type StubDomain struct {
	// Domain is in lower case and has no trailing dot.
	Domain string
	// Servers may be empty: the domain is then treated like any other.
	Servers []StubServer
}

// A StubServer is an address, or a host name that has to be resolved first.
type StubServer struct {
	// Nameserver is the zero value when Host is set.
	Nameserver Nameserver
	// Host is in lower case and has no trailing dot; its port is 53. Empty
	// when Nameserver is set.
	Host string
}

// String is the server in the form that stubDomains takes.
func (s StubServer) String() string {
	if s.Host != "" {
		return s.Host
	}
	return s.Nameserver.String()
}

// A Nameserver is the address and port of a DNS server, parsed. The address is
// never an IPv4 address written as an IPv6 one; only ParseResolvConf makes
// addresses with a scope. String always has the port: "192.0.2.1:53" or
// "[2001:db8::1]:53", as net.Dial and ParseNameserver take it.
type Nameserver struct {
	netip.AddrPort
}

// An Update is one reading of a source that differs from the one before.
type Update struct {
	// Config is valid when Err is nil, and to be ignored otherwise.
	Config Config
	// Version identifies the content: a hash, or a resourceVersion. Empty for
	// an absent or empty configuration, and when the content could not be read.
	Version string
	// Err says why the content could not be read or is invalid; the reader
	// keeps what it had, or starts with the default Config when this is the
	// first update. An error about one key wraps a *KeyError.
	Err error
}

// A Source delivers configurations.
type Source interface {
	// Run calls apply, from one goroutine: once at the start, and then
	// whenever the content changed, could not be read, or could be read again
	// after that. It returns nil when ctx is done.
	Run(ctx context.Context, apply func(Update)) error
}
