// Package skydns is a DNS server over a [backend.Backend]: it speaks the protocol, the
// backend knows the names of one zone. The name and the idea of a server over
// a backend of records come from SkyDNS; the code does not.
//
// # The life of a query
//
//	socket ─► respond ─► parse ─► classify ─► answer ─► finish ─► socket
//	            │                                │
//	            ├─ forwarder over UDP ───────────┤  told by a socket's reader
//	            └─ TCP, upstream look-ups ───────┘  in a goroutine of their own
//
// Packets come from a UDP socket or a TCP connection. What can be answered from
// the backend alone is answered at once, by the goroutine that read the packet.
// What needs another server waits: a query forwarded over UDP in the table of the
// socket that it went out on, all else in a goroutine. The number of both
// together is bounded; beyond it the answer is SERVFAIL, at once.
//
// A panic while a query is handled is counted, logged with the query's name,
// and answered with SERVFAIL.
package skydns
