// Package upstream asks other DNS servers: for clients, whose queries it forwards as
// they are, and for the server's own look-ups.
//
//	forwarder.go   the servers, and the way to them
//	clients.go     queries of clients
//	lookup.go      queries of the server itself
//	cached.go      replies that are used again
//	router.go      which servers a query goes to
//	resolve.go     the addresses of these servers
//	exchange.go    UDP first, TCP for long replies
//	hosts.go       stub servers that are given by name
//	mux.go         many queries over UDP on few sockets: send.go, receive.go, sweep.go
//	tcp.go         queries over TCP on connections that are used again
//	tls.go         which servers are queried over TLS
//	plan.go        in which order servers are asked, and which reply counts
//	health.go      how servers behaved before
//	edns.go        queries without OPT, for servers that do not support EDNS
//	match.go       whether a packet is the reply to a query
//
// A query is sent to one server. The next one is asked too when there is no reply in
// time, and instead when the server fails. Equal queries are sent once.
package upstream
