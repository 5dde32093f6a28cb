package loadgen

import (
	"fmt"
	"net/netip"
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

// A batch has the arrays of recvmmsg or sendmmsg, allocated once.
type batch struct {
	hdrs [batchSize]mmsghdr
	iovs [batchSize]unix.Iovec
}

func newBatch() *batch {
	b := &batch{}
	for i := range b.hdrs {
		b.hdrs[i].hdr.Iov = &b.iovs[i]
		b.hdrs[i].hdr.SetIovlen(1)
	}
	return b
}

func (b *batch) set(i int, p []byte) {
	b.iovs[i].Base = &p[0]
	b.iovs[i].SetLen(len(p))
}

// send sends the first n packets. A packet refused by the kernel counts as lost.
func (b *batch) send(fd, n int) {
	for sent := 0; sent < n; {
		k, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[sent])),
			uintptr(n-sent), 0, 0, 0)
		if errno != 0 {
			sent++
			continue
		}
		sent += int(k)
	}
}

// A receiver is a batch with its own buffers.
type receiver struct {
	*batch
	bufs [batchSize][packetSize]byte
}

func newReceiver() *receiver {
	r := &receiver{batch: newBatch()}
	for i := range r.bufs {
		r.set(i, r.bufs[i][:])
	}
	return r
}

// receive returns the number of received packets, 0 after a timeout.
func (r *receiver) receive(fd, flags int) int {
	k, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&r.hdrs[0])), batchSize,
		uintptr(flags), 0, 0)
	if errno != 0 {
		return 0
	}
	return int(k)
}

func (r *receiver) packet(i int) []byte { return r.bufs[i][:r.hdrs[i].n] }

// dial opens a UDP socket with a receive timeout.
func dial(addr netip.AddrPort, wait unix.Timeval) (int, error) {
	if !addr.Addr().Is4() {
		return -1, fmt.Errorf("address %s: want IPv4", addr)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open socket: %w", err)
	}
	err = unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()})
	if err == nil {
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return fd, nil
}
