package skydns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/internal/shares"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// A pipeListener accepts connections that buffer nothing, from any address.
type pipeListener chan net.Conn

func (l pipeListener) Accept() (net.Conn, error) {
	if conn, ok := <-l; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l pipeListener) Close() error { close(l); return nil }

func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// connect returns the client's end of a connection. A patient server has no timeout
// for writing.
func (l pipeListener) connect(from string, patient bool) net.Conn {
	client, server := net.Pipe()
	l <- pipeEnd{server, netip.MustParseAddr(from), patient}
	return client
}

// A pipeEnd is the server's end of a connection.
type pipeEnd struct {
	net.Conn
	from    netip.Addr
	patient bool
}

func (p pipeEnd) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.from, 4242))
}

func (p pipeEnd) SetWriteDeadline(until time.Time) error {
	if p.patient {
		return nil
	}
	return p.Conn.SetWriteDeadline(until)
}

// servePipes runs the TCP part of a server that forwards to up. The returned function
// stops it and waits for its connections.
func servePipes(t *testing.T, up netip.AddrPort) (*Server, pipeListener, func()) {
	t.Helper()
	f := upstream.New(netip.AddrPort{})
	f.SetRoutes([]netip.AddrPort{up}, nil)
	s, err := New(Options{Domain: "cluster.local.", Backend: oneName{1}, Forwarder: f})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	l, stopped := make(pipeListener), make(chan error, 1)
	go func() { stopped <- s.tcp.serve(ctx, l) }()
	return s, l, func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		f.Close()
	}
}

// largeReply replies with about 60 KB.
func largeReply(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	for range 200 {
		h := header(q.Question[0].Name, dns.TypeTXT, 30)
		m.Answer = append(m.Answer, &dns.TXT{Hdr: h, Txt: []string{strings.Repeat("x", 255)}})
	}
	return m
}

func sendLargeReply(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(largeReply(q)) }

// outsideQuery returns the i-th of the queries that are forwarded, all of one size.
func outsideQuery(i int) *dns.Msg {
	return dnstest.Query(fmt.Sprintf("q%06d.outside.example", i), dns.TypeTXT)
}

// write sends a query and reports whether the connection took it.
func write(conn net.Conn, q *dns.Msg) bool {
	return (&dns.Conn{Conn: conn}).WriteMsg(q) == nil
}

// holds waits until the replies being sent have want bytes.
func holds(t *testing.T, s *Server, want int) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); s.tcp.replies.Taken() != want; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("replies of %d bytes are being sent, want %d", s.tcp.replies.Taken(), want)
		}
	}
}

// TestUnreadForwardedReplies: clients that forward queries over TCP and do not read fill the
// server's limits, per client and in total. One more reply closes its connection. Other clients are
// still served.
func TestUnreadForwardedReplies(t *testing.T) {
	s, l, stop := servePipes(t, dnstest.NewServer(t, dns.HandlerFunc(sendLargeReply)).AddrPort())
	defer stop()
	size, n := len(packed(t, largeReply(outsideQuery(0)))), 0
	var hogs []net.Conn
	defer func() {
		for _, conn := range hogs {
			_ = conn.Close()
		}
	}()
	ask := func(from string) net.Conn {
		conn := l.connect(from, true)
		hogs = append(hogs, conn)
		if n++; !write(conn, outsideQuery(n)) {
			t.Fatalf("%s: the server does not read", from)
		}
		return conn
	}
	refused := func(from string) {
		t.Helper()
		if got, err := io.Copy(io.Discard, ask(from)); got != 0 || err != nil {
			t.Errorf("%s: got %d bytes (%v), want the connection closed", from, got, err)
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	each, held := maxReplyBytes/8/size, 0
	for i := range 7 {
		client := fmt.Sprintf("2001:db8::%d", i+1)
		for range each {
			ask(client)
		}
		held += each
		holds(t, s, held*size)
		refused(client)
	}
	for ; (held+1)*size <= maxReplyBytes; held++ {
		ask("127.0.0.1") // has no bound of its own
	}
	holds(t, s, held*size)
	refused("127.0.0.1")
	refused("10.0.0.1")
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2*maxReplyBytes {
		t.Errorf("%d bytes of replies take %d bytes of memory", held*size, grown)
	}
	small := l.connect("10.0.0.2", true)
	defer func() { _ = small.Close() }()
	write(small, dnstest.Query("web.cluster.local", dns.TypeA))
	if m, err := (&dns.Conn{Conn: small}).ReadMsg(); err != nil || len(m.Answer) != 1 {
		t.Errorf("a name of the zone: got %v (%v), want its address", m, err)
	}
	_ = hogs[0].Close()
	holds(t, s, (held-1)*size)
	conn := &dns.Conn{Conn: ask("10.0.0.1")}
	if m, err := conn.ReadMsg(); err != nil || len(m.Answer) != 200 {
		t.Errorf("after a connection has ended: %v, want the reply", err)
	}
}

// TestUnreadPipeline: unread replies on one connection are limited to the client's part. Then the
// connection closes and holds nothing.
func TestUnreadPipeline(t *testing.T) {
	s, l, stop := servePipes(t, dnstest.NewServer(t, dns.HandlerFunc(sendLargeReply)).AddrPort())
	defer stop()
	conn := l.connect("10.0.0.1", true)
	defer func() { _ = conn.Close() }()
	fit := maxReplyBytes / 8 / len(packed(t, largeReply(outsideQuery(0))))
	var stream []byte
	for i := range fit + 1 {
		query := packed(t, outsideQuery(i))
		stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(query))), query...)
	}
	if len(stream) > connBuffer {
		t.Fatalf("the server does not read %d bytes at a time", len(stream))
	}
	if _, err := conn.Write(stream); err != nil {
		t.Fatal(err)
	}
	for more := fit + 1; write(conn, outsideQuery(more)); more++ {
		if held := s.tcp.replies.Taken(); more == 10_000 || held > maxReplyBytes/8 {
			t.Fatalf("after %d queries the connection is open and holds %d bytes", more, held)
		}
	}
	holds(t, s, 0)
}

// TestFailedConnectionEnds: a connection that failed while the server did not read is closed at
// once, without waiting for the next query.
func TestFailedConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer func() { _ = client.Close() }()
		c := newTCPConn(server, netip.MustParseAddr("10.0.0.1"), shares.New(1, 1))
		c.send([]byte("more than it may hold"), true)
		if _, err := c.next(t.Context(), idleTimeout); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want %v", err, net.ErrClosed)
		}
	})
}

// TestSlowReadersOfForwardedReplies: a client that does not read a reply in time loses its
// connection and releases its bytes.
func TestSlowReadersOfForwardedReplies(t *testing.T) {
	up := dnstest.NewServer(t, dns.HandlerFunc(sendLargeReply)).AddrPort() // outside the bubble
	size := len(packed(t, largeReply(outsideQuery(0))))
	for name, step := range map[string]int64{"never": 0, "slowly": 1000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, l, stop := servePipes(t, up)
				defer stop()
				for i := range 3 {
					conn := l.connect("10.0.0.1", false)
					write(conn, outsideQuery(i))
					got := int64(0)
					for range 100 {
						time.Sleep(sendTimeout / 20)
						n, _ := io.CopyN(io.Discard, conn, step)
						got += n
					}
					n, err := io.Copy(io.Discard, conn)
					if got += n; err != nil || got >= int64(size) {
						t.Errorf("got %d of %d bytes (%v), want the connection closed", got, size, err)
					}
					_ = conn.Close()
				}
				synctest.Wait()
				if held := s.tcp.replies.Taken(); held != 0 {
					t.Errorf("%d bytes are held", held)
				}
			})
		})
	}
}
