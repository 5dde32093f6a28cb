package sockets

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// A pipeListener accepts unbuffered connections, from any address.
type pipeListener struct {
	conns chan net.Conn
	close func()
}

func newPipeListener() pipeListener {
	conns := make(chan net.Conn)
	return pipeListener{conns, sync.OnceFunc(func() { close(conns) })}
}

func (l pipeListener) Accept() (net.Conn, error) {
	if conn, ok := <-l.conns; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}

func (l pipeListener) Close() error { l.close(); return nil }

func (l pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// connect returns the client's end of a connection.
func (l pipeListener) connect(from string) *dns.Conn {
	client, server := net.Pipe()
	l.conns <- pipeEnd{server, netip.MustParseAddr(from)}
	return &dns.Conn{Conn: client}
}

// A pipeEnd is the server's end of a connection.
type pipeEnd struct {
	net.Conn
	from netip.Addr
}

func (p pipeEnd) LocalAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(169, 254, 20, 10), Port: 53}
}

func (p pipeEnd) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.from, 4242))
}

// serve answers the queries of sockets with size bytes, until the returned function is called.
func serve(t *testing.T, tcp net.Listener, udp net.PacketConn, size int) (*Metrics, func()) {
	t.Helper()
	cfg := &dnsserver.Config{Zone: ".", Transport: "dns"}
	cfg.AddPlugin(func(plugin.Handler) plugin.Handler {
		return plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, q *dns.Msg) (int, error) {
			m := new(dns.Msg).SetReply(q)
			for range size / 255 {
				h := dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}
				m.Answer = append(m.Answer, &dns.TXT{Hdr: h, Txt: []string{strings.Repeat("x", 240)}})
			}
			return dns.RcodeSuccess, w.WriteMsg(m)
		})
	})
	server, err := dnsserver.NewServer("dns://127.0.0.1:53", []*dnsserver.Config{cfg})
	if err != nil {
		t.Fatal(err)
	}
	metrics := NewMetrics(prometheus.NewRegistry())
	s := &socket{listener: tcp, packets: udp, limits: newLimits(metrics)}
	s.use(new(Generation), server)
	s.start()
	return metrics, func() { s.stop(t.Context()) }
}

// A pipePackets is a UDP socket. Each reply waits until the client takes it.
type pipePackets struct {
	net.Conn
	replies chan []byte
}

func newPipePackets() (socket pipePackets, client net.Conn) {
	client, server := net.Pipe()
	return pipePackets{pipeEnd{server, netip.MustParseAddr("10.0.0.1")}, make(chan []byte)}, client
}

func (c pipePackets) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := c.Read(p)
	return n, c.RemoteAddr(), err
}

func (c pipePackets) WriteTo(p []byte, _ net.Addr) (int, error) {
	c.replies <- p
	return len(p), nil
}

func valueOf(metric prometheus.Metric) float64 {
	m := new(dto.Metric)
	_ = metric.Write(m) // never fails
	return m.GetGauge().GetValue() + m.GetCounter().GetValue()
}

// closed reports whether the server has closed a connection without a byte.
func closed(conn net.Conn) bool {
	_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
	n, err := conn.Read(make([]byte, 1))
	return n == 0 && errors.Is(err, io.EOF)
}

// An end is a connection with these addresses.
type end struct{ local, remote net.Addr }

func (e end) LocalAddr() net.Addr  { return e.local }
func (e end) RemoteAddr() net.Addr { return e.remote }

func TestClient(t *testing.T) {
	for remote, want := range map[string]string{
		"10.0.0.1":             "10.0.0.1",
		"::ffff:10.0.0.1":      "10.0.0.1",
		"2001:db8::1":          "2001:db8::1",
		"169.254.20.10":        "invalid IP",
		"::ffff:169.254.20.10": "invalid IP",
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

// TestConnections: a client can have an eighth of the connections, and the node itself all of them.
// Further connections are closed at once.
func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		udp, _ := newPipePackets()
		metrics, stop := serve(t, l, udp, 0)
		var open []net.Conn
		connect := func(from string, n int) {
			for range n {
				open = append(open, l.connect(from))
			}
		}
		for i := range 6 {
			client := fmt.Sprintf("2001:db8::%d", i) // pods of one network
			connect(client, maxConns/8)
			if !closed(l.connect(client)) {
				t.Errorf("%s has more than an eighth", client)
			}
		}
		connect("169.254.20.10", maxConns/8)
		connect("127.0.0.1", maxConns/8)
		for _, from := range []string{"127.0.0.1", "10.0.0.1"} {
			if !closed(l.connect(from)) {
				t.Errorf("%s has a connection above the whole", from)
			}
		}
		synctest.Wait()
		if n, refused := valueOf(metrics.conns), valueOf(metrics.connsRefused); n != maxConns || refused != 8 {
			t.Errorf("%v connections are open and %v refused, want %d and 8", n, refused, maxConns)
		}
		_ = open[0].Close()
		synctest.Wait()
		conn := l.connect("10.0.0.1")
		if err := conn.WriteMsg(dnstest.Query("name.example.", dns.TypeTXT)); err != nil {
			t.Error(err)
		}
		if _, err := conn.ReadMsg(); err != nil {
			t.Errorf("after a connection has ended: %v", err)
		}
		for _, conn := range append(open, conn) {
			_ = conn.Close()
		}
		synctest.Wait()
		if n := valueOf(metrics.conns); n != 0 {
			t.Errorf("%v connections are open at the end", n)
		}
		stop()
	})
}

// TestSlowReaders: a client that does not read a reply in time loses its connection.
func TestSlowReaders(t *testing.T) {
	for name, step := range map[string]int64{"never": 0, "slowly": 1000} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newPipeListener()
				udp, _ := newPipePackets()
				metrics, stop := serve(t, l, udp, 60_000)
				conn := l.connect("10.0.0.1")
				if err := conn.WriteMsg(dnstest.Query("name.example.", dns.TypeTXT)); err != nil {
					t.Fatal(err)
				}
				for range 40 {
					time.Sleep(sendTimeout / 20)
					_, _ = io.CopyN(io.Discard, conn.Conn, step)
				}
				if n := valueOf(metrics.conns); n != 0 {
					t.Errorf("%v connections are open", n)
				}
				_ = conn.Close()
				stop()
			})
		})
	}
}

// TestUnreadReplies: replies that a client does not read use at most its part of the bytes.
func TestUnreadReplies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		udp, _ := newPipePackets()
		metrics, stop := serve(t, l, udp, 60_000)
		var open []net.Conn
		for range maxConns / 8 {
			conn := l.connect("10.0.0.1")
			if err := conn.WriteMsg(dnstest.Query("name.example.", dns.TypeTXT)); err != nil {
				t.Fatal(err)
			}
			open = append(open, conn)
		}
		synctest.Wait()
		if n := valueOf(metrics.conns); n == 0 || n*60_000 > maxReplyBytes/8 {
			t.Errorf("%v replies of 60,000 bytes are being sent", n)
		}
		conn := l.connect("10.0.0.2")
		if err := conn.WriteMsg(dnstest.Query("name.example.", dns.TypeTXT)); err != nil {
			t.Error(err)
		}
		if _, err := conn.ReadMsg(); err != nil {
			t.Errorf("another client: %v", err)
		}
		for _, conn := range append(open, conn) {
			_ = conn.Close()
		}
		stop()
	})
}

// TestLargeQuery: a query above the maximum size closes the connection before the server has read
// it.
func TestLargeQuery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipeListener()
		udp, _ := newPipePackets()
		_, stop := serve(t, l, udp, 0)
		conn := l.connect("10.0.0.1")
		if _, err := conn.Conn.Write(binary.BigEndian.AppendUint16(nil, maxTCPQuery+1)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if !closed(conn) || time.Since(start) > 0 {
			t.Error("the server waits for the query")
		}
		stop()
	})
}

// TestFullSendBuffer: UDP replies that wait for the socket are limited, including replies to
// unreadable queries.
func TestFullSendBuffer(t *testing.T) {
	for name, counts := range map[string]string{"query": "\x00\x01", "no question": "\x00\x00"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				udp, client := newPipePackets()
				metrics, stop := serve(t, newPipeListener(), udp, 0)
				send := func() {
					query := "\x00\x07\x01\x00" + counts + "\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x10\x00\x01"
					if _, err := client.Write([]byte(query)); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				for range maxSending + 10 {
					send()
				}
				if n := valueOf(metrics.dropped); n != 10 {
					t.Errorf("%v replies are dropped, want 10", n)
				}
				for range maxSending {
					<-udp.replies
				}
				synctest.Wait() // until their room is free
				send()
				<-udp.replies
				stop()
			})
		})
	}
}
