package skydns_test

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// Equal questions of many clients at the same time are sent upstream once. Each client gets a reply
// with its own ID.
func TestSameQuestionInFlight(t *testing.T) {
	var asked atomic.Int32
	first, release := make(chan struct{}), make(chan struct{})
	f := forwarderTo(t, func(w dns.ResponseWriter, q *dns.Msg) {
		if asked.Add(1) == 1 {
			close(first)
		}
		<-release
		_ = w.WriteMsg(new(dns.Msg).SetReply(q))
	})
	defer f.Close()
	raw := func(id uint16) []byte {
		q := dnstest.Query("www.outside.example", dns.TypeA)
		q.Id = id
		packed, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return packed
	}
	var askers, started sync.WaitGroup
	ask := func(id uint16) {
		started.Add(1)
		askers.Go(func() {
			started.Done()
			reply, err := forwardUDP(t.Context(), f, raw(id))
			m := new(dns.Msg)
			if err != nil || m.Unpack(reply) != nil || m.Id != id {
				t.Errorf("%d: %v, %v", id, m, err)
			}
		})
	}
	ask(1)
	<-first
	for id := range uint16(20) {
		ask(100 + id)
	}
	started.Wait()
	close(release)
	askers.Wait()
	// A query after the first reply was sent again.
	if n := asked.Load(); n > 20 {
		t.Errorf("asked %d times", n)
	}
}

// Sockets are reused, even after a server was down.
func TestSocketsAreUsedAgain(t *testing.T) {
	ports := map[string]bool{}
	var mu sync.Mutex
	handler := func(w dns.ResponseWriter, q *dns.Msg) {
		mu.Lock()
		ports[w.RemoteAddr().String()] = true
		mu.Unlock()
		_ = w.WriteMsg(new(dns.Msg).SetReply(q))
	}
	server := dnstest.NewServer(t, dns.HandlerFunc(handler))
	f := newForwarder(t, netip.AddrPort{})
	f.SetRoutes([]netip.AddrPort{server.AddrPort()}, nil)
	defer f.Close()
	ask := func(tcp bool) {
		t.Helper()
		raw, err := dnstest.Query("www.outside.example", dns.TypeA).Pack()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := forward(t.Context(), f, raw, tcp); err != nil {
			t.Fatal(err)
		}
	}
	for range 50 {
		ask(false)
		ask(true)
	}
	mu.Lock()
	if len(ports) > 10 {
		t.Errorf("%d sockets for 100 queries one after the other", len(ports))
	}
	mu.Unlock()
	server.Close()
	dnstest.NewServerAt(t, server.AddrPort(), dns.HandlerFunc(handler))
	ask(false)
	ask(true)
}

func BenchmarkForward(b *testing.B) {
	f := forwarderTo(b, rcode(dns.RcodeNameError))
	defer f.Close()
	raw, err := dnstest.Query("www.outside.example", dns.TypeA).Pack()
	if err != nil {
		b.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		before func()
	}{{"socket/again", func() {}}, {"socket/each", f.Close}} {
		b.Run(tt.name, func(b *testing.B) {
			for b.Loop() {
				tt.before()
				if _, err := forwardUDP(b.Context(), f, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
