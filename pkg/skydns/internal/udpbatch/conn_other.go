//go:build !linux

package udpbatch

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// A Route is the way back to a client. Copies of it stay valid.
type Route struct {
	to      netip.AddrPort
	control []byte
}

// Source returns the client's address.
func (r *Route) Source() netip.Addr { return r.to.Addr().Unmap() }

// A Packet is one packet of a batch.
type Packet struct {
	Data, Room, Reply []byte
	Route             Route
}

// A Conn serves one socket, one packet at a time, with the system's ordinary
// calls.
type Conn struct {
	conn    *net.UDPConn
	failed  func(error)
	control []byte
	packet  [1]Packet
	in, out [MaxPacket]byte
}

var errSystem = errors.New("this system has no calls for many packets")

// New serves conn. failed is called with the error of every reply that cannot be
// sent.
func New(conn *net.UDPConn, _ bool, failed func(error)) (*Conn, error) {
	c := &Conn{conn: conn, failed: failed}
	if conn.LocalAddr().(*net.UDPAddr).IP.IsUnspecified() {
		err4 := ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
		err6 := ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
		if err4 == nil || err6 == nil {
			c.control = make([]byte, 128)
		}
	}
	return c, nil
}

// Single returns why packets are received and sent one at a time.
func (c *Conn) Single() error { return errSystem }

// Dropped returns 0: the packets that the system dropped are not known.
func (c *Conn) Dropped() uint32 { return 0 }

// SetReadDeadline makes Serve end at a time.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// Close closes the socket, when neither Serve nor Send is being called.
func (c *Conn) Close() error { return c.conn.Close() }

// Serve waits for a packet, hands it to handle, and sends the reply. It returns
// an error when the deadline has passed.
func (c *Conn) Serve(handle Handler) error {
	n, controlLen, _, from, err := c.conn.ReadMsgUDPAddrPort(c.in[:], c.control)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
		return err
	case err != nil:
		return nil // the error of one packet, such as an ICMP message
	}
	p := &c.packet[0]
	*p = Packet{Data: c.in[:n], Room: c.out[:0], Route: Route{to: from, control: sourceOf(c.control[:controlLen])}}
	handle(c.packet[:])
	c.Send(&p.Route, p.Reply)
	return nil
}

// Send sends one reply to a client, or drops it after 10 ms.
func (c *Conn) Send(r *Route, reply []byte) {
	if len(reply) == 0 {
		return
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	if _, _, err := c.conn.WriteMsgUDPAddrPort(reply, r.control, r.to); err != nil {
		c.failed(err)
	}
}

// sourceOf turns the control message of a packet received into the one of its
// reply. Only link-local addresses need to leave by the interface they came in.
func sourceOf(control []byte) []byte {
	if len(control) == 0 {
		return nil
	}
	var dst net.IP
	ifindex := 0
	var m6 ipv6.ControlMessage
	var m4 ipv4.ControlMessage
	if m6.Parse(control) == nil && m6.Dst != nil {
		dst, ifindex = m6.Dst, m6.IfIndex
	} else if m4.Parse(control) == nil {
		dst, ifindex = m4.Dst, m4.IfIndex
	}
	if !dst.IsLinkLocalUnicast() {
		ifindex = 0
	}
	switch {
	case dst == nil:
		return nil
	case dst.To4() != nil:
		return (&ipv4.ControlMessage{Src: dst, IfIndex: ifindex}).Marshal()
	}
	return (&ipv6.ControlMessage{Src: dst, IfIndex: ifindex}).Marshal()
}
