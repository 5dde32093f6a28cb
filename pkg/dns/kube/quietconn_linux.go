package kube

import (
	"io"
	"net"
	"sync"
	"syscall"
	"unsafe"
)

// quiet returns c with another Read. A read through package net tells the
// runtime that it may block, which wakes the runtime's monitor thread out of its
// sleep: for a process that is idle but for a change now and then, that is a
// fifth of its processor time. This one never blocks, since the socket does not.
func quiet(c net.Conn) net.Conn {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return c
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return c
	}
	q := &quietConn{Conn: c, raw: raw}
	q.try = q.tryRead
	return q
}

// A quietConn is a TCP connection.
type quietConn struct {
	net.Conn
	raw syscall.RawConn
	try func(fd uintptr) bool // tryRead, made once

	mu    sync.Mutex // one Read at a time
	into  []byte
	n     int
	errno syscall.Errno
}

// Read implements net.Conn.
func (q *quietConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.into = p
	err := q.raw.Read(q.try)
	q.into = nil
	switch {
	case err != nil: // closed, or a deadline
		return 0, err
	case q.errno != 0:
		return 0, &net.OpError{Op: "read", Net: "tcp", Source: q.LocalAddr(), Addr: q.RemoteAddr(), Err: q.errno}
	case q.n == 0:
		return 0, io.EOF
	}
	return q.n, nil
}

// tryRead reports false when there is nothing to read yet.
func (q *quietConn) tryRead(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&q.into[0])), uintptr(len(q.into)))
		if errno == syscall.EINTR {
			continue
		}
		q.n, q.errno = int(n), errno
		return errno != syscall.EAGAIN
	}
}
