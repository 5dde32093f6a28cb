package skydns

import (
	"syscall"
	"testing"
)

// TestListenWithoutSharing: if sharing a port is refused, Listen opens one socket.
func TestListenWithoutSharing(t *testing.T) {
	allowed := reusePort
	t.Cleanup(func() { reusePort = allowed })
	reusePort = func(_, _ string, _ syscall.RawConn) error { return syscall.EPERM }
	sockets, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if n := len(sockets.udp); n != 1 {
		t.Errorf("got %d UDP sockets, want 1", n)
	}
	if err := sockets.Close(); err != nil {
		t.Error(err)
	}
}
