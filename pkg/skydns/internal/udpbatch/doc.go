// Package udpbatch serves a UDP socket many packets at a time: one system call
// receives the packets that have arrived, one sends all replies. Each reply leaves
// from the address that its query was sent to.
//
// The arrays that the kernel fills and reads are made once. No call blocks: Serve
// waits with Go's poller, and a reply for which the kernel has no room is dropped.
// Where the kernel refuses these calls, packets are served one at a time.
package udpbatch

const (
	// batchSize is how many packets are received at a time.
	batchSize = 64
	// MaxPacket is the size in bytes of the largest packet that is received whole, and
	// of the room for a reply.
	MaxPacket = 4096
)
