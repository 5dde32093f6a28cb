package skydns

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// oneName is a backend with one name and many addresses.
type oneName struct{ addrs int }

func (oneName) Status() backend.Status { return backend.Ready }

func (b oneName) Records(_ context.Context, q backend.Query) (backend.Answer, error) {
	if q.Name != "web.cluster.local." {
		return backend.Answer{}, backend.ErrNotFound
	}
	var a backend.Answer
	for i := range b.addrs {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
		a.Total++
		if len(a.Records) == q.Limit {
			continue
		}
		switch q.Type {
		case backend.TypeA:
			a.Records = append(a.Records, backend.Record{Type: backend.TypeA, TTL: 30, Addr: addr})
		case backend.TypeSRV:
			host := strings.ReplaceAll(addr.String(), ".", "-") + ".web.cluster.local."
			a.Records = append(a.Records, backend.Record{
				Type: backend.TypeSRV, TTL: 30, Host: host, Port: 80, Addrs: []netip.Addr{addr},
			})
		}
	}
	return a, nil
}

func (oneName) ReverseRecords(netip.Addr) ([]backend.Record, error) { return nil, backend.ErrNotFound }

func (oneName) ReverseBelow(netip.Prefix) error { return backend.ErrNotFound }

func newServer(t testing.TB, b backend.Backend) *Server {
	t.Helper()
	s, err := New(Options{Domain: "cluster.local.", Backend: b, Forwarder: upstream.New(netip.AddrPort{})})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func packed(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	raw, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// checkReply checks the invariants of every packet and its reply.
func checkReply(t testing.TB, raw, reply []byte, overTCP bool) {
	t.Helper()
	if reply == nil {
		return
	}
	if len(reply) < headerSize || reply[0] != raw[0] || reply[1] != raw[1] || reply[2]&0x80 == 0 {
		t.Fatalf("packet %x: the reply %x is none to it", raw, reply)
	}
	m := new(dns.Msg)
	if err := m.Unpack(reply); err != nil {
		t.Fatalf("packet %x: the reply %x can not be read: %v", raw, reply, err)
	}
	if !overTCP && len(reply) > maxUDPSize {
		t.Fatalf("a reply of %d bytes", len(reply))
	}
}

// TestHostilePackets sends noise, and good queries with bytes changed, cut and added.
func TestHostilePackets(t *testing.T) {
	s := newServer(t, oneName{addrs: 3})
	rnd := rand.New(rand.NewPCG(9, 10))
	seeds := packets(t)
	n := 200_000
	if testing.Short() {
		n = 20_000
	}
	for i := range n {
		var raw []byte
		if i%4 == 0 {
			raw = make([]byte, rnd.IntN(100))
			for j := range raw {
				raw[j] = byte(rnd.Uint32())
			}
		} else {
			raw = append(raw, seeds[rnd.IntN(len(seeds))]...)
			for range rnd.IntN(4) {
				raw[rnd.IntN(len(raw))] = byte(rnd.Uint32())
			}
			raw = raw[:len(raw)-rnd.IntN(len(raw)/2)*(i%2)]
		}
		resp := s.respond(raw, noClient, via(i%5 == 0))
		checkReply(t, raw, resp.reply, i%5 == 0)
		if len(raw) >= headerSize && raw[2]&0x80 == 0 && resp.reply == nil && resp.start == nil {
			t.Fatalf("no reply to %x", raw)
		}
	}
	if n := s.panics(t); n > 0 {
		t.Errorf("%v panics", n)
	}
}

func packets(t testing.TB) [][]byte {
	var out [][]byte
	add := func(q *dns.Msg) {
		raw, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, raw)
	}
	long := strings.Repeat(strings.Repeat("a", 61)+".", 3) + strings.Repeat("b", 50) + ".cluster.local."
	for _, name := range []string{
		"web.cluster.local.", "cluster.local.", ".", long, strings.Repeat("x", 63) + ".cluster.local.",
		`a\.b\000.cluster.local.`, "1.0.0.10.in-addr.arpa.", "*.web.cluster.local.",
	} {
		for _, qtype := range []uint16{dns.TypeA, dns.TypeSRV, dns.TypePTR, dns.TypeANY, dns.TypeAXFR, 0, 65535} {
			q := new(dns.Msg).SetQuestion(name, qtype)
			add(q)
			q.SetEdns0(4096, true)
			add(q)
		}
	}
	q := new(dns.Msg).SetQuestion("version.bind.", dns.TypeTXT)
	q.Question[0].Qclass = dns.ClassCHAOS
	add(q)
	add(new(dns.Msg).SetNotify("cluster.local."))
	add(new(dns.Msg).SetUpdate("cluster.local."))
	return out
}

func (s *Server) panics(t testing.TB) float64 {
	t.Helper()
	return testutil.ToFloat64(s.metrics.panics)
}

func FuzzPacket(f *testing.F) {
	for _, raw := range packets(f) {
		f.Add(raw, false)
		f.Add(raw, true)
	}
	s := newServer(f, oneName{addrs: 3})
	f.Fuzz(func(t *testing.T, raw []byte, overTCP bool) {
		checkReply(t, raw, s.respond(raw, noClient, via(overTCP)).reply, overTCP)
		if s.panics(t) > 0 {
			t.Fatal("a panic")
		}
	})
}

func TestRefusals(t *testing.T) {
	s := newServer(t, oneName{addrs: 1})
	query := func(change func(raw []byte)) []byte {
		raw, err := new(dns.Msg).SetQuestion("web.cluster.local.", dns.TypeA).Pack()
		if err != nil {
			t.Fatal(err)
		}
		change(raw)
		return raw
	}
	count := func(section int, n uint16) func([]byte) {
		return func(raw []byte) { binary.BigEndian.PutUint16(raw[4+2*section:], n) }
	}
	tests := []struct {
		name  string
		raw   []byte
		rcode int // -1: no reply
	}{
		{"a query", query(func([]byte) {}), dns.RcodeSuccess},
		{"a response", query(func(raw []byte) { raw[2] |= 0x80 }), -1},
		{"shorter than a header", query(func([]byte) {})[:11], -1},
		{"a header alone", query(func([]byte) {})[:12], dns.RcodeFormatError},
		{"NOTIFY", query(func(raw []byte) { raw[2] |= dns.OpcodeNotify << 3 }), dns.RcodeNotImplemented},
		{"UPDATE", query(func(raw []byte) { raw[2] |= dns.OpcodeUpdate << 3 }), dns.RcodeNotImplemented},
		{"no question", query(count(0, 0)), dns.RcodeFormatError},
		{"two questions", query(count(0, 2)), dns.RcodeFormatError},
		{"two answers", query(count(1, 2)), dns.RcodeFormatError},
		{"two authorities", query(count(2, 2)), dns.RcodeFormatError},
		{"three additionals", query(count(3, 3)), dns.RcodeFormatError},
		{"a label beyond the end", query(func(raw []byte) { raw[12] = 63 }), dns.RcodeFormatError},
		{"a pointer to itself", query(func(raw []byte) { raw[12], raw[13] = 0xc0, 12 }), dns.RcodeFormatError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply := s.respond(tt.raw, noClient, udp).reply
			if tt.rcode < 0 {
				if reply != nil {
					t.Errorf("got %x", reply)
				}
				return
			}
			if len(reply) < headerSize || int(reply[3]&0xf) != tt.rcode {
				t.Errorf("got %x, want rcode %d", reply, tt.rcode)
			}
		})
	}
}

func TestEDNS(t *testing.T) {
	s := newServer(t, oneName{addrs: 1})
	ask := func(change func(*dns.Msg)) *dns.Msg {
		q := new(dns.Msg).SetQuestion("web.cluster.local.", dns.TypeA)
		q.SetEdns0(1232, true)
		change(q)
		raw, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		m := new(dns.Msg)
		if err := m.Unpack(s.respond(raw, noClient, udp).reply); err != nil {
			t.Fatal(err)
		}
		return m
	}
	opt := ask(func(*dns.Msg) {}).IsEdns0()
	if opt == nil || opt.UDPSize() != ednsSize || !opt.Do() || opt.Version() != 0 {
		t.Errorf("OPT %v", opt)
	}
	m := ask(func(q *dns.Msg) { q.IsEdns0().SetVersion(1) })
	if m.Rcode != dns.RcodeBadVers || len(m.Answer) != 0 {
		t.Errorf("version 1: %v", m)
	}
	m = ask(func(q *dns.Msg) { q.Extra = append(q.Extra, q.Extra[0]) })
	if m.Rcode != dns.RcodeFormatError {
		t.Errorf("two OPT records: %v", m)
	}
	m = ask(func(q *dns.Msg) {
		q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}}
	})
	if m.Rcode != dns.RcodeSuccess || len(m.IsEdns0().Option) != 0 {
		t.Errorf("an option: %v", m)
	}
}

// TestTruncationAtTheLimit: truncation removes no more than necessary.
func TestTruncationAtTheLimit(t *testing.T) {
	for _, n := range []int{1, 2, 29, 30, 31, 60, 5000} {
		b := oneName{addrs: n}
		s := newServer(t, b)
		for _, qtype := range []uint16{backend.TypeA, backend.TypeSRV} {
			raw, err := new(dns.Msg).SetQuestion("web.cluster.local.", qtype).Pack()
			if err != nil {
				t.Fatal(err)
			}
			for _, via := range []transport{udp, tcp} {
				req, _ := parse(raw, via)
				m, err := s.answer(t.Context(), req, true)
				if err != nil {
					t.Fatal(err)
				}
				checkFit(t, m, req.limit(), n)
			}
		}
	}
}

func checkFit(t *testing.T, m *dns.Msg, limit, n int) {
	t.Helper()
	m.Compress = true
	whole := m.Copy()
	bare := m.Copy()
	bare.Extra = nil
	size := func(m *dns.Msg) int {
		packed, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return len(packed)
	}
	packed, err := fit(m, limit)
	if err != nil || len(packed) > limit {
		t.Fatalf("%d records in %d bytes, %v", n, len(packed), err)
	}
	switch {
	case size(whole) <= limit:
		if m.Truncated || len(m.Extra) != len(whole.Extra) {
			t.Errorf("%d records fit and were cut", n)
		}
	case size(bare) <= limit:
		if m.Truncated || len(m.Extra) != 0 {
			t.Errorf("%d records fit without the additional section", n)
		}
	default:
		if !m.Truncated {
			t.Errorf("%d records: TC is not set", n)
		}
		// One more would not fit.
		bare.Answer = bare.Answer[:len(m.Answer)+1]
		if size(bare) <= limit {
			t.Errorf("%d of %d records, and there was room for one more", len(m.Answer), n)
		}
	}
}

func TestCanonical(t *testing.T) {
	for name, want := range map[string]string{
		"WeB.Default.":   "web.default.",
		`a\.b.C.`:        `a\046b.c.`,
		`a\\.b.`:         `a\\.b.`,
		`\.\.\..x.`:      `\046\046\046.x.`,
		`\032A.`:         `\032a.`,
		".":              ".",
		`x\`:             `x\`,
		"\u212aelvin.Ẏ.": "\u212aelvin.Ẏ.", // only ASCII letters have a case (RFC 4343)
		"Ünïcode.local.": "Ünïcode.local.",
	} {
		if got := canonical(name); got != want {
			t.Errorf("canonical(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestReverseAddr(t *testing.T) {
	for name, want := range map[string]string{
		"1.0.0.10.in-addr.arpa.":   "10.0.0.1",
		"01.0.0.10.in-addr.arpa.":  "",
		"256.0.0.10.in-addr.arpa.": "",
		"0.0.10.in-addr.arpa.":     "",
		"1.1.0.0.10.in-addr.arpa.": "",
		"in-addr.arpa.":            "",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.":  "fd00::1",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.ff.ip6.arpa.": "",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.ip6.arpa.":    "",
		"g.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.":  "",
		"1.0.0.0.0.0.a.0.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.":  "10.0.0.1",
		"fd00--1.ip6.arpa.": "",
	} {
		got := ""
		if addr, ok := reverseAddr(name); ok {
			got = addr.String()
		}
		if got != want {
			t.Errorf("reverseAddr(%s) = %q, want %q", name, got, want)
		}
	}
}

func TestReversePrefix(t *testing.T) {
	for name, want := range map[string]string{
		"10.in-addr.arpa.":        "10.0.0.0/8",
		"96.10.in-addr.arpa.":     "10.96.0.0/16",
		"0.96.10.in-addr.arpa.":   "10.96.0.0/24",
		"1.0.96.10.in-addr.arpa.": "",
		"096.10.in-addr.arpa.":    "",
		".in-addr.arpa.":          "",
		"in-addr.arpa.":           "",
		"ip6.arpa.":               "",
		"f.ip6.arpa.":             "f000::/4",
		"0.d.f.ip6.arpa.":         "fd00::/12",
		"fd.ip6.arpa.":            "",
		"0.d.ff.ip6.arpa.":        "",
		"g.ip6.arpa.":             "",
		"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.":   "fd00::/124",
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.": "",
		"0.0.0.0.0.a.0.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.":   "",
	} {
		got := ""
		if prefix, ok := reversePrefix(name); ok {
			got = prefix.String()
		}
		if got != want {
			t.Errorf("reversePrefix(%s) = %q, want %q", name, got, want)
		}
	}
}

func FuzzReversePrefix(f *testing.F) {
	f.Add("96.10.in-addr.arpa.")
	f.Add("0.d.f.ip6.arpa.")
	f.Fuzz(func(t *testing.T, name string) {
		prefix, ok := reversePrefix(name)
		if !ok {
			return
		}
		if !prefix.IsValid() || prefix != prefix.Masked() || prefix.Bits() == 0 {
			t.Fatalf("%q: %v", name, prefix)
		}
		full, err := dns.ReverseAddr(prefix.Addr().String())
		if err != nil || !isBelow(full, strings.ToLower(name)) {
			t.Errorf("%q: %v, whose first address is %s", name, prefix, full)
		}
	})
}

func FuzzReverseAddr(f *testing.F) {
	f.Add("1.0.0.10.in-addr.arpa.")
	f.Add("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa.")
	f.Fuzz(func(t *testing.T, name string) {
		addr, ok := reverseAddr(name)
		if !ok {
			return
		}
		back, err := dns.ReverseAddr(addr.String())
		if err != nil || back != name && addr.Is6() {
			if !strings.HasSuffix(name, ".ip6.arpa.") || !addr.Is4() {
				if lower(name) != back {
					t.Errorf("%q is %v, whose name is %q", name, addr, back)
				}
			}
		}
	})
}
