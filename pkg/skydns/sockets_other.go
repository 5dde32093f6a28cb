//go:build !linux

package skydns

import "syscall"

// reusePort is nil where sharing a port does not spread packets.
var reusePort func(_, _ string, raw syscall.RawConn) error
