package skydns_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// A mute is an upstream that replies only when the test does.
type mute struct {
	*net.UDPConn
	t testing.TB
}

type asked struct {
	query []byte
	from  netip.AddrPort
}

func newMute(t testing.TB) mute {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetReadBuffer(4 << 20)
	return mute{conn, t}
}

func (m mute) addr() netip.AddrPort { return m.LocalAddr().(*net.UDPAddr).AddrPort() }

func (m mute) next() asked {
	m.t.Helper()
	_ = m.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 4096)
	n, from, err := m.ReadFromUDPAddrPort(buf)
	if err != nil {
		m.t.Fatal("no query: ", err)
	}
	return asked{buf[:n], from}
}

func (m mute) say(reply []byte, to netip.AddrPort) {
	m.t.Helper()
	if _, err := m.WriteToUDPAddrPort(reply, to); err != nil {
		m.t.Fatal(err)
	}
}

// reply is a reply to a query as it came.
func reply(query []byte, rcode byte) []byte {
	r := bytes.Clone(query)
	r[2] |= 0x80
	r[3] = r[3]&0xf0 | rcode
	return r
}

// A client is a connected socket.
type client struct {
	net.Conn
	t testing.TB
}

func newClient(t testing.TB, server string) client {
	t.Helper()
	conn, err := net.Dial("udp", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.(*net.UDPConn).SetReadBuffer(4 << 20)
	return client{conn, t}
}

func (c client) ask(id uint16, name string) []byte {
	c.t.Helper()
	q := dnstest.Query(name, dns.TypeA)
	q.Id = id
	raw, err := q.Pack()
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.Write(raw); err != nil {
		c.t.Fatal(err)
	}
	return raw
}

func (c client) next() []byte {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 65535)
	n, err := c.Read(buf)
	if err != nil {
		c.t.Fatal("no reply: ", err)
	}
	return buf[:n]
}

// forwarding runs a server with these upstreams.
func forwarding(t testing.TB, opts skydns.Options, upstreams ...mute) (*upstream.Forwarder, string) {
	t.Helper()
	var addrs []netip.AddrPort
	for _, u := range upstreams {
		addrs = append(addrs, u.addr())
	}
	opts.Forwarder = newForwarder(t, netip.AddrPort{})
	opts.Forwarder.SetRoutes(addrs, nil)
	if opts.Backend == nil {
		opts.Backend = zone()
	}
	return opts.Forwarder, serve(t, opts)
}

// The reply of an upstream is passed on unchanged.
func TestRepliesAreNotTouched(t *testing.T) {
	up := newMute(t)
	_, addr := forwarding(t, skydns.Options{}, up)
	c := newClient(t, addr)
	for name, change := range map[string]func([]byte) []byte{
		"plain":           func(r []byte) []byte { return r },
		"truncated":       func(r []byte) []byte { r[2] |= 2; return r },
		"reserved bit":    func(r []byte) []byte { r[3] |= 0x40; return r },
		"letter case":     func(r []byte) []byte { return bytes.Replace(r, []byte("WwW"), []byte("wWw"), 1) },
		"bytes behind it": func(r []byte) []byte { return append(r, "behind"...) },
	} {
		c.ask(77, "WwW.outside.example")
		q := up.next()
		if !bytes.Contains(q.query, []byte("WwW")) {
			t.Errorf("%s: the query was changed: %q", name, q.query)
		}
		want := change(reply(q.query, dns.RcodeSuccess))
		up.say(want, q.from)
		binary.BigEndian.PutUint16(want, 77)
		if got := c.next(); !bytes.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// A packet that is not the reply to the query, on the socket that it was sent from, is ignored.
func TestOtherPacketsAreNotTaken(t *testing.T) {
	up, stranger := newMute(t), newMute(t)
	_, addr := forwarding(t, skydns.Options{}, up)
	c := newClient(t, addr)
	c.ask(1, "www.outside.example")
	q := up.next()
	forge := func(change func([]byte)) []byte {
		r := reply(q.query, dns.RcodeNameError)
		change(r)
		return r
	}
	for id := range 16 { // every ID that is one bit away
		up.say(forge(func(r []byte) { r[id/8] ^= 1 << (id % 8) }), q.from)
	}
	up.say(forge(func(r []byte) { r[2] &^= 0x80 }), q.from)
	up.say(forge(func(r []byte) { r[headerSize+1] = 'x' }), q.from)
	up.say(forge(func(r []byte) { r[len(r)-3]++ }), q.from)
	up.say(forge(func([]byte) {})[:headerSize+3], q.from)
	up.say(q.query[:5], q.from)
	up.say(nil, q.from)
	stranger.say(forge(func([]byte) {}), q.from)
	up.say(reply(q.query, dns.RcodeSuccess), q.from)
	if got := c.next(); got[3]&0xf != dns.RcodeSuccess {
		t.Errorf("a forged reply was taken: %q", got)
	}
	// The reply was accepted: another reply to the same query is ignored.
	up.say(reply(q.query, dns.RcodeNameError), q.from)
	c.ask(2, "again.outside.example")
	q = up.next()
	up.say(reply(q.query, dns.RcodeSuccess), q.from)
	if got := c.next(); binary.BigEndian.Uint16(got) != 2 {
		t.Errorf("got %q", got)
	}
}

// While a server is silent the next one is also queried. The first reply counts, from any of them.
// If all are silent, the client gets SERVFAIL.
func TestSilentServers(t *testing.T) {
	silent, second := newMute(t), newMute(t)
	_, addr := forwarding(t, skydns.Options{}, silent, second)
	c := newClient(t, addr)
	c.ask(1, "www.outside.example")
	first := silent.next()
	q := second.next()
	if bytes.Equal(first.query[:2], q.query[:2]) && first.from == q.from {
		t.Error("both tries look the same from outside")
	}
	silent.say(reply(first.query, dns.RcodeNameError), first.from)
	if got := c.next(); got[3]&0xf != dns.RcodeNameError {
		t.Errorf("got %q", got)
	}
	second.say(reply(q.query, dns.RcodeSuccess), q.from)
	c.ask(2, "none.outside.example")
	if got := c.next(); binary.BigEndian.Uint16(got) != 2 || got[3]&0xf != dns.RcodeServerFailure {
		t.Errorf("got %q", got)
	}
}

// A closed port is detected at once, by all queries that wait for it.
func TestServerThatGoes(t *testing.T) {
	gone, second := newMute(t), newMute(t)
	_, addr := forwarding(t, skydns.Options{}, gone, second)
	c := newClient(t, addr)
	const n = 40
	for i := range uint16(n) {
		c.ask(i, fmt.Sprintf("q%d.outside.example", i))
		gone.next()
	}
	_ = gone.Close()
	c.ask(n, "last.outside.example") // on the same socket: the kernel reports the error
	for range n + 1 {
		q := second.next()
		second.say(reply(q.query, dns.RcodeSuccess), q.from)
		if got := c.next(); got[3]&0xf != dns.RcodeSuccess {
			t.Fatalf("got %q", got)
		}
	}
}

// Servers see our own IDs, not the clients'. All are different.
func TestIDsAreOurs(t *testing.T) {
	up := newMute(t)
	_, addr := forwarding(t, skydns.Options{}, up)
	type sight struct {
		port, id uint16
	}
	seen := map[sight]bool{}
	same := 0
	const n = 200
	for i := range uint16(n) {
		newClient(t, addr).ask(i, fmt.Sprintf("q%d.outside.example", i))
		q := up.next()
		s := sight{q.from.Port(), binary.BigEndian.Uint16(q.query)}
		if seen[s] {
			t.Error("an ID twice on one socket")
		}
		seen[s] = true
		if s.id == i {
			same++
		}
	}
	if same > n/10 {
		t.Errorf("%d of %d queries went out with the client's ID", same, n)
	}
}

// panicky is a log that fails.
type panicky struct{ slog.Handler }

func (panicky) Enabled(context.Context, slog.Level) bool { return true }
func (panicky) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelDebug {
		panic("a bug")
	}
	return nil
}

// A panic while a reply is passed on costs one SERVFAIL.
func TestPanicOnTheWayBack(t *testing.T) {
	gone := newMute(t)
	reg := prometheus.NewRegistry()
	_, addr := forwarding(t, skydns.Options{Logger: slog.New(panicky{slog.DiscardHandler}), Registerer: reg}, gone)
	_ = gone.Close()
	c := newClient(t, addr)
	for id := range uint16(3) {
		c.ask(id, "www.outside.example")
		if got := c.next(); binary.BigEndian.Uint16(got) != id || got[3]&0xf != dns.RcodeServerFailure {
			t.Errorf("got %q", got)
		}
	}
	if n := value(t, reg, "kubedns_dns_panics_total"); n != 3 {
		t.Errorf("%v panics counted", n)
	}
}
