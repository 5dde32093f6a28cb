package skydns_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
)

// framed is a query as it is sent over TCP.
func framed(t testing.TB, q *dns.Msg) []byte {
	t.Helper()
	raw, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(raw))), raw...)
}

// TestSlowReader: a client that sends queries and does not read delays no other client.
func TestSlowReader(t *testing.T) {
	addr := serve(t, skydns.Options{Backend: twinZone()})
	slow, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	query := framed(t, dnstest.Query("many.ns.svc.cluster.local", dns.TypeA))
	written := make(chan struct{})
	go func() { // until the server, whose buffers are full, reads no more
		defer close(written)
		for range 20_000 {
			if _, err := slow.Write(query); err != nil {
				return
			}
		}
	}()
	for range 200 {
		for _, tcp := range []bool{false, true} {
			m := dnstest.Exchange(t, addr, dnstest.Query("web.ns.svc.cluster.local", dns.TypeA), tcp)
			if len(m.Answer) != 1 {
				t.Fatal(m)
			}
		}
	}
	_ = slow.Close()
	<-written
}

// TestIdleConnections: connections without queries remain open for some time. Other connections are
// served during that time.
func TestIdleConnections(t *testing.T) {
	addr := serve(t, skydns.Options{Backend: twinZone()})
	for range 500 {
		idle, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
	}
	for range 20 {
		if m := dnstest.Exchange(t, addr, dnstest.Query("web.ns.svc.cluster.local", dns.TypeA), true); len(m.Answer) != 1 {
			t.Fatal(m)
		}
	}
}

// TestQueriesInPieces: queries arrive in pieces of any size, and get complete replies.
func TestQueriesInPieces(t *testing.T) {
	conn, err := net.Dial("tcp", serve(t, skydns.Options{Backend: twinZone()}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var stream []byte
	const n = 40
	for i := range n {
		q := dnstest.Query("web.ns.svc.cluster.local", dns.TypeA)
		if i%3 == 0 {
			// Larger than the server's buffer.
			q.SetEdns0(4096, false)
			q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_PADDING{Padding: make([]byte, 3000)}}
		}
		q.Id = uint16(i)
		stream = append(stream, framed(t, q)...)
	}
	// An empty message is not a query, and gets no reply.
	stream = append(stream, 0, 0)
	stream = append(stream, framed(t, dnstest.Query("none.ns.svc.cluster.local", dns.TypeA))...)
	go func() {
		for size := 1; len(stream) > 0; size = size*7%1013 + 1 {
			size = min(size, len(stream))
			if _, err := conn.Write(stream[:size]); err != nil {
				return
			}
			stream = stream[size:]
		}
	}()
	r := bufio.NewReader(conn)
	for i := range n {
		if id := readID(t, r); id != uint16(i) {
			t.Fatalf("reply %d has the ID %d", i, id)
		}
	}
	readID(t, r)
}

// TestReplyBeforeTheNextQueryIsWhole: a reply does not wait for the rest of a partial query. It is
// not lost if the client sends no more.
func TestReplyBeforeTheNextQueryIsWhole(t *testing.T) {
	addr := serve(t, skydns.Options{Backend: twinZone()})
	for _, partial := range []int{1, 2, 20} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		query := framed(t, dnstest.Query("web.ns.svc.cluster.local", dns.TypeA))
		if _, err := conn.Write(append(query, query[:partial]...)); err != nil {
			t.Fatal(err)
		}
		readID(t, conn)
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("%d bytes of a query: got another reply", partial)
		}
		_ = conn.Close()
	}
}

// TestManyForwardsOnOneConnection: pending queries do not delay queries for the zone on the same
// connection. Queries above the limit get SERVFAIL at once.
func TestManyForwardsOnOneConnection(t *testing.T) {
	release := make(chan struct{})
	f := forwarderTo(t, func(w dns.ResponseWriter, q *dns.Msg) {
		<-release
		_ = w.WriteMsg(new(dns.Msg).SetReply(q))
	})
	const outside, limit = 300, 200
	conn, err := net.Dial("tcp", serve(t, skydns.Options{Backend: zone(), Forwarder: f, MaxForwards: limit}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var stream []byte
	for i := range outside {
		q := dnstest.Query("www.outside.example", dns.TypeA)
		if i%2 == 1 {
			q = dnstest.Query("9.9.9.9.in-addr.arpa", dns.TypePTR)
		}
		q.Id = uint16(i)
		stream = append(stream, framed(t, q)...)
	}
	inside := dnstest.Query("web.cluster.local", dns.TypeA)
	inside.Id = outside
	if _, err := conn.Write(append(stream, framed(t, inside)...)); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for i := limit; i <= outside; i++ {
		if id := readID(t, r); id != uint16(i) {
			t.Fatalf("got the reply to query %d, want %d", id, i)
		}
	}
	close(release)
	for range limit {
		readID(t, r)
	}
}

// TestPendingQueriesKeepTheirBytes: a pending query does not change while the connection reads
// other queries.
func TestPendingQueriesKeepTheirBytes(t *testing.T) {
	const outside = 200
	read := make(chan struct{}) // closed once the server has read all queries
	release := sync.OnceFunc(func() { close(read) })
	f := forwarderTo(t, func(w dns.ResponseWriter, q *dns.Msg) {
		<-read
		_ = w.WriteMsg(new(dns.Msg).SetReply(q))
	})
	conn, err := net.Dial("tcp", serve(t, skydns.Options{Backend: zone(), Forwarder: f}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	defer release()
	client := &dns.Conn{Conn: conn}
	for i := range outside + 1 {
		q := dnstest.Query(fmt.Sprintf("host%d.outside.example", i), dns.TypeA)
		if i == outside {
			q = dnstest.Query("web.cluster.local", dns.TypeA)
		}
		q.Id = uint16(i)
		if err := client.WriteMsg(q); err != nil {
			t.Fatal(err)
		}
	}
	for i := range outside + 1 {
		m, err := client.ReadMsg()
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if m.Id != outside {
				t.Fatalf("the first reply is to query %d, want %d", m.Id, outside)
			}
			release()
			continue
		}
		if want := fmt.Sprintf("host%d.outside.example.", m.Id); m.Question[0].Name != want {
			t.Errorf("the reply to query %d is about %s, want %s", m.Id, m.Question[0].Name, want)
		}
	}
}

// TestLargeQuery: a query that is too large is refused before it has arrived.
func TestLargeQuery(t *testing.T) {
	conn, err := net.Dial("tcp", serve(t, skydns.Options{Backend: twinZone()}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte{0x10, 0x01, 0}); err != nil { // 4097 bytes
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Error("got a reply, want the connection closed")
	}
}

func TestNegativeLimits(t *testing.T) {
	f := newForwarder(t, netip.AddrPort{})
	opts := skydns.Options{Domain: "cluster.local.", Backend: zone(), Forwarder: f, MaxTCPConns: -1}
	if _, err := skydns.New(opts); err == nil {
		t.Error("a negative limit was taken")
	}
}
