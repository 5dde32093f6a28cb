//go:build !linux

package skydns

import (
	"math"
	"net"
	"syscall"
)

// reusePort is nil: on this system, sharing a port does not distribute packets.
var reusePort func(_, _ string, raw syscall.RawConn) error

// forceBuffers reports that this system has no such capability.
func forceBuffers(*net.UDPConn, int, int) bool { return false }

// connFiles returns the number of files that the process can open for connections.
func connFiles() int { return math.MaxInt }
