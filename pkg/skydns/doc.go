// Package skydns is a DNS server over a [backend.Backend]: the server implements the
// protocol, the backend holds the names of one zone. The name and the idea of a server
// over a backend of records come from SkyDNS; the code does not.
//
// # Life of a query
//
//	udp.go, tcp.go   read packets, and send replies
//	fast.go          the fast path: plain questions, from bytes to bytes
//	request.go       the slow path: parse the packet
//	respond.go       classify the question, and choose a source:
//	answer.go        the zone's data
//	zone.go          aliases, also to names at upstreams
//	autopath.go      the search list of a pod: search.go
//	pending.go       queries that take time, and their limit
//	reply.go         make a reply, and fit it to the client's size
//	counters.go      count it
//
// The goroutine that read a packet answers it if only the backend is needed. Other queries are
// pending: queries forwarded over UDP in the table of their socket, the rest in a goroutine each.
// The number of pending queries is limited; further queries get SERVFAIL immediately.
//
// A panic in the handling of a query is counted, logged with the query's name, and answered with
// SERVFAIL.
package skydns
