//go:build !linux

package skydns

import (
	"math"
	"net"
	"syscall"
)

// reusePort is nil where sharing a port does not distribute packets.
var reusePort func(_, _ string, raw syscall.RawConn) error

// forceBuffers reports that this system has no such capability.
func forceBuffers(*net.UDPConn, int, int) bool { return false }

// connFiles returns how many files the process may open for connections.
func connFiles() int { return math.MaxInt }
