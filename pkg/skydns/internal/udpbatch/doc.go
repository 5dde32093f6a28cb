// Package udpbatch serves a UDP socket many packets at a time: one system call receives the packets
// that have arrived, one sends all replies. Each reply is sent from the address that its query was
// sent to.
//
// The arrays for the kernel are made once. No call blocks: Serve waits with Go's poller, and a
// reply is dropped if the kernel has no room for it. If the kernel refuses these calls, packets are
// served one at a time.
//
// A Peer is a socket for the other side: it sends queries to one server.
package udpbatch

import (
	"net"
	"net/netip"
)

const (
	// batchSize is the maximum number of packets received at a time.
	batchSize = 64
	// MaxPacket is the size in bytes of the largest packet that is not cut, and of the room for a
	// reply.
	MaxPacket = 4096
	// maxReply is the size of the largest packet from a server, in bytes.
	maxReply = 65535
	// peerBuffer is the size of a Peer's receive buffer, in bytes, where the kernel allows it.
	peerBuffer = 4 << 20
)

// dial returns a socket with a port that the kernel chooses.
func dial(server netip.AddrPort) (*net.UDPConn, error) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err == nil {
		_ = conn.SetReadBuffer(peerBuffer)
	}
	return conn, err
}
