// Package skydns is a DNS server over a [backend.Backend]: the server implements the
// protocol, the backend holds the names of one zone. The name and the idea of a server
// over a backend of records come from SkyDNS; the code does not.
//
// # The way of a query
//
//	udp.go, tcp.go   read packets, and send replies
//	fast.go          the fast path: plain questions, from bytes to bytes
//	request.go       the slow path: parse the packet
//	respond.go       classify the question, and choose who answers it
//	answer.go        from the zone's data
//	zone.go          through aliases, also to names of upstreams
//	autopath.go      the search list of a pod: search.go
//	pending.go       queries whose reply takes time, and their number
//	reply.go         make a reply, and fit it to the client's size
//	counters.go      count it
//
// The goroutine that read a packet answers it, if the backend alone can. Other queries
// are pending: a query forwarded over UDP in the table of its socket, all others in a
// goroutine. The number of pending queries is bounded; further ones get SERVFAIL at once.
//
// A panic while a query is handled is counted, logged with the query's name, and
// answered with SERVFAIL.
package skydns
