package udpbatch

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Peer is a socket that is connected to one server. Only one goroutine may call Read; any
// goroutine may call the other methods.
//
// Its system calls do not block, so they are raw: they neither involve the scheduler nor wake the
// thread that watches for blocking calls.
type Peer struct {
	conn *net.UDPConn
	raw  syscall.RawConn

	// The buffer and the result of receive, which is made once.
	buffer  []byte
	size    uintptr
	errno   syscall.Errno
	receive func(uintptr) bool
}

// Dial returns a socket with a port that the kernel chooses.
func Dial(server netip.AddrPort) (*Peer, error) {
	conn, err := dial(server)
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	p := &Peer{conn: conn, raw: raw, buffer: make([]byte, maxReply)}
	p.receive = func(fd uintptr) bool {
		p.size, p.errno = again(unix.SYS_READ, fd, p.buffer)
		return p.errno != unix.EAGAIN
	}
	return p, nil
}

// Read returns the next packet, which is valid until the next call.
func (p *Peer) Read() ([]byte, error) {
	if err := p.raw.Read(p.receive); err != nil {
		return nil, err
	}
	if p.errno != 0 {
		return nil, os.NewSyscallError("read", p.errno)
	}
	return p.buffer[:p.size], nil
}

// Write sends a packet, which is not empty.
func (p *Peer) Write(packet []byte) error {
	var errno syscall.Errno
	err := p.raw.Write(func(fd uintptr) bool {
		_, errno = again(unix.SYS_WRITE, fd, packet)
		return errno != unix.EAGAIN
	})
	if err == nil && errno != 0 {
		return os.NewSyscallError("write", errno)
	}
	return err
}

// again makes a system call until no signal interrupts it.
func again(call, fd uintptr, buffer []byte) (uintptr, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)))
		if errno != unix.EINTR {
			return n, errno
		}
	}
}

// Close closes the socket; Read then returns net.ErrClosed.
func (p *Peer) Close() error { return p.conn.Close() }
