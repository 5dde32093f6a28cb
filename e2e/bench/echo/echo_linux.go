// Package echo is the lower bound of any UDP server: it receives packets and sends replies, without
// any work between.
package echo

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	batchSize  = 64
	packetSize = 4096
)

type mmsghdr struct {
	hdr unix.Msghdr
	n   uint32
	_   [4]byte
}

type server struct {
	fd      int
	in, out [batchSize]mmsghdr
	inIovs  [batchSize]unix.Iovec
	outIovs [batchSize]unix.Iovec
	names   [batchSize][unix.SizeofSockaddrAny]byte
	bufs    [batchSize][packetSize]byte
}

// Serve sends every packet back with the response bit set. The id of a query is the size of its
// reply. The bytes after the query are arbitrary. It only returns with an error.
//
// The calls block outside of Go's scheduler and so avoid its cost. The process must not do anything
// else. Polled registers the socket with an epoll instance, as Go's poller would, without reading
// its events.
func Serve(addr netip.AddrPort, polled bool) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s := &server{}
	if err := s.listen(addr); err != nil {
		return err
	}
	if polled {
		if err := s.poll(); err != nil {
			return fmt.Errorf("poll the socket: %w", err)
		}
	}
	s.prepare()
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.in[0])),
			batchSize, unix.MSG_WAITFORONE, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return fmt.Errorf("receive: %w", errno)
		}
		s.reply(int(n))
	}
}

func (s *server) listen(addr netip.AddrPort) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
		return fmt.Errorf("listen on %s: %w", addr, err)
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	s.fd = fd
	return nil
}

func (s *server) poll() error {
	poller, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLRDHUP | unix.EPOLLET&0xffffffff}
	return unix.EpollCtl(poller, unix.EPOLL_CTL_ADD, s.fd, &event)
}

func (s *server) prepare() {
	for i := range s.in {
		s.inIovs[i].Base, s.outIovs[i].Base = &s.bufs[i][0], &s.bufs[i][0]
		s.inIovs[i].SetLen(packetSize)
		s.in[i].hdr = unix.Msghdr{Name: &s.names[i][0], Namelen: unix.SizeofSockaddrAny, Iov: &s.inIovs[i]}
		s.out[i].hdr = unix.Msghdr{Name: &s.names[i][0], Iov: &s.outIovs[i]}
		s.in[i].hdr.SetIovlen(1)
		s.out[i].hdr.SetIovlen(1)
	}
}

func (s *server) reply(n int) {
	for i := range n {
		p := &s.bufs[i]
		p[2] |= 0x80
		size := max(int(s.in[i].n), min(int(binary.BigEndian.Uint16(p[:])), packetSize))
		s.outIovs[i].SetLen(size)
		s.out[i].hdr.Namelen = s.in[i].hdr.Namelen
		s.in[i].hdr.Namelen = unix.SizeofSockaddrAny
	}
	for sent := 0; sent < n; {
		k, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&s.out[sent])),
			uintptr(n-sent), 0, 0, 0)
		if errno != 0 {
			sent++
			continue
		}
		sent += int(k)
	}
}
