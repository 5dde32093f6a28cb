package udpbatch

import (
	"errors"
	"net"
	"strings"
	"syscall"
	"testing"
)

// TestPeer: packets arrive complete, Read returns an ICMP error, and Close stops Read.
func TestPeer(t *testing.T) {
	server, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Dial(server.LocalAddr().(*net.UDPAddr).AddrPort())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"short", strings.Repeat("long", 4000), ""} {
		if err := p.Write([]byte("query")); err != nil {
			t.Fatal(err)
		}
		query := make([]byte, 100)
		n, from, err := server.ReadFromUDPAddrPort(query)
		if err != nil || string(query[:n]) != "query" {
			t.Fatalf("the server received %q: %v", query[:n], err)
		}
		if _, err := server.WriteToUDPAddrPort([]byte(want), from); err != nil {
			t.Fatal(err)
		}
		if got, err := p.Read(); err != nil || string(got) != want {
			t.Errorf("read %d bytes, want %d: %v", len(got), len(want), err)
		}
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.Write([]byte("query")); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Read(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("no server: %v", err)
	}
	ended := make(chan error)
	go func() {
		_, err := p.Read()
		ended <- err
	}()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := p.Write([]byte("query")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("write after Close: %v", err)
	}
}
