// Package config reads the configuration that operators can change while kube-dns runs: the keys of
// the ConfigMap kube-dns, from a directory, from the API (package kube), or from flags. It links no
// Kubernetes client, so the nanny does not either.
//
//	directory ─► Dir ────────────┐
//	ConfigMap ─► kube.ConfigMap ─┼─► Update{Config, Version, Err} ─► Current ─► InUse
//	flags ─────► Static ─────────┘                                      ▲
//	                                                    file ◄─► LastGood
//
// Parse refuses a configuration if one of its keys is invalid. The previous one then remains in
// use. An absent key has its default.
package config

import (
	"context"
	"net/netip"
)

// A Config is one valid configuration. The zero value is the default. A Config is not
// modified after it is published, so concurrent use is safe.
type Config struct {
	// Federations maps names of federations to domains, without trailing dots.
	Federations map[string]string
	// StubDomains is sorted by domain.
	StubDomains []StubDomain
	// Upstreams are the upstreamNameservers in the order given. If empty, the nameservers of
	// resolv.conf are used.
	Upstreams []Nameserver
	// Mistyped are unknown keys that resemble a known one, sorted. They only cause warnings.
	Mistyped []string
	// Repeated are the stub domains listed more than once, sorted. They only cause warnings.
	Repeated []string
}

// A StubDomain is a domain with its own servers.
type StubDomain struct {
	// Domain is in lower case and has no trailing dot.
	Domain string
	// Servers are in the order given. Without servers the domain has no effect.
	Servers []StubServer
}

// A StubServer is an address or a host name.
type StubServer struct {
	// Nameserver is the zero value when Host is set.
	Nameserver Nameserver
	// Host is in lower case and has no trailing dot; its port is 53. It is empty when
	// Nameserver is set.
	Host string
}

// String returns the server as it is written in stubDomains.
func (s StubServer) String() string {
	if s.Host != "" {
		return s.Host
	}
	return s.Nameserver.String()
}

// A Nameserver is the address and port of a DNS server. The address is never an IPv4-mapped IPv6
// address. Only resolv.conf addresses have a scope. String always includes the port, as net.Dial
// requires: "192.0.2.1:53" or "[2001:db8::1]:53".
type Nameserver struct {
	netip.AddrPort
	// TLS: queries go over TLS (RFC 7858). ServerName is the name in the server's
	// certificate; empty: its address.
	TLS        bool
	ServerName string
}

// tlsScheme starts a server over TLS.
const tlsScheme = "tls://"

// String returns the server as Parse reads it, with its port.
func (n Nameserver) String() string {
	text := n.AddrPort.String()
	if n.TLS {
		text = tlsScheme + text
	}
	if n.ServerName != "" {
		text += "#" + n.ServerName
	}
	return text
}

// An Update is the result of a read by a Source.
type Update struct {
	// Config is valid if Err is nil.
	Config Config
	// Version identifies the content: a hash or a resourceVersion. It is empty for an absent, empty
	// or unreadable configuration.
	Version string
	// Err is the reason why the content is invalid or unreadable. An error about one key wraps a
	// *KeyError.
	Err error
}

// Origins of a configuration in use.
const (
	FromSource   = "configured" // read from the Source
	FromLastGood = "last_good"  // stored by an earlier run
	FromDefault  = "default"
)

// An InUse is a configuration that was put into use.
type InUse struct {
	Config  Config
	Version string // as in Update
	Origin  string // FromSource, FromLastGood or FromDefault
}

// A Source delivers configurations.
type Source interface {
	// Run calls apply from one goroutine: at startup, and whenever the content has changed, becomes
	// unreadable or becomes readable again. It returns nil when ctx is done.
	Run(ctx context.Context, apply func(Update)) error
}
