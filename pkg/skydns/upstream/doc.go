// Package upstream queries other DNS servers: for clients, whose queries it forwards unchanged, and
// for the server's own look-ups.
//
//	forwarder.go   the servers, and how to reach them
//	clients.go     queries of clients
//	lookup.go      queries of the server itself
//	cached.go      cached replies
//	router.go      the servers for a query
//	resolve.go     the addresses of these servers
//	exchange.go    UDP first, TCP for long replies
//	hosts.go       stub servers given by name
//	mux.go         many queries over UDP on few sockets: send.go, receive.go, sweep.go
//	tcp.go         queries over TCP on reused connections
//	tls.go         servers over TLS
//	plan.go        the order of the servers, and which reply counts
//	health.go      the past behaviour of servers
//	edns.go        queries without OPT, for servers that do not support EDNS
//	match.go       whether a packet is the reply to a query
//
// A query is sent to one server. If no reply arrives in time, the next server is queried as well.
// If the server fails, the next server is queried instead. Equal queries are sent once.
package upstream
