//go:build !linux

package udpbatch

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// A Route is the way back to a client. Copies of it remain valid.
type Route struct{ to netip.AddrPort }

// Source returns the client's address.
func (r *Route) Source() netip.Addr { return r.to.Addr().Unmap() }

// A Packet is one packet of a batch.
type Packet struct {
	Data, Room, Reply []byte
	Route             Route
}

// A Conn serves one socket, one packet at a time. The system chooses the source address of replies.
type Conn struct {
	conn    *net.UDPConn
	failed  func(error)
	packet  [1]Packet
	in, out [MaxPacket]byte
}

// New serves conn. failed is called with the error of every reply that cannot be sent.
func New(conn *net.UDPConn, _ bool, failed func(error)) (*Conn, error) {
	return &Conn{conn: conn, failed: failed}, nil
}

var errSystem = errors.New("this system has no calls for many packets")

// Single returns the reason why packets are received and sent one at a time.
func (c *Conn) Single() error { return errSystem }

// Dropped returns 0: this system does not report the packets that it drops.
func (c *Conn) Dropped() uint32 { return 0 }

// SetReadDeadline sets the time at which Serve returns.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// Serve waits for a packet, calls handle with it, and sends the reply. It returns an
// error when the deadline has passed.
func (c *Conn) Serve(handle func(batch []Packet)) error {
	n, from, err := c.conn.ReadFromUDPAddrPort(c.in[:])
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		return err
	case err != nil:
		return nil // the error of one packet, such as an ICMP message
	}
	c.packet[0] = Packet{Data: c.in[:n], Room: c.out[:0], Route: Route{from}}
	handle(c.packet[:])
	c.Send(&c.packet[0].Route, c.packet[0].Reply)
	return nil
}

// Send sends one reply to a client, or drops it after 10 ms.
func (c *Conn) Send(r *Route, reply []byte) {
	if len(reply) == 0 {
		return
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := c.conn.WriteToUDPAddrPort(reply, r.to); err != nil {
		c.failed(err)
	}
}
