package wire_test

import (
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// fullMessage has records with and without names in their data.
func fullMessage(t testing.TB) []byte {
	t.Helper()
	m := new(dns.Msg).SetReply(new(dns.Msg).SetQuestion("www.outside.example.", dns.TypeA))
	m.Compress = true
	m.Answer = dnstest.Records(t, "www.outside.example. 5 IN CNAME web.outside.example.\n"+
		"web.outside.example. 5 IN A 192.0.2.1\nweb.outside.example. 5 IN AAAA 2001:db8::1\n"+
		"outside.example. 5 IN MX 10 mx.outside.example.\n_x._tcp.outside.example. 5 IN SRV 1 2 3 web.outside.example.\n"+
		"outside.example. 5 IN TXT \"text\"\n")
	m.Ns = dnstest.Records(t, "outside.example. 5 IN SOA ns.outside.example. root.outside.example. 1 2 3 4 5\n"+
		"outside.example. 5 IN NS ns.outside.example.")
	m.SetEdns0(1232, true)
	raw, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestCheck(t *testing.T) {
	full := fullMessage(t)
	header := func(answers byte) string {
		return "\x00\x07\x80\x00\x00\x01\x00" + string(answers) + "\x00\x00\x00\x00"
	}
	const question, a = "\x01a\x00\x00\x01\x00\x01", "\x00\x01\x00\x01\x00\x00\x00\x05\x00\x04\x01\x02\x03\x04"
	tests := []struct {
		name string
		msg  string
		want wire.Defect
	}{
		{"all kinds of records", string(full), wire.Sound},
		{"bytes after the end", string(full) + "more", wire.Sound},
		{"no header", "\x00\x07\x80", wire.Short},
		{"one record of five", header(5) + question + "\xc0\x0c" + a, wire.Short},
		{"no question", header(0), wire.Short},
		{"cut data", header(1) + question + "\xc0\x0c" + a[:12], wire.Short},
		{"a pointer to itself", header(1) + question + "\xc0\x13" + a, wire.BadName},
		{"a pointer ahead", header(1) + question + "\xc0\x15" + a, wire.BadName},
		{"a loop through a label", header(1) + question + "\x01b\xc0\x13" + a, wire.BadName},
		{"a pointer into the header", header(1) + question + "\xc0\x04" + a, wire.BadName},
		{"an unknown kind of label", header(1) + question + "\x41b\x00" + a, wire.BadName},
		{"an address of two bytes", header(1) + question + "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x05\x00\x02\x01\x02",
			wire.BadData},
		{"a loop in data", header(1) + question + "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x05\x00\x02\xc0\x1f", wire.BadName},
		{"a CNAME without data", header(1) + question + "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x05\x00\x00", wire.BadData},
	}
	for _, tt := range tests {
		if _, got := wire.Check([]byte(tt.msg)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { wire.Check(full) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// Any proper prefix of a message is short.
func TestCheckCut(t *testing.T) {
	full := fullMessage(t)
	for size := range full {
		if _, got := wire.Check(full[:size]); got == wire.Sound {
			t.Errorf("%d of %d bytes: sound", size, len(full))
		}
	}
}

func TestTrailingOPT(t *testing.T) {
	full := fullMessage(t)
	at := wire.TrailingOPT(full)
	if at != len(full)-wire.OPTSize {
		t.Fatalf("OPT at %d of %d", at, len(full))
	}
	bare := append([]byte(nil), full[:at]...)
	bare[11] = 0
	if got := wire.TrailingOPT(bare); got != -1 {
		t.Errorf("OPT at %d, want none", got)
	}
	if got := wire.AppendOPT(bare, len(bare), 1232, true); string(got) != string(full) {
		t.Errorf("got  %q\nwant %q", got, full)
	}
}

// FuzzCheck: no offset is outside the message.
func FuzzCheck(f *testing.F) {
	full := fullMessage(f)
	f.Add(full)
	f.Add(full[:len(full)-3])
	f.Fuzz(func(t *testing.T, msg []byte) {
		end, d := wire.Check(msg)
		if d == wire.Sound && (end < wire.HeaderSize || end > len(msg)) {
			t.Errorf("the records end at %d of %d bytes", end, len(msg))
		}
		if at := wire.TrailingOPT(msg); at >= 0 && at+wire.OPTSize > len(msg) {
			t.Errorf("OPT at %d of %d bytes", at, len(msg))
		}
	})
}
