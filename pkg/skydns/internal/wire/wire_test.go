package wire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func pack(t testing.TB, q *dns.Msg) []byte {
	t.Helper()
	raw, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestParse(t *testing.T) {
	query := func(name string, change func(*dns.Msg)) []byte {
		q := new(dns.Msg).SetQuestion(name, dns.TypeA)
		change(q)
		return pack(t, q)
	}
	plain := func(*dns.Msg) {}
	edns := func(size uint16, options ...dns.EDNS0) func(*dns.Msg) {
		return func(q *dns.Msg) {
			q.SetEdns0(size, true)
			q.IsEdns0().Option = options
		}
	}
	longest := strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("b", 61) + "."
	tests := []struct {
		name   string
		packet []byte
		want   string // the name; empty: not plain
		size   int
	}{
		{"plain", query("Web.Default.svc.", plain), "web.default.svc.", 512},
		{"the root", query(".", plain), ".", 512},
		{"underscores", query("_http._tcp.web.", plain), "_http._tcp.web.", 512},
		{"the longest name", query(longest, plain), longest, 512},
		{"EDNS", query("web.", edns(1232)), "web.", 1232},
		{"EDNS, tiny", query("web.", edns(100)), "web.", 512},
		{
			"a cookie", query("web.", edns(1232, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"})),
			"web.", 1232,
		},
		{
			"a client subnet",
			query("web.", edns(1232, &dns.EDNS0_SUBNET{
				Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{10, 0, 0, 0},
			})),
			"web.", 1232,
		},
		{"an option that the library refuses", query("web.", edns(1232, &dns.EDNS0_LOCAL{Code: 19})), "web.", 1232},
		{"an unknown option", query("web.", edns(1232, &dns.EDNS0_LOCAL{Code: 65001, Data: []byte("abc")})), "web.", 1232},
		{
			"an option beyond the end",
			append(query("web.", edns(1232, &dns.EDNS0_LOCAL{Code: 19, Data: make([]byte, 4)}))[:36], 0, 5, 0, 0, 0, 0),
			"", 0,
		},
		{"a wildcard", query("*.web.", plain), "", 0},
		{"an escaped dot", query(`a\.b.web.`, plain), "", 0},
		{"another class", query("web.", func(q *dns.Msg) { q.Question[0].Qclass = dns.ClassCHAOS }), "", 0},
		{"a response", query("web.", func(q *dns.Msg) { q.Response = true }), "", 0},
		{"another opcode", query("web.", func(q *dns.Msg) { q.Opcode = dns.OpcodeNotify }), "", 0},
		{
			"another version of EDNS",
			query("web.", func(q *dns.Msg) { q.SetEdns0(1232, false); q.IsEdns0().SetVersion(1) }), "", 0,
		},
		{"bytes behind", append(query("web.", plain), 0), "", 0},
		{"cut", query("web.", plain)[:18], "", 0},
		{"a header", make([]byte, 12), "", 0},
		{"nothing", nil, "", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var q Query
			ok := q.Parse(tt.packet)
			if ok != (tt.want != "") {
				t.Fatalf("plain: %v", ok)
			}
			if ok && (string(q.Name) != tt.want || q.Size != tt.size || q.Type != dns.TypeA) {
				t.Errorf("name %q, size %d, type %d", q.Name, q.Size, q.Type)
			}
		})
	}
}

// TestParseCharacters: a plain name has letters, digits, "-" and "_" at any place. The data after
// the question does not matter.
func TestParseCharacters(t *testing.T) {
	const plain = "-0123456789abcdefghijklmnopqrstuvwxyz_"
	for size := 1; size <= 63; size++ {
		label := strings.Repeat("q", size)
		packet := append(pack(t, new(dns.Msg).SetQuestion(label+".Ab.", dns.TypeA)), 0, 0, 41, 0xff, 0xff, 0, 0, 0, 0, 0, 0)
		packet[11] = 1
		for i := range size {
			for c := range 256 {
				packet[13+i] = byte(c)
				text := []byte(label + ".ab.")
				text[i] = bytes.ToLower([]byte{byte(c)})[0]
				var q Query
				got := q.Parse(packet)
				if want := c < 0x80 && strings.IndexByte(plain, text[i]) >= 0; got != want || got && !bytes.Equal(q.Name, text) {
					t.Fatalf("%#x at %d of %d: plain: %v, name %q, want %q", c, i, size, got, q.Name, text)
				}
			}
			packet[13+i] = 'q'
		}
	}
}

// FuzzParse: the library reads plain queries in the same way.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"web.default.svc.cluster.local.", ".", "_HTTP._tcp.Web.", "*.x."} {
		q := new(dns.Msg).SetQuestion(name, dns.TypeSRV)
		f.Add(pack(f, q))
		q.SetEdns0(1232, true)
		f.Add(pack(f, q))
	}
	f.Fuzz(func(t *testing.T, packet []byte) {
		var q Query
		if !q.Parse(packet) {
			return
		}
		m := new(dns.Msg)
		if q.OPT { // the library refuses some options
			packet = append([]byte{}, packet[:q.End+OPTSize]...)
			packet[q.End+9], packet[q.End+10] = 0, 0
		}
		if err := m.Unpack(packet); err != nil {
			t.Fatalf("%x is plain, and the library says %v", packet, err)
		}
		if len(m.Question) != 1 || !strings.EqualFold(m.Question[0].Name, string(q.Name)) ||
			m.Question[0].Qtype != q.Type || m.Question[0].Qclass != dns.ClassINET {
			t.Errorf("%x: %q, type %d; the library has %v", packet, q.Name, q.Type, m.Question)
		}
		opt := m.IsEdns0()
		if (opt != nil) != q.OPT || opt != nil && (int(max(opt.UDPSize(), 512)) != q.Size || opt.Do() != q.DO) {
			t.Errorf("%x: OPT %v, size %d; the library has %v", packet, q.OPT, q.Size, opt)
		}
		if lower := bytes.ToLower(q.Name); !bytes.Equal(lower, q.Name) {
			t.Errorf("%x: letter case of %q", packet, q.Name)
		}
	})
}
