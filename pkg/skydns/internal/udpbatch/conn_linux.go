package udpbatch

import (
	"errors"
	"fmt"
	"net"
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
	// Reply is what is sent back, when it is not empty.
	Reply []byte
	// Route is where it came from.
	Route Route

	vector  unix.Iovec
	in, out [MaxPacket]byte
}

// A Conn serves one socket. Serve belongs to one goroutine; Send may be called
// by any.
//
// The socket is not with Go's poller: as long as anybody polls a socket, the
// kernel tells him of each packet that comes, and of each reply that has left,
// which is a seventh of what a small reply costs. So it is only polled while there
// is nothing to receive, by way of an epoll instance of its own, which is with Go's
// poller.
type Conn struct {
	fd, epoll int
	idle      *os.File // the epoll instance
	waiting   syscall.RawConn
	polled    bool // by idle
	burst     int  // packets since there was nothing to receive

	packets [Size]Packet
	in, out [Size]message
	vectors [Size]unix.Iovec // of out

	// What receive works on. It is made once: a closure for each call would be
	// allocated.
	received int
	errno    syscall.Errno
	receive  func(uintptr) bool
}

// longBurst is how many packets come one after the other before the socket is
// not polled any more: to stop that, and to begin again, costs as much as being
// told of so many.
const longBurst = 8

// sendPatience is how long a reply waits for room in the kernel's buffer, in
// milliseconds.
const sendPatience = 1000

// New takes over a socket, which the caller must not use any more; with an error
// it stays the caller's.
func New(conn *net.UDPConn) (_ *Conn, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	if conn.LocalAddr().(*net.UDPAddr).IP.IsUnspecified() {
		if err := wantPacketInfo(raw); err != nil {
			return nil, err
		}
	}
	c := &Conn{fd: -1}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	// Closing conn takes the socket from Go's poller, and leaves it open as ours.
	if controlErr := raw.Control(func(fd uintptr) { c.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || controlErr != nil {
		return nil, fmt.Errorf("duplicate the socket: %w", errors.Join(err, controlErr))
	}
	if err := c.makeIdle(); err != nil {
		return nil, fmt.Errorf("make an epoll instance: %w", err)
	}
	if err := conn.Close(); err != nil {
		return nil, err
	}
	c.prepare()
	return c, nil
}

// makeIdle makes the epoll instance, with the socket in it.
func (c *Conn) makeIdle() error {
	var err error
	if c.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	err = unix.SetNonblock(c.epoll, true) // else os does not poll it
	c.idle = os.NewFile(uintptr(c.epoll), "epoll")
	if err == nil {
		c.waiting, err = c.idle.SyscallConn()
	}
	if err == nil {
		err = c.poll(true)
	}
	return err
}

func (c *Conn) prepare() {
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
	c.receive = func(uintptr) bool {
		c.received, c.errno = batch(unix.SYS_RECVMMSG, c.fd, c.in[:])
		if c.errno != unix.EAGAIN {
			return true
		}
		c.burst = 0
		if c.polled {
			return false
		}
		if err := c.poll(true); err != nil {
			c.wait(unix.POLLIN, 100) // no memory, most likely: try again
			return true
		}
		return false // what has come meanwhile was seen by poll
	}
}

// poll begins or ends polling the socket.
func (c *Conn) poll(on bool) error {
	op, event := unix.EPOLL_CTL_DEL, unix.EpollEvent{Events: unix.EPOLLIN}
	if on {
		op = unix.EPOLL_CTL_ADD
	}
	err := unix.EpollCtl(c.epoll, op, c.fd, &event)
	if err == nil {
		c.polled = on
	}
	return err
}

// wait waits for what the socket seldom lacks, so many milliseconds at most.
func (c *Conn) wait(events int16, patience int) {
	_, _ = unix.Poll([]unix.PollFd{{Fd: int32(c.fd), Events: events}}, patience) // whatever it says, try again
}

// SetReadDeadline makes Serve end at a time.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.idle.SetReadDeadline(t) }

// Close closes the socket, when neither Serve nor Send is being called.
func (c *Conn) Close() error {
	var err error
	if c.idle != nil {
		err = c.idle.Close()
	}
	if c.fd >= 0 {
		err = errors.Join(err, unix.Close(c.fd))
	}
	return err
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
func batch(call uintptr, fd int, messages []message) (int, syscall.Errno) {
	for {
		// Raw, since the call does not block: the scheduler need not know.
		n, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// transmit sends messages, and returns how many. It waits for a while when the
// kernel has no room.
func (c *Conn) transmit(messages []message) (int, syscall.Errno) {
	n, errno := batch(unix.SYS_SENDMMSG, c.fd, messages)
	if errno == unix.EAGAIN {
		c.wait(unix.POLLOUT, sendPatience)
		n, errno = batch(unix.SYS_SENDMMSG, c.fd, messages)
	}
	return n, errno
}

// Serve waits for packets, hands them to handle, and sends the replies. It
// returns how many of them could not be sent, and an error when the deadline has
// passed.
func (c *Conn) Serve(handle Handler) (failed int, err error) {
	for i := range c.in {
		h := &c.in[i].header
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlSize)
	}
	if err := c.waiting.Read(c.receive); err != nil {
		return 0, err
	}
	if c.errno != 0 {
		return 0, nil // the error of one packet, such as an ICMP message
	}
	if c.burst += c.received; c.polled && c.burst >= longBurst {
		_ = c.poll(false) // or it costs more
	}
	batch := c.packets[:c.received]
	for i := range batch {
		p, h := &batch[i], &c.in[i].header
		p.Data, p.Room, p.Reply = p.in[:c.in[i].size], p.out[:0], nil
		p.Route.toSize = h.Namelen
		p.Route.controlLen = sourceOf(p.Route.control[:h.Controllen])
	}
	handle(batch)
	replies := 0
	for i := range batch {
		if p := &batch[i]; len(p.Reply) > 0 {
			c.address(replies, &p.Route, p.Reply)
			replies++
		}
	}
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
	for len(messages) > 0 {
		// Most often they go at once.
		sent, errno := c.transmit(messages)
		if errno != 0 {
			sent = 1
			failed++
		}
		messages = messages[sent:]
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
	if _, errno := c.transmit(messages); errno != 0 {
		return errno
	}
	return nil
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
