package upstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func packed(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	raw, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// A mute is a server that replies only when the test does.
type mute struct {
	*net.UDPConn
	t testing.TB
}

type received struct {
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

func (m mute) next() received {
	m.t.Helper()
	_ = m.SetReadDeadline(time.Now().Add(20 * time.Second))
	buf := make([]byte, 4096)
	n, from, err := m.ReadFromUDPAddrPort(buf)
	if err != nil {
		m.t.Fatal("no query: ", err)
	}
	return received{buf[:n], from}
}

// reply sends a query back as an NXDOMAIN.
func (m mute) reply(r received) {
	m.t.Helper()
	reply := bytes.Clone(r.query)
	reply[2] |= 0x80
	reply[3] = dns.RcodeNameError
	if _, err := m.WriteToUDPAddrPort(reply, r.from); err != nil {
		m.t.Fatal(err)
	}
}

// to returns a forwarder to these servers.
func to(t testing.TB, servers ...mute) *Forwarder {
	t.Helper()
	f := New(netip.AddrPort{})
	var addrs []netip.AddrPort
	for _, m := range servers {
		addrs = append(addrs, m.addr())
	}
	f.SetRoutes(addrs, nil)
	t.Cleanup(f.Close)
	return f
}

// A result is the result of a query.
type result struct {
	reply []byte
	err   error
}

// send sends a query with an ID for a name through f. Its result is sent on the channel.
func send(t testing.TB, f *Forwarder, id uint16, name string) <-chan result {
	t.Helper()
	q := new(dns.Msg).SetQuestion(name, dns.TypeA)
	q.Id = id
	ended := make(chan result, 1)
	f.ForwardUDP(packed(t, q), func(reply []byte, err error) { ended <- result{bytes.Clone(reply), err} })
	return ended
}

// wait returns the result of a query.
func wait(t testing.TB, ended <-chan result) result {
	t.Helper()
	select {
	case r := <-ended:
		return r
	case <-time.After(20 * time.Second):
		t.Fatal("the query does not end")
		return result{}
	}
}

// allow extends the time of pending queries: a slow machine is no slow server.
func allow(f *Forwarder, by time.Duration) {
	f.udp.mu.Lock()
	defer f.udp.mu.Unlock()
	for p := range f.udp.live {
		p.nextAt = p.nextAt.Add(by)
		for i := range p.waiters {
			p.waiters[i].until = p.waiters[i].until.Add(by)
		}
	}
}

// TestThousandsPending: thousands of queries are pending on a few sockets. The servers change, and
// replies arrive in another order. Each query gets its own reply.
func TestThousandsPending(t *testing.T) {
	const all, burst = 2000, 50
	m := newMute(t)
	f := to(t, m)
	var ended []<-chan result
	var sent []received
	for id := range uint16(all) {
		ended = append(ended, send(t, f, id, fmt.Sprintf("q%d.outside.example.", id)))
		if id%burst == burst-1 {
			for range burst {
				sent = append(sent, m.next())
			}
			allow(f, 20*time.Second)
		}
	}
	ports := map[uint16]bool{}
	for _, r := range sent {
		ports[r.from.Port()] = true
	}
	if len(ports) < 2 || len(ports) > 64 {
		t.Errorf("%d sockets for %d queries, want 2 to 64", len(ports), all)
	}
	f.SetRoutes([]netip.AddrPort{newMute(t).addr()}, nil)
	for i := range sent {
		m.reply(sent[all-1-i])
	}
	for id, end := range ended {
		r := wait(t, end)
		got := new(dns.Msg)
		if r.err != nil || got.Unpack(r.reply) != nil {
			t.Fatalf("query %d: got %v, %v", id, r.reply, r.err)
		}
		if want := fmt.Sprintf("q%d.outside.example.", id); int(got.Id) != id || got.Question[0].Name != want {
			t.Errorf("query %d: got ID %d and %s", id, got.Id, got.Question[0].Name)
		}
	}
}

// TestSocketsChange: one socket is reused for several queries, and replaced after some time. A
// query on the old one still gets its reply.
func TestSocketsChange(t *testing.T) {
	m := newMute(t)
	f := to(t, m)
	firstEnd := send(t, f, 1, "q1.outside.example.")
	first := m.next()
	secondEnd := send(t, f, 2, "q2.outside.example.")
	second := m.next()
	if second.from != first.from {
		t.Errorf("a new socket for the second query")
	}
	f.udp.mu.Lock()
	for l := range f.udp.links.open {
		l.made = l.made.Add(-maxLinkAge)
	}
	f.udp.mu.Unlock()
	thirdEnd := send(t, f, 3, "q3.outside.example.")
	third := m.next()
	if third.from == first.from {
		t.Errorf("still the same socket for the third query")
	}
	for _, r := range []received{first, second, third} {
		m.reply(r)
	}
	for i, end := range []<-chan result{firstEnd, secondEnd, thirdEnd} {
		if r := wait(t, end); r.err != nil || int(binary.BigEndian.Uint16(r.reply)) != i+1 {
			t.Errorf("query %d: got %q, %v", i+1, r.reply, r.err)
		}
	}
}

// TestCloseEndsQueries: pending queries fail with net.ErrClosed on Close.
func TestCloseEndsQueries(t *testing.T) {
	m := newMute(t)
	f := to(t, m)
	ended := send(t, f, 1, "www.outside.example.")
	m.next()
	f.Close()
	if r := wait(t, ended); !errors.Is(r.err, net.ErrClosed) || errors.Is(r.err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want net.ErrClosed", r.err)
	}
}
