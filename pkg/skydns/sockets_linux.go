package skydns

import (
	"errors"
	"math"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// reusePort allows several sockets to share a port.
var reusePort = func(_, _ string, raw syscall.RawConn) error {
	var set error
	err := raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	return errors.Join(err, set)
}

// forceBuffers sets the buffers of a socket, even above the system's limits. It reports whether the
// process has the required capability (CAP_NET_ADMIN).
func forceBuffers(conn *net.UDPConn, receive, send int) bool {
	raw, err := conn.SyscallConn()
	if err != nil {
		return false
	}
	var refused error
	err = raw.Control(func(fd uintptr) {
		refused = errors.Join(
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receive),
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, send))
	})
	return err == nil && refused == nil
}

// connFiles returns the number of files that the process can open for client connections. Half of
// its limit, or 500, is for all other files.
func connFiles() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return math.MaxInt
	}
	files := int(min(limit.Cur, 1<<20))
	return max(files-500, files/2)
}
