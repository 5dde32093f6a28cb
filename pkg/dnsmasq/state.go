package dnsmasq

import "time"

// A State is the state of the nanny at one moment, for people.
type State struct {
	// Version and Source are those of dnsmasq's configuration: Source is directory, last_good or
	// default. Since is when dnsmasq applied it.
	Version, Source string
	Since           time.Time
	// Refused is why the last read configuration is not used; empty: it is.
	Refused      string
	RefusedSince time.Time
	// Servers are the configured servers, at most some of Total.
	Servers []ServerState
	Total   int
	// Failing are the servers that reply to tests with an error, including those of dnsmasq's own
	// options.
	Failing []FailingServer
	// Unresolved are the names of stub servers without an address.
	Unresolved int
	// Signalled: servers change without a restart of dnsmasq.
	Signalled bool
}

// A ServerState is a server and whether dnsmasq has it.
type ServerState struct {
	// Server as dnsmasq reads it: "192.0.2.1", "/acme.example/192.0.2.1#5353".
	Server string
	// LeftOut is why dnsmasq does not have it; empty: it has.
	LeftOut string
}

// A FailingServer is a server that replies to tests with an error.
type FailingServer struct {
	// Server is as in ServerState, and Rcode the last response code: "SERVFAIL".
	Server, Rcode string
}

// shownServers is the maximum number of servers in a State.
const shownServers = 100
