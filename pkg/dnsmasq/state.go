package dnsmasq

import "time"

// A State is what the nanny does at one moment, for people.
type State struct {
	// Version and Source are of the configuration that dnsmasq has: Source is
	// directory, last_good or default. Since is when dnsmasq took it.
	Version, Source string
	Since           time.Time
	// Refused is why the configuration read last is not used; empty: it is.
	Refused      string
	RefusedSince time.Time
	// Servers are those that the configuration asks for, at most some of Total.
	Servers []ServerState
	Total   int
	// Failing are the servers that reply to tests with an error, also those of dnsmasq's own
	// options.
	Failing []FailingServer
	// Unresolved are the names of stub servers that have no address.
	Unresolved int
	// Signalled: a change of servers is taken without a restart of dnsmasq.
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

// shownServers is how many servers a State has at most.
const shownServers = 100
