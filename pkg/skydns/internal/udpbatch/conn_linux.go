package udpbatch

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
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

// A Route is the way back to a client. Copies of it remain valid.
type Route struct {
	to         unix.RawSockaddrInet6 // has room for IPv4, too
	toSize     uint32
	control    [controlSize]byte
	controlLen int
}

// Source returns the client's address, or the zero Addr if it is unknown.
func (r *Route) Source() netip.Addr {
	switch r.to.Family {
	case unix.AF_INET:
		return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&r.to)).Addr)
	case unix.AF_INET6:
		return netip.AddrFrom16(r.to.Addr).Unmap()
	}
	return netip.Addr{}
}

// A Packet is one packet of a batch.
type Packet struct {
	// Data is the packet as it was received.
	Data []byte
	// Room is an empty buffer with capacity for a reply of MaxPacket bytes.
	Room []byte
	// Reply is sent back if it is not empty. It can be in Room or elsewhere.
	Reply []byte
	// Route is the way back to the client.
	Route Route

	vector unix.Iovec
	// buffer has the packet, then Room: usually they share one page of memory.
	buffer [2 * MaxPacket]byte
}

// A Conn serves one socket. Only one goroutine may call Serve; any goroutine may call Send.
type Conn struct {
	conn   *net.UDPConn
	fd     int // of conn, for calls that do not block
	raw    syscall.RawConn
	failed func(error)
	single error // why packets are received and sent one at a time, or nil

	packets [batchSize]Packet
	in, out [batchSize]message
	vectors [batchSize]unix.Iovec // of out

	// The result of receive, which is made once: a closure in each call would allocate.
	received int
	errno    syscall.Errno
	receive  func(uintptr) bool
}

// New serves conn, which remains open if New fails. failed is called with the error of every reply
// that cannot be sent: unix.EAGAIN if the kernel has no room for it. If one is set, the Conn
// receives and sends one packet at a time.
func New(conn *net.UDPConn, one bool, failed func(error)) (*Conn, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &Conn{conn: conn, raw: raw, failed: failed, single: errOne}
	var refused error
	err = raw.Control(func(fd uintptr) {
		c.fd = int(fd)
		if conn.LocalAddr().(*net.UDPAddr).IP.IsUnspecified() {
			refused = requestPacketInfo(c.fd)
		}
		if !one {
			c.single = c.probe()
		}
	})
	c.prepare()
	return c, errors.Join(err, refused)
}

var errOne = errors.New("as configured")

// requestPacketInfo requests the address that each packet was sent to. A socket of one
// family refuses the other's option.
func requestPacketInfo(fd int) error {
	err4 := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	err6 := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
	if err4 != nil && err6 != nil {
		return err6
	}
	return nil
}

// probe returns an error if the kernel, or a seccomp filter, refuses to receive or send many
// messages at a time.
func (c *Conn) probe() error {
	for call, name := range map[uintptr]string{unix.SYS_RECVMMSG: "recvmmsg", unix.SYS_SENDMMSG: "sendmmsg"} {
		// No messages: the call does nothing, unless it is refused.
		_, _, errno := syscall.RawSyscall6(call, uintptr(c.fd), uintptr(unsafe.Pointer(&c.in[0])), 0, unix.MSG_DONTWAIT, 0, 0)
		if errno != 0 && errno != unix.EAGAIN {
			return fmt.Errorf("%s: %w", name, errno)
		}
	}
	return nil
}

// prepare sets the fields that are the same for all packets.
func (c *Conn) prepare() {
	for i := range c.packets {
		p, h := &c.packets[i], &c.in[i].header
		p.vector.Base = &p.buffer[0]
		p.vector.SetLen(MaxPacket)
		h.Name = (*byte)(unsafe.Pointer(&p.Route.to))
		h.Iov, h.Control = &p.vector, &p.Route.control[0]
		h.SetIovlen(1)
	}
	c.receive = func(uintptr) bool {
		c.received, c.errno = c.transfer(unix.SYS_RECVMMSG, unix.SYS_RECVMSG, c.in[:])
		return c.errno != unix.EAGAIN
	}
}

// Single returns the reason why packets are received and sent one at a time, or nil.
func (c *Conn) Single() error { return c.single }

// SetReadDeadline sets the time at which Serve returns.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.conn.SetReadDeadline(t) }

// Dropped returns the number of packets that the kernel dropped because the socket's receive buffer
// was full, since the socket was made. It returns 0 if the kernel does not count them.
func (c *Conn) Dropped() uint32 {
	var info [unix.SK_MEMINFO_VARS]uint32
	size := uint32(unsafe.Sizeof(info))
	errno := unix.ENOSYS
	_ = c.raw.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&info[0])), uintptr(unsafe.Pointer(&size)), 0)
	})
	if errno != 0 {
		return 0
	}
	return info[unix.SK_MEMINFO_DROPS]
}

// transfer receives or sends messages without blocking, and returns their number. It makes the
// system call many for all of them, or the call one for the first.
func (c *Conn) transfer(many, one uintptr, messages []message) (int, syscall.Errno) {
	for {
		// Raw system calls, since they do not block: the scheduler is not involved.
		var n uintptr
		var errno syscall.Errno
		if c.single == nil {
			n, _, errno = syscall.RawSyscall6(many, uintptr(c.fd), uintptr(unsafe.Pointer(&messages[0])),
				uintptr(len(messages)), unix.MSG_DONTWAIT, 0, 0)
		} else {
			n, _, errno = syscall.RawSyscall(one, uintptr(c.fd), uintptr(unsafe.Pointer(&messages[0].header)),
				unix.MSG_DONTWAIT)
			messages[0].size = uint32(n)
			n = 1
		}
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// Serve waits for packets, calls handle with them, and sends the replies. handle sets Reply of each
// packet with a ready reply. It must not retain the packets or their fields; later replies are sent
// to a copy of Route. Serve returns an error when the deadline has passed, or when the system does
// not allow this process to receive.
func (c *Conn) Serve(handle func(batch []Packet)) error {
	for i := range c.in {
		h := &c.in[i].header
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSize)
	}
	if err := c.raw.Read(c.receive); err != nil {
		return err
	}
	switch c.errno {
	case 0:
	case unix.EPERM, unix.EACCES, unix.ENOSYS, unix.EBADF, unix.ENOTSOCK:
		return os.NewSyscallError("receive", c.errno)
	default:
		return nil // the error of one packet, such as an ICMP message
	}
	batch := c.packets[:c.received]
	for i := range batch {
		p, h := &batch[i], &c.in[i].header
		size := c.in[i].size
		p.Data, p.Room, p.Reply = p.buffer[:size:size], p.buffer[size:size], nil
		p.Route.toSize = h.Namelen
		p.Route.controlLen = sourceOf(p.Route.control[:h.Controllen])
	}
	handle(batch)
	replies := 0
	for i := range batch {
		if p := &batch[i]; len(p.Reply) > 0 {
			fill(&c.out[replies].header, &c.vectors[replies], &p.Route, p.Reply)
			replies++
		}
	}
	c.send(c.out[:replies])
	return nil
}

// Send sends one reply to a client, or drops it.
func (c *Conn) Send(r *Route, reply []byte) {
	if len(reply) == 0 {
		return
	}
	messages, vector := make([]message, 1), new(unix.Iovec)
	fill(&messages[0].header, vector, r, reply)
	c.send(messages)
}

// fill sets a message to a reply.
func fill(h *unix.Msghdr, vector *unix.Iovec, r *Route, reply []byte) {
	vector.Base = &reply[0]
	vector.SetLen(len(reply))
	h.Iov = vector
	h.SetIovlen(1)
	h.Name, h.Namelen = (*byte)(unsafe.Pointer(&r.to)), r.toSize
	h.Control = nil
	if r.controlLen > 0 {
		h.Control = &r.control[0]
	}
	h.SetControllen(r.controlLen)
}

// send sends messages. It never blocks: a reply is dropped if the kernel has no room for it, or
// refuses it. Clients retry. Blocking would stop all clients of the socket because one address does
// not resolve.
func (c *Conn) send(messages []message) {
	for len(messages) > 0 {
		sent, errno := c.transfer(unix.SYS_SENDMMSG, unix.SYS_SENDMSG, messages)
		if errno != 0 {
			sent = 1
			c.failed(errno)
		}
		messages = messages[sent:]
	}
}

// sourceOf turns the control message of a received packet into the one of its reply. The source of
// the reply is the address that the packet was sent to. The kernel chooses the interface, except
// for link-local addresses. sourceOf returns the size, 0 if there is none.
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
	case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO &&
		len(control) >= unix.CmsgLen(unix.SizeofInet6Pktinfo):
		info := (*unix.Inet6Pktinfo)(data)
		if linkLocal := info.Addr[0] == 0xfe && info.Addr[1]&0xc0 == 0x80; !linkLocal {
			info.Ifindex = 0
		}
		return unix.CmsgSpace(unix.SizeofInet6Pktinfo)
	}
	return 0
}
