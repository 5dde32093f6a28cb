package conformance_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// The message has the fields of the question, and no others.
func TestAskSends(t *testing.T) {
	type sent struct {
		Question       dns.Question
		RD, CD, AD, TC bool
		TCP            bool
		OPT            string
	}
	in := func(name string, qtype uint16) dns.Question {
		return dns.Question{Name: name, Qtype: qtype, Qclass: dns.ClassINET}
	}
	cases := []struct {
		name string
		q    conformance.Query
		want sent
	}{
		{"plain", conformance.Query{Question: conformance.Question{Name: "a.example", Type: "A"}},
			sent{Question: in("a.example.", dns.TypeA), RD: true}},
		{"case is kept", conformance.Query{Question: conformance.Question{Name: "CaTaLoG.Example.", Type: "SRV"}},
			sent{Question: in("CaTaLoG.Example.", dns.TypeSRV), RD: true}},
		{"stars and root", conformance.Query{Question: conformance.Question{Name: ".", Type: "NS"}},
			sent{Question: in(".", dns.TypeNS), RD: true}},
		{"without rd, with cd", conformance.Query{Question: conformance.Question{Name: "*.a-*.b", Type: "HTTPS",
			NoRecurse: true, CD: true}}, sent{Question: in("*.a-*.b.", dns.TypeHTTPS), CD: true}},
		{"class", conformance.Query{Question: conformance.Question{Name: "version.bind", Type: "TXT", Class: "CH"}},
			sent{Question: dns.Question{Name: "version.bind.", Qtype: dns.TypeTXT, Qclass: dns.ClassCHAOS}, RD: true}},
		{"tcp", conformance.Query{Question: conformance.Question{Name: "a.example", Type: "ANY", TCP: true}},
			sent{Question: in("a.example.", dns.TypeANY), RD: true, TCP: true}},
		{"edns", conformance.Query{Question: conformance.Question{Name: "a.example", Type: "A",
			EDNS: &conformance.EDNS{Size: 100, DO: true, Version: 1}}},
			sent{Question: in("a.example.", dns.TypeA), RD: true, OPT: "version 1, size 100, do true"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			requests := make(chan sent, 1)
			server := rawServer(t, func(request []byte, tcp bool) []byte {
				m := new(dns.Msg)
				if err := m.Unpack(request); err != nil {
					t.Error(err)
					return nil
				}
				s := sent{
					Question: m.Question[0], TCP: tcp,
					RD: m.RecursionDesired, CD: m.CheckingDisabled, AD: m.AuthenticatedData, TC: m.Truncated,
				}
				if opt := m.IsEdns0(); opt != nil {
					s.OPT = describeOPT(opt)
				}
				requests <- s
				return message{}.wire(t, request)
			})
			c.q.Rcode = "NOERROR"
			reply, err := conformance.Ask(t.Context(), server, c.q)
			if problems := c.q.Check(reply, err, now); problems != nil {
				t.Error(problems)
			}
			if diff := cmp.Diff(c.want, <-requests); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

func describeOPT(opt *dns.OPT) string {
	return fmt.Sprintf("version %d, size %d, do %t", opt.Version(), opt.UDPSize(), opt.Do())
}

// A reply must be a well-formed response to the question that was sent.
func TestAskRefusesReplies(t *testing.T) {
	edit := func(f func([]byte) []byte) func(*testing.T, []byte) []byte {
		return func(t *testing.T, request []byte) []byte { return f(message{answer: []string{one}}.wire(t, request)) }
	}
	cases := []struct {
		name  string
		reply func(*testing.T, []byte) []byte
		want  string
	}{
		{"right", edit(func(w []byte) []byte { return w }), ""},
		{"other id", edit(func(w []byte) []byte { w[1]++; return w }), "id: got"},
		{"no response", edit(func(w []byte) []byte { w[2] &^= 0x80; return w }), "QR bit: got 0"},
		{"other opcode", edit(func(w []byte) []byte { w[2] |= 0x20; return w }), "opcode: got 4"},
		{"question in other case", edit(func(w []byte) []byte { w[13] ^= 0x20; return w }), "question: got another"},
		{"question of other type", edit(func(w []byte) []byte { w[12+len(name)+2]++; return w }),
			"question: got another"},
		{"no question", func(t *testing.T, request []byte) []byte {
			return append(slices.Clone(request[:2]), 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		}, "question: got another"},
		{"two questions", func(_ *testing.T, request []byte) []byte {
			reply := slices.Clone(request)
			reply[2] |= 0x80
			binary.BigEndian.PutUint16(reply[4:], 2)
			return append(reply, request[12:]...)
		}, "question: got another"},
		{"cut", edit(func(w []byte) []byte { return w[:len(w)-1] }), "not well formed"},
		{"bytes left", edit(func(w []byte) []byte { return append(w, 0) }), "not well formed"},
		{"record not counted", edit(func(w []byte) []byte { w[7] = 0; return w }), "not well formed"},
		{"record counted, not there", edit(func(w []byte) []byte { w[11] = 1; return w }), "fewer records"},
		{"less than a header", func(*testing.T, []byte) []byte { return []byte{1, 2, 3} }, "less than a header"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			server := rawServer(t, func(request []byte, _ bool) []byte { return c.reply(t, request) })
			for _, tcp := range []bool{false, true} {
				q := conformance.Query{Question: conformance.Question{Name: name, Type: "A", TCP: tcp}}
				q.Rcode = "NOERROR"
				reply, err := conformance.Ask(t.Context(), server, q)
				got := strings.Join(q.Check(reply, err, now), "\n")
				if c.want == "" && got != "" || !strings.Contains(got, c.want) {
					t.Errorf("tcp %t: got %q, want %q", tcp, got, c.want)
				}
			}
		})
	}
}

// The largest messages arrive complete.
func TestAskReadsLargeReplies(t *testing.T) {
	var answer []string
	for range 60 {
		answer = append(answer, name+` 30 IN TXT "`+strings.Repeat("x", 250)+`"`)
	}
	server := rawServer(t, func(request []byte, _ bool) []byte { return message{answer: answer}.wire(t, request) })
	for _, tcp := range []bool{false, true} {
		reply, err := conformance.Ask(t.Context(), server,
			conformance.Query{Question: conformance.Question{Name: name, Type: "TXT", TCP: tcp}})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(reply.Msg.Answer); got != len(answer) {
			t.Errorf("tcp %t: got %d records, want %d", tcp, got, len(answer))
		}
	}
}

func TestAskWithoutReply(t *testing.T) {
	server := rawServer(t, func([]byte, bool) []byte { return nil })
	ctx, cancel := shortly(t)
	defer cancel()
	if _, err := conformance.Ask(ctx, server,
		conformance.Query{Question: conformance.Question{Name: name,
			Type: "A"}}); !errors.Is(err, conformance.ErrNoReply) {
		t.Errorf("got %v, want %v", err, conformance.ErrNoReply)
	}
}
