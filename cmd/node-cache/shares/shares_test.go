package shares

import (
	"net"
	"net/netip"
	"testing"
)

func TestShares(t *testing.T) {
	one, two := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	s := New(8, 3)
	for _, tt := range []struct {
		client netip.Addr
		n      int
		want   bool
	}{
		{one, 3, true},
		{one, 1, false},
		{two, 2, true},
		{two, 2, false},
		{netip.Addr{}, 4, false},
		{netip.Addr{}, 3, true},
		{two, 1, false}, // 8 are taken
	} {
		if got := s.Take(tt.client, tt.n); got != tt.want {
			t.Errorf("take %d for %s: got %v, want %v", tt.n, tt.client, got, tt.want)
		}
	}
	s.Give(one, 3)
	s.Give(two, 1)
	if s.all != 4 || len(s.held) != 1 || s.held[two] != 1 {
		t.Errorf("%d are taken, by %v, want 4, 1 of them by %s", s.all, s.held, two)
	}
	if !s.Take(one, 3) {
		t.Error("a client did not get what it gave back")
	}
}

// An end is a connection with these addresses.
type end struct{ local, remote net.Addr }

func (e end) LocalAddr() net.Addr  { return e.local }
func (e end) RemoteAddr() net.Addr { return e.remote }

func TestClient(t *testing.T) {
	for remote, want := range map[string]string{
		"10.0.0.1":         "10.0.0.1",
		"::ffff:10.0.0.1":  "10.0.0.1",
		"2001:db8::1":      "2001:db8::1",
		"127.0.0.1":        "invalid IP",
		"::1":              "invalid IP",
		"169.254.20.10":    "invalid IP",
		"::ffff:127.0.0.2": "invalid IP",
	} {
		at := netip.AddrPortFrom(netip.MustParseAddr(remote), 4242)
		udp := end{&net.UDPAddr{IP: net.IPv4(169, 254, 20, 10), Port: 53}, net.UDPAddrFromAddrPort(at)}
		tcp := end{&net.TCPAddr{IP: net.IPv4(169, 254, 20, 10), Port: 53}, net.TCPAddrFromAddrPort(at)}
		if got := Client(udp).String(); got != want || Client(tcp) != Client(udp) {
			t.Errorf("%s: got %s over UDP and %s over TCP, want %s", remote, got, Client(tcp), want)
		}
	}
	if got := Client(end{&net.UnixAddr{}, &net.UnixAddr{}}); got.IsValid() {
		t.Errorf("a socket without addresses: got %s", got)
	}
}
