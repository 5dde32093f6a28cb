package dnstest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"
)

// loopback is the default address of servers.
var loopback = netip.MustParseAddr("127.0.0.1")

// A Server is a DNS server on one loopback address, with UDP and TCP on the same
// port. It is safe for concurrent use.
type Server struct {
	addr netip.AddrPort
	stop func()
}

// NewServer starts a server on a free port of 127.0.0.1. It stops when the test
// ends. handler runs in many goroutines at once.
func NewServer(t testing.TB, handler dns.Handler) *Server {
	t.Helper()
	return NewServerAt(t, netip.AddrPortFrom(loopback, 0), handler)
}

// NewServerAt is [NewServer] on the given address; port 0 means a free one. A port in use fails the
// test.
func NewServerAt(t testing.TB, addr netip.AddrPort, handler dns.Handler) *Server {
	t.Helper()
	udp, tcp, err := Listen(addr.String())
	if err != nil {
		t.Fatalf("start DNS server: %v", err)
	}
	s := &Server{addr: udp.LocalAddr().(*net.UDPAddr).AddrPort()}
	s.start(t, &dns.Server{PacketConn: udp, Handler: handler, UDPSize: dns.MaxMsgSize},
		&dns.Server{Listener: tcp, Handler: handler, MaxTCPQueries: -1})
	t.Cleanup(s.Close)
	return s
}

// start runs the servers, waits until they are ready and sets how to stop them.
func (s *Server) start(t testing.TB, servers ...*dns.Server) {
	var ready, running sync.WaitGroup
	for _, server := range servers {
		ready.Add(1)
		server.NotifyStartedFunc = ready.Done
		running.Go(func() {
			if err := server.ActivateAndServe(); err != nil {
				t.Errorf("DNS server on %s: %v", s.addr, err)
			}
		})
	}
	ready.Wait()
	s.stop = sync.OnceFunc(func() {
		for _, server := range servers {
			_ = server.Shutdown() // fails only for a server that does not run
		}
		running.Wait()
	})
}

// AddrPort returns where the server listens.
func (s *Server) AddrPort() netip.AddrPort { return s.addr }

// Addr returns the same as "address:port".
func (s *Server) Addr() string { return s.addr.String() }

// Close stops the server before the end of the test. When it returns, the port is closed and all
// handlers have returned. Close can be called more than once.
func (s *Server) Close() { s.stop() }

// FreeAddr returns an address of 127.0.0.1 with a port that is free for UDP and TCP, for a server
// in another process. Another program may use the port first. The system does not assign it to a
// client.
func FreeAddr(t testing.TB) netip.AddrPort {
	t.Helper()
	const (
		attempts = 100
		lowest   = 10_000
		highest  = 32_767 // Linux has 32768 and above for clients
	)
	for range attempts {
		addr := netip.AddrPortFrom(loopback, lowest+rand.N[uint16](highest-lowest+1))
		udp, tcp, err := Listen(addr.String())
		if err != nil {
			continue // it is in use
		}
		if err := errors.Join(udp.Close(), tcp.Close()); err != nil {
			t.Fatalf("find a free port: %v", err)
		}
		return addr
	}
	t.Fatalf("none of %d ports is free", attempts)
	return netip.AddrPort{}
}

// Listen opens UDP and TCP on one port of addr ("address:port"). If a port is free for only one of
// them, Listen tries another, unless the caller requested this port.
func Listen(addr string) (net.PacketConn, net.Listener, error) {
	const attempts = 20
	var tcpErr error
	for range attempts {
		udp, err := net.ListenPacket("udp", addr)
		if err != nil {
			return nil, nil, err
		}
		tcp, err := net.Listen("tcp", udp.LocalAddr().String())
		if err == nil {
			return udp, tcp, nil
		}
		udp.Close()
		tcpErr = err
		if !strings.HasSuffix(addr, ":0") {
			break
		}
	}
	return nil, nil, fmt.Errorf("no port for both UDP and TCP: %w", tcpErr)
}
