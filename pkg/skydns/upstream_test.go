package skydns_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// Several silent servers before a good one cost time, not the reply, and only for the first
// queries: afterwards the good one is queried first.
func TestSilentServersAreRemembered(t *testing.T) {
	var silent []mute
	for range 3 {
		silent = append(silent, newMute(t))
	}
	good := newMute(t)
	_, addr := forwarding(t, skydns.Options{}, append(silent, good)...)
	c := newClient(t, addr)
	go func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := good.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = good.WriteToUDPAddrPort(reply(buf[:n], dns.RcodeSuccess), from)
		}
	}()
	const n = 30
	for id := range uint16(n) {
		c.ask(id, fmt.Sprintf("q%d.outside.example", id))
		if got := c.next(); got[3]&0xf != dns.RcodeSuccess {
			t.Fatalf("query %d: %q", id, got)
		}
	}
	for i, s := range silent {
		if got := drain(t, s); got < 1 || got > n/3 {
			t.Errorf("silent server %d got %d of %d queries", i, got, n)
		}
	}
}

// drain counts the packets that a server has received.
func drain(t *testing.T, m mute) (n int) {
	t.Helper()
	raw, err := m.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	if err := raw.Control(func(fd uintptr) {
		for {
			if _, _, err := unix.Recvfrom(int(fd), buf, unix.MSG_DONTWAIT); err != nil {
				return
			}
			n++
		}
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// A server that recovers is queried first again, even if other servers are good.
func TestRecoveredServerIsAskedAgain(t *testing.T) {
	first, second := newMute(t), newMute(t)
	var down atomic.Bool
	down.Store(true)
	var answered [2]atomic.Int32
	for i, m := range []mute{first, second} {
		go func() {
			buf := make([]byte, 4096)
			for {
				n, from, err := m.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				if i == 0 && down.Load() {
					continue
				}
				answered[i].Add(1)
				_, _ = m.WriteToUDPAddrPort(reply(buf[:n], dns.RcodeSuccess), from)
			}
		}()
	}
	_, addr := forwarding(t, skydns.Options{}, first, second)
	c := newClient(t, addr)
	id := uint16(0)
	ask := func() {
		id++
		c.ask(id, fmt.Sprintf("q%d.outside.example", id))
		c.next()
	}
	for range 10 {
		ask()
	}
	if answered[1].Load() == 0 {
		t.Fatal("the second server was not asked")
	}
	down.Store(false)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		before := answered[1].Load()
		ask()
		if answered[0].Load() > 3 && answered[1].Load() == before {
			return
		}
	}
	t.Error("the first server was not asked again")
}

// A late reply counts as long as the client's query is pending.
func TestLateReply(t *testing.T) {
	up := newMute(t)
	_, addr := forwarding(t, skydns.Options{}, up)
	c := newClient(t, addr)
	c.ask(1, "www.outside.example")
	q := up.next()
	up.next() // sent again
	up.say(reply(q.query, dns.RcodeNameError), q.from)
	if got := c.next(); got[3]&0xf != dns.RcodeNameError {
		t.Errorf("got %q", got)
	}
}

// A query that joins an equal one has its own deadline: the servers are queried again for it after
// the first one is over.
func TestLateJoiner(t *testing.T) {
	up := newMute(t)
	_, addr := forwarding(t, skydns.Options{}, up)
	early, late := newClient(t, addr), newClient(t, addr)
	early.ask(7, "www.outside.example")
	up.next()
	up.next()
	time.Sleep(2 * time.Second)
	late.ask(8, "www.outside.example")
	q := up.next() // queried again for it
	if got := early.next(); got[3]&0xf != dns.RcodeServerFailure {
		t.Errorf("got %q", got)
	}
	up.say(reply(q.query, dns.RcodeSuccess), q.from)
	if got := late.next(); got[1] != 8 || got[3]&0xf != dns.RcodeSuccess {
		t.Errorf("got %q", got)
	}
}

// An error without a question moves the query to the next server; NXDOMAIN without one is ignored.
// The reply may still arrive.
func TestForgedErrors(t *testing.T) {
	up, second := newMute(t), newMute(t)
	_, addr := forwarding(t, skydns.Options{}, up, second)
	c := newClient(t, addr)
	c.ask(1, "www.outside.example")
	q := up.next()
	bare := func(rcode byte) []byte {
		r := reply(q.query, rcode)[:headerSize]
		clear(r[4:])
		return r
	}
	up.say(bare(dns.RcodeNameError), q.from)
	up.say(bare(dns.RcodeRefused), q.from)
	second.next()
	up.say(reply(q.query, dns.RcodeSuccess), q.from)
	if got := c.next(); got[3]&0xf != dns.RcodeSuccess {
		t.Errorf("got %q", got)
	}
}

// Equal look-ups of clients, for the target of one alias, are sent once.
func TestEqualLookupsAreJoined(t *testing.T) {
	var asked atomic.Int32
	release := make(chan struct{})
	f := forwarderTo(t, func(w dns.ResponseWriter, q *dns.Msg) {
		asked.Add(1)
		<-release
		_ = w.WriteMsg(new(dns.Msg).SetReply(q))
	})
	defer f.Close()
	var lookups sync.WaitGroup
	const equal = 50
	for range equal {
		lookups.Go(func() {
			if _, err := f.Lookup(t.Context(), "www.outside.example.", dns.TypeA); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(200 * time.Millisecond)
	n := asked.Load() // a busy machine joins the rest later
	close(release)
	lookups.Wait()
	if n > equal/2 {
		t.Errorf("asked %d times for %d look-ups", n, equal)
	}
}

// A stub server given by name needs no running server.
func TestLookupWithNamedStub(t *testing.T) {
	f := forwarderTo(t, rcode(dns.RcodeNameError))
	defer f.Close()
	f.SetRoutes(nil, map[string][]upstream.StubServer{"stub.example": {{Host: "ns.stub.example"}}})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if m, err := f.Lookup(ctx, "www.stub.example.", dns.TypeA); err == nil {
		t.Errorf("got %v", m)
	}
}

// A closed port sends the query to the next server, over both transports.
func TestClosedPort(t *testing.T) {
	closed := newMute(t)
	_ = closed.Close()
	good := dnstest.NewServer(t, rcode(dns.RcodeNameError))
	f := newForwarder(t, netip.AddrPort{})
	defer f.Close()
	f.SetRoutes([]netip.AddrPort{closed.addr(), good.AddrPort()}, nil)
	raw, err := dnstest.Query("www.outside.example", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	for _, tcp := range []bool{false, true} {
		for range 3 {
			if r, err := forward(t.Context(), f, raw, tcp); err != nil || r[3]&0xf != dns.RcodeNameError {
				t.Errorf("tcp %v: %q, %v", tcp, r, err)
			}
		}
	}
}

// Idle connections and sockets to other servers close in time.
func TestIdleConnectionsClose(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	f := newForwarder(t, netip.AddrPort{})
	defer f.Close()
	f.SetRoutes([]netip.AddrPort{ln.Addr().(*net.TCPAddr).AddrPort()}, nil)
	ended := make(chan error, 1)
	go func() {
		conn, err := ln.Accept()
		if err != nil {
			ended <- err
			return
		}
		defer func() { _ = conn.Close() }()
		buf := make([]byte, 4096)
		n, _ := conn.Read(buf)
		r := reply(buf[2:n], dns.RcodeSuccess)
		_, _ = conn.Write(append([]byte{byte(len(r) >> 8), byte(len(r))}, r...))
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		_, err = conn.Read(buf)
		ended <- err
	}()
	raw, err := dnstest.Query("www.outside.example", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.ForwardTCP(t.Context(), raw); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("the connection ended with %v", err)
	}
}
