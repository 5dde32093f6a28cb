package upstream

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// rcode replies with an rcode.
func rcode(code int) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetRcode(q, code)) }
}

// toAddrs returns a forwarder to servers at these addresses.
func toAddrs(t testing.TB, servers ...netip.AddrPort) *Forwarder {
	t.Helper()
	f := New(netip.AddrPort{})
	f.SetRoutes(servers, nil)
	t.Cleanup(f.Close)
	return f
}

// overTCP forwards a query with an ID over TCP and returns the rcode.
func overTCP(t testing.TB, f *Forwarder, id uint16, name string) int {
	t.Helper()
	q := new(dns.Msg).SetQuestion(name, dns.TypeA)
	q.Id = id
	reply, err := f.ForwardTCP(t.Context(), packed(t, q))
	if err != nil || binary.BigEndian.Uint16(reply) != id {
		t.Errorf("query %d: got %q, %v", id, reply, err)
		return -1
	}
	return int(reply[3] & 0xf)
}

// TestSilentServersOverTCP: several servers that accept a connection and do not reply cost time,
// not the reply, and only for the first query.
func TestSilentServersOverTCP(t *testing.T) {
	var servers []netip.AddrPort
	var accepted [3]atomic.Int32
	for i := range accepted {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var conns sync.WaitGroup
		conns.Go(func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				accepted[i].Add(1)
				defer func() { _ = conn.Close() }()
			}
		})
		t.Cleanup(func() {
			_ = ln.Close()
			conns.Wait()
		})
		servers = append(servers, ln.Addr().(*net.TCPAddr).AddrPort())
	}
	servers = append(servers, dnstest.NewServer(t, rcode(dns.RcodeNameError)).AddrPort())
	f := toAddrs(t, servers...)
	for id := range uint16(10) {
		if got := overTCP(t, f, id, fmt.Sprintf("q%d.outside.example.", id)); got != dns.RcodeNameError {
			t.Fatalf("query %d: got rcode %d", id, got)
		}
	}
	for i := range accepted {
		if n := accepted[i].Load(); n != 1 {
			t.Errorf("silent server %d got %d connections, want 1", i, n)
		}
	}
}

// TestRecoveryOverTCP: the recovery of a server is detected, even if all queries use TCP.
func TestRecoveryOverTCP(t *testing.T) {
	first := dnstest.FreeAddr(t)
	second := dnstest.NewServer(t, rcode(dns.RcodeNameError)).AddrPort()
	f := toAddrs(t, first, second)
	isUp := func() bool {
		for _, server := range f.Servers() {
			if server.Addr == first {
				return server.Up
			}
		}
		return false
	}
	overTCP(t, f, 1, "www.outside.example.")
	if isUp() {
		t.Fatal("a closed port is up")
	}
	dnstest.NewServerAt(t, first, rcode(dns.RcodeSuccess))
	f.health.mu.Lock()
	f.health.servers[first].asked = time.Now().Add(-probeEvery)
	f.health.mu.Unlock()
	overTCP(t, f, 2, "www.outside.example.")
	for end := time.Now().Add(20 * time.Second); !isUp(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the server that recovered is down")
		}
	}
	if got := overTCP(t, f, 3, "www.outside.example."); got != dns.RcodeSuccess {
		t.Errorf("got rcode %d, want the reply of the first server", got)
	}
}

// TestOtherRepliesOverTCP: a reply to another question, or an error without one, moves the query to
// the next server.
func TestOtherRepliesOverTCP(t *testing.T) {
	for name, change := range map[string]func(m *dns.Msg){
		"another ID":     func(m *dns.Msg) { m.Id++ },
		"another name":   func(m *dns.Msg) { m.Question[0].Name = "other.example." },
		"another type":   func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeTXT },
		"another opcode": func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify },
		"a query":        func(m *dns.Msg) { m.Response = false },
		"bare NOERROR":   func(m *dns.Msg) { m.Question = nil },
		"bare NXDOMAIN":  func(m *dns.Msg) { m.Question, m.Rcode = nil, dns.RcodeNameError },
		"bare REFUSED":   func(m *dns.Msg) { m.Question, m.Rcode = nil, dns.RcodeRefused },
	} {
		other := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetReply(q)
			change(m)
			_ = w.WriteMsg(m)
		}))
		f := toAddrs(t, other.AddrPort(), dnstest.NewServer(t, rcode(dns.RcodeNameError)).AddrPort())
		if got := overTCP(t, f, 7, "www.outside.example."); got != dns.RcodeNameError {
			t.Errorf("%s: got rcode %d, want the reply of the second server", name, got)
		}
	}
}

// TestEqualQueriesOverTCP: equal queries are sent once while they are pending, and each gets the
// reply with its own ID.
func TestEqualQueriesOverTCP(t *testing.T) {
	var asked atomic.Int32
	first, release := make(chan struct{}), make(chan struct{})
	f := toAddrs(t, dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if asked.Add(1) == 1 {
			close(first)
		}
		<-release
		_ = w.WriteMsg(new(dns.Msg).SetReply(q))
	})).AddrPort())
	var queries, started sync.WaitGroup
	const n = 20
	for id := range uint16(n) {
		started.Add(1)
		queries.Go(func() {
			started.Done()
			overTCP(t, f, id, "www.outside.example.")
		})
		if id == 0 {
			<-first
		}
	}
	started.Wait()
	close(release)
	queries.Wait()
	// Queries after the first reply are sent again.
	if got := asked.Load(); got >= n {
		t.Errorf("sent %d of %d equal queries", got, n)
	}
}

// TestIdleSocketsClose: an idle UDP socket closes in time.
func TestIdleSocketsClose(t *testing.T) {
	m := newMute(t)
	f := to(t, m)
	end := send(t, f, 1, "www.outside.example.")
	r := m.next()
	m.reply(r)
	wait(t, end)
	f.udp.mu.Lock()
	for l := range f.udp.links.open {
		l.made = l.made.Add(-maxLinkAge)
	}
	f.udp.mu.Unlock()
	for stop := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		// The port is free once the socket is closed.
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(r.from))
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(stop) {
			t.Fatal("the socket is open")
		}
	}
}
