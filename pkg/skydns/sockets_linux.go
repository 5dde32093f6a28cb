package skydns

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// reusePort lets several sockets share a port.
var reusePort = func(_, _ string, raw syscall.RawConn) error {
	var set error
	err := raw.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
	return errors.Join(err, set)
}
