// Package udpbatch serves a UDP socket many packets at a time: one system call
// receives what has arrived, one sends all replies. Each reply leaves from the
// address that its query was sent to.
//
// The arrays that the kernel fills and reads are made once. No call blocks: Serve
// waits with Go's poller, and a reply for which the kernel has no room is dropped.
// Where the kernel refuses these calls, packets are served one at a time.
package udpbatch

const (
	// Size is how many packets are received at a time.
	Size = 32
	// MaxPacket is the size of the largest packet that is received whole, and
	// of the room for a reply.
	MaxPacket = 4096
)

// A Handler answers packets of a batch: it sets p.Reply of each where a reply is
// due now, which may be in p.Room or elsewhere. Neither the packets nor what they
// hold may be kept; a reply that comes later is sent to a copy of p.Route.
type Handler func(batch []Packet)
