package skydns

import (
	"net/netip"
	"testing"
)

func TestShares(t *testing.T) {
	addr := netip.MustParseAddr
	s := newShares(10, 3)
	for _, tt := range []struct {
		from netip.Addr
		n    int
		want bool
	}{
		{addr("192.0.2.1"), 3, true},
		{addr("192.0.2.1"), 1, false},
		{addr("::ffff:192.0.2.1"), 1, false},
		{addr("192.0.2.2"), 1, true},
		{addr("2001:db8::1"), 3, true},
		{addr("2001:db8::1"), 1, false},
		{addr("2001:db8::2"), 1, true}, // another pod of the same node
		{addr("127.0.0.1"), 2, true},
		{addr("127.0.0.1"), 1, false}, // 10 are taken
		{netip.Addr{}, 1, false},
	} {
		if got := s.take(tt.from, tt.n); got != tt.want {
			t.Errorf("take %d for %s: got %v, want %v", tt.n, tt.from, got, tt.want)
		}
	}
	s.give(addr("192.0.2.1"), 2)
	s.give(addr("2001:db8::1"), 3)
	s.give(addr("2001:db8::2"), 1)
	if got := s.taken(); got != 4 {
		t.Errorf("taken: got %d, want 4", got)
	}
	if !s.take(addr("192.0.2.1"), 2) || s.take(addr("192.0.2.1"), 1) {
		t.Error("a client did not get what it gave back, or more")
	}
	if len(s.held) != 2 {
		t.Errorf("clients that hold nothing are kept: %v", s.held)
	}
}
