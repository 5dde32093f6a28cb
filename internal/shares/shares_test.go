package shares

import (
	"net/netip"
	"testing"
)

func TestShares(t *testing.T) {
	addr := netip.MustParseAddr
	s := New(10, 3)
	for _, tt := range []struct {
		from netip.Addr
		n    int
		want bool
	}{
		{addr("192.0.2.1"), 3, true},
		{addr("192.0.2.1"), 1, false},
		{addr("::ffff:192.0.2.1"), 1, false},
		{addr("192.0.2.2"), 1, true},
		{addr("fe80::1%eth0"), 3, true},
		{addr("fe80::1%eth1"), 1, false},
		{addr("fe80::2"), 1, true}, // another pod of the same node
		{addr("127.0.0.1"), 1, true},
		{netip.Addr{}, 1, true},
		{addr("127.0.0.1"), 1, false}, // 10 are taken
		{addr("::ffff:127.0.0.2"), 1, false},
		{netip.Addr{}, 1, false},
	} {
		if got := s.Take(tt.from, tt.n); got != tt.want {
			t.Errorf("take %d for %s: got %v, want %v", tt.n, tt.from, got, tt.want)
		}
	}
	s.Give(addr("192.0.2.1"), 2)
	s.Give(addr("fe80::1"), 3)
	s.Give(addr("fe80::2"), 1)
	for _, from := range []netip.Addr{addr("127.0.0.1"), addr("::1"), addr("::ffff:127.0.0.2"), {}} {
		if !s.Take(from, 6) {
			t.Errorf("%s has a bound of its own", from)
		}
		s.Give(from, 6)
	}
	if got := s.Taken(); got != 4 {
		t.Errorf("taken: got %d, want 4", got)
	}
	if !s.Take(addr("192.0.2.1"), 2) || s.Take(addr("192.0.2.1"), 1) {
		t.Error("a client did not get what it gave back, or more")
	}
	if len(s.held) != 2 {
		t.Errorf("clients that hold nothing are kept: %v", s.held)
	}
}
