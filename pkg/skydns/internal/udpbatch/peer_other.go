//go:build !linux

package udpbatch

import (
	"net"
	"net/netip"
)

// A Peer is a socket that is connected to one server. Only one goroutine may call Read; any
// goroutine may call the other methods.
type Peer struct {
	conn   *net.UDPConn
	buffer []byte
}

// Dial returns a socket with a port that the system chooses.
func Dial(server netip.AddrPort) (*Peer, error) {
	conn, err := dial(server)
	if err != nil {
		return nil, err
	}
	return &Peer{conn: conn, buffer: make([]byte, maxReply)}, nil
}

// Read returns the next packet, which is valid until the next call.
func (p *Peer) Read() ([]byte, error) {
	n, err := p.conn.Read(p.buffer)
	return p.buffer[:n], err
}

// Write sends a packet.
func (p *Peer) Write(packet []byte) error {
	_, err := p.conn.Write(packet)
	return err
}

// Close closes the socket; Read returns net.ErrClosed.
func (p *Peer) Close() error { return p.conn.Close() }
