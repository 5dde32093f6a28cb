// Package udpbatch serves a UDP socket many packets at a time: one system call
// receives what has arrived, one sends all replies. Each reply leaves from the
// address that its query was sent to.
//
// The arrays that the kernel fills and reads are made once. The calls themselves
// never block; see [Conn] for how it waits.
package udpbatch

import "errors"

const (
	// Size is how many packets are received at a time.
	Size = 32
	// MaxPacket is the size of the largest packet that is received whole, and
	// of the room for a reply.
	MaxPacket = 4096
)

// ErrUnsupported is what New returns on systems without these calls.
var ErrUnsupported = errors.New("no batches of packets on this system")

// A Handler answers packets of a batch: it sets p.Reply of each where a reply is
// due now, which may be in p.Room or elsewhere. Neither the packets nor what they
// hold may be kept; a reply that comes later is sent to a copy of p.Route.
type Handler func(batch []Packet)
