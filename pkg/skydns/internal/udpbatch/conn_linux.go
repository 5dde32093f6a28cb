package udpbatch

import (
	"net"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// controlSize has room for the packet information of either family.
const controlSize = 64

// message is the kernel's struct mmsghdr.
type message struct {
	header unix.Msghdr
	size   uint32
}

// A Route is the way back to a client. Copies of it stay valid.
type Route struct {
	to         unix.RawSockaddrInet6 // has room for IPv4, too
	toSize     uint32
	control    [controlSize]byte
	controlLen int
}

// A Packet is one packet of a batch.
type Packet struct {
	// Data is what was received.
	Data []byte
	// Room is an empty buffer with capacity for a reply of MaxPacket bytes.
	Room []byte
	// Route is where it came from.
	Route Route

	vector  unix.Iovec
	in, out [MaxPacket]byte
}

// A Conn serves one socket. Serve belongs to one goroutine; Send may be called
// by any.
type Conn struct {
	raw     syscall.RawConn
	packets [Size]Packet
	in, out [Size]message
	vectors [Size]unix.Iovec // of out

	// What receive and transmit work on. They are made once: a closure for each
	// call would be allocated.
	received, sent    int
	errno             syscall.Errno
	sending           []message
	receive, transmit func(fd uintptr) bool
}

// New prepares a socket, which stays the caller's.
func New(conn *net.UDPConn) (*Conn, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &Conn{raw: raw}
	if conn.LocalAddr().(*net.UDPAddr).IP.IsUnspecified() {
		if err := wantPacketInfo(raw); err != nil {
			return nil, err
		}
	}
	for i := range c.packets {
		p, h := &c.packets[i], &c.in[i].header
		p.vector.Base = &p.in[0]
		p.vector.SetLen(len(p.in))
		h.Name = (*byte)(unsafe.Pointer(&p.Route.to))
		h.Iov, h.Control = &p.vector, &p.Route.control[0]
		h.SetIovlen(1)
		c.out[i].header.Iov = &c.vectors[i]
		c.out[i].header.SetIovlen(1)
	}
	c.receive = func(fd uintptr) bool {
		c.received, c.errno = batch(unix.SYS_RECVMMSG, fd, c.in[:])
		return c.errno != unix.EAGAIN
	}
	c.transmit = func(fd uintptr) bool {
		c.sent, c.errno = batch(unix.SYS_SENDMMSG, fd, c.sending)
		return c.errno != unix.EAGAIN
	}
	return c, nil
}

// wantPacketInfo asks for the address that each packet was sent to. A socket of
// one family refuses the other's option.
func wantPacketInfo(raw syscall.RawConn) error {
	var err4, err6 error
	err := raw.Control(func(fd uintptr) {
		err4 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		err6 = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	})
	if err == nil && err4 != nil && err6 != nil {
		err = err6
	}
	return err
}

// batch receives or sends messages without blocking, and returns how many.
func batch(call, fd uintptr, messages []message) (int, syscall.Errno) {
	for {
		// Raw, since the call does not block: the scheduler need not know.
		n, _, errno := syscall.RawSyscall6(call, fd, uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// Serve waits for packets, hands each to handle, calls handled, and sends the
// replies. It returns how many replies could not be sent, and an error when the
// socket can not be read any more: a deadline has passed, or it was closed.
func (c *Conn) Serve(handle Handler, handled func()) (failed int, err error) {
	for i := range c.in {
		h := &c.in[i].header
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSize)
	}
	if err := c.raw.Read(c.receive); err != nil {
		return 0, err
	}
	if c.errno != 0 {
		return 0, nil // the error of one packet, such as an ICMP message
	}
	replies := 0
	for i := range c.received {
		p, h := &c.packets[i], &c.in[i].header
		p.Data, p.Room = p.in[:c.in[i].size], p.out[:0]
		p.Route.toSize = h.Namelen
		p.Route.controlLen = sourceOf(p.Route.control[:h.Controllen])
		if reply := handle(p); len(reply) > 0 {
			c.address(replies, &p.Route, reply)
			replies++
		}
	}
	handled()
	return c.send(c.out[:replies]), nil
}

// address fills in a message that goes out.
func (c *Conn) address(i int, r *Route, reply []byte) {
	c.vectors[i].Base = &reply[0]
	c.vectors[i].SetLen(len(reply))
	r.fill(&c.out[i].header)
}

func (r *Route) fill(h *unix.Msghdr) {
	h.Name, h.Namelen = (*byte)(unsafe.Pointer(&r.to)), r.toSize
	h.Control = nil
	if r.controlLen > 0 {
		h.Control = &r.control[0]
	}
	h.SetControllen(r.controlLen)
}

// send sends messages. One that the kernel refuses does not hold up the rest.
func (c *Conn) send(messages []message) (failed int) {
	for c.sending = messages; len(c.sending) > 0; {
		// Most often it succeeds at once, and there is nothing to wait for.
		if err := c.raw.Write(c.transmit); err != nil {
			return failed + len(c.sending)
		}
		if c.errno != 0 {
			c.sent = 1
			failed++
		}
		c.sending = c.sending[c.sent:]
	}
	return failed
}

// Send sends one reply to a client.
func (c *Conn) Send(r *Route, reply []byte) error {
	if len(reply) == 0 {
		return nil
	}
	var vector unix.Iovec
	vector.Base = &reply[0]
	vector.SetLen(len(reply))
	messages := make([]message, 1)
	messages[0].header.Iov = &vector
	messages[0].header.SetIovlen(1)
	r.fill(&messages[0].header)
	errno := syscall.Errno(0)
	err := c.raw.Write(func(fd uintptr) bool {
		_, errno = batch(unix.SYS_SENDMMSG, fd, messages)
		return errno != unix.EAGAIN
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return err
}

// sourceOf turns the control message of a packet received into the one of its
// reply: the address that the packet was sent to. By which interface it leaves
// is the kernel's choice, but for link-local addresses. It returns the size, 0
// when there is none.
func sourceOf(control []byte) int {
	if len(control) < unix.CmsgLen(unix.SizeofInet4Pktinfo) {
		return 0
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	data := unsafe.Pointer(&control[unix.CmsgLen(0)])
	switch {
	case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO:
		info := (*unix.Inet4Pktinfo)(data)
		info.Ifindex, info.Spec_dst = 0, info.Addr
		return unix.CmsgSpace(unix.SizeofInet4Pktinfo)
	case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(control) >= unix.CmsgLen(unix.SizeofInet6Pktinfo):
		info := (*unix.Inet6Pktinfo)(data)
		if linkLocal := info.Addr[0] == 0xfe && info.Addr[1]&0xc0 == 0x80; !linkLocal {
			info.Ifindex = 0
		}
		return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	return 0
}
