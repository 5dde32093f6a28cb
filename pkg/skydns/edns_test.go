package skydns

import (
	"encoding/binary"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// optRecord is an OPT record in wire format.
func optRecord(version byte, do bool, options ...byte) []byte {
	rr := []byte{0, 0, byte(dns.TypeOPT), 1232 >> 8, 1232 & 0xff, 0, version, 0, 0}
	if do {
		rr[7] = 0x80
	}
	return append(binary.BigEndian.AppendUint16(rr, uint16(len(options))), options...)
}

// packetWith is a query with records in one section: 1 to 3.
func packetWith(section int, count byte, qtype uint16, records ...[]byte) []byte {
	raw := []byte{1, 2, 1, 0x10, 0, 1, 0, 0, 0, 0, 0, 0}
	raw[5+2*section] = count
	raw = append(raw, "\x03WEB\x07cluster\x05local\x00"...)
	raw = append(binary.BigEndian.AppendUint16(raw, qtype), 0, 1)
	for _, rr := range records {
		raw = append(raw, rr...)
	}
	return raw
}

func withOpcode(opcode byte, raw []byte) []byte {
	raw[2] |= opcode << 3
	return raw
}

// TestOPT: well-formed OPT records with any options are accepted. Replies have an OPT record if the
// query had a readable one.
func TestOPT(t *testing.T) {
	s := newServer(t, oneName{addrs: 1})
	option := func(code uint16, data ...byte) []byte {
		b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, code), uint16(len(data)))
		return append(b, data...)
	}
	type test struct {
		name    string
		raw     []byte
		rcode   int
		opt, do bool
	}
	tests := []test{
		{"no option", packetWith(3, 1, backend.TypeA, optRecord(0, false)), dns.RcodeSuccess, true, false},
		{"DO", packetWith(3, 1, backend.TypeA, optRecord(0, true)), dns.RcodeSuccess, true, true},
		{"DO, version 1", packetWith(3, 1, backend.TypeA, optRecord(1, true, 0, 1, 0, 9)), dns.RcodeBadVers, true, true},
		{
			"an option beyond the end", packetWith(3, 1, backend.TypeA, optRecord(0, true, 0, 19, 0, 1)),
			dns.RcodeFormatError, true, true,
		},
		{"half an option", packetWith(3, 1, backend.TypeA, optRecord(0, false, 0, 19, 0)), dns.RcodeFormatError, true, false},
		{
			"two OPT records", packetWith(3, 2, backend.TypeA, optRecord(0, true), optRecord(0, false)),
			dns.RcodeFormatError, true, true,
		},
		{
			"an owner", packetWith(3, 1, backend.TypeA, append([]byte{1, 'x'}, optRecord(0, false)...)),
			dns.RcodeFormatError, false, false,
		},
		{"in the answer section", packetWith(1, 1, backend.TypeA, optRecord(0, false)), dns.RcodeFormatError, false, false},
		{
			"in the authority section", packetWith(2, 1, backend.TypeA, optRecord(0, false)), dns.RcodeFormatError,
			false, false,
		},
		{"counted and missing", packetWith(3, 1, backend.TypeA), dns.RcodeFormatError, false, false},
		{"cut", packetWith(3, 1, backend.TypeA, optRecord(0, false)[:10]), dns.RcodeFormatError, false, false},
		{
			"longer than the packet", packetWith(3, 1, backend.TypeA, optRecord(0, false, option(19, 1, 2)...)[:15]),
			dns.RcodeFormatError, false, false,
		},
		{
			"an unknown opcode", withOpcode(9, packetWith(3, 1, backend.TypeA, optRecord(0, true))),
			dns.RcodeNotImplemented, true, true,
		},
		{"NXDOMAIN", func() []byte {
			raw := packetWith(3, 1, backend.TypeA, optRecord(0, true))
			raw[13] = 'x'
			return raw
		}(), dns.RcodeNameError, true, true},
		{"no class", packetWith(3, 0, backend.TypeA)[:32], dns.RcodeFormatError, false, false},
		{
			"a compressed name", append([]byte{1, 2, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, 1, 'x', 0xc0, 4, 0, 1, 0, 1),
			dns.RcodeFormatError, false, false,
		},
	}
	for _, code := range []uint16{0, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 26946, 65001, 65535} {
		for _, data := range [][]byte{{}, {1}, {0, 1, 200, 0}, make([]byte, 5), make([]byte, 100)} {
			twice := append(option(code, data...), option(code, data...)...)
			raw := packetWith(3, 1, backend.TypeA, optRecord(0, false, twice...))
			tests = append(tests, test{"any option", raw, dns.RcodeSuccess, true, false})
		}
	}
	for _, tt := range tests {
		m := new(dns.Msg)
		if err := m.Unpack(s.respond(tt.raw, noClient, udp).reply); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		opt := m.IsEdns0()
		if m.Rcode != tt.rcode || (opt != nil) != tt.opt {
			t.Errorf("%s: got rcode %d, OPT %v, want %d, %v; packet %x", tt.name, m.Rcode, opt, tt.rcode, tt.opt, tt.raw)
		}
		if opt != nil && (opt.Do() != tt.do || opt.UDPSize() != ednsSize || len(opt.Option) > 0) {
			t.Errorf("%s: got %v, want DO %v, size %d and no options", tt.name, opt, tt.do, ednsSize)
		}
	}
}

// TestMetaTypes: types that records cannot have are refused, inside the zone and outside.
func TestMetaTypes(t *testing.T) {
	s := newServer(t, oneName{addrs: 1})
	for qtype, want := range map[uint16]int{
		dns.TypeAXFR: dns.RcodeRefused, dns.TypeIXFR: dns.RcodeRefused, dns.TypeANY: dns.RcodeRefused,
		dns.TypeOPT:  dns.RcodeNotImplemented,
		dns.TypeTSIG: dns.RcodeNotImplemented, dns.TypeTKEY: dns.RcodeNotImplemented, dns.TypeMAILA: dns.RcodeNotImplemented,
		dns.TypeMAILB: dns.RcodeNotImplemented, 128: dns.RcodeNotImplemented, dns.TypeHTTPS: dns.RcodeSuccess,
		dns.TypeURI: dns.RcodeSuccess,
	} {
		for _, name := range []string{"web.cluster.local.", "www.outside.example.", "1.0.0.10.in-addr.arpa."} {
			if want == dns.RcodeSuccess && name != "web.cluster.local." {
				continue
			}
			raw, err := new(dns.Msg).SetQuestion(name, qtype).Pack()
			if err != nil {
				t.Fatal(err)
			}
			reply := s.respond(raw, noClient, tcp).reply
			if len(reply) < headerSize || int(reply[3]&0xf) != want || want != 0 && (reply[7] != 0 || reply[9] != 0) {
				t.Errorf("%s, type %d: %x, want rcode %d alone", name, qtype, reply, want)
			}
		}
	}
}

// TestBitsOfOtherOpcodes: RD and CD are not copied for other opcodes.
func TestBitsOfOtherOpcodes(t *testing.T) {
	s := newServer(t, oneName{addrs: 1})
	for opcode := range byte(16) {
		reply := s.respond(withOpcode(opcode, packetWith(3, 0, backend.TypeA)), noClient, udp).reply
		if copied := reply[2]&1 != 0 && reply[3]&0x10 != 0; copied != (opcode == 0) || reply[2]>>3&0xf != opcode {
			t.Errorf("opcode %d: %x", opcode, reply)
		}
	}
}

// TestApexSpelling: the owner of every answer is spelled like the question.
func TestApexSpelling(t *testing.T) {
	s := newServer(t, oneName{addrs: 2})
	for _, q := range []struct {
		name  string
		qtype uint16
	}{
		{"Cluster.LOCAL.", dns.TypeSOA}, {"cluster.local.", dns.TypeSOA}, {"CLUSTER.LOCAL.", dns.TypeSOA},
		{"Web.Cluster.LOCAL.", dns.TypeA}, {"WEB.cluster.local.", dns.TypeSRV},
	} {
		for _, via := range []transport{udp, tcp} {
			m := new(dns.Msg)
			packet := packed(t, new(dns.Msg).SetQuestion(q.name, q.qtype))
			if err := m.Unpack(s.respond(packet, noClient, via).reply); err != nil || len(m.Answer) == 0 {
				t.Fatalf("%s: got %v (%v), want records", q.name, m, err)
			}
			for _, rr := range append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: m.Question[0].Name}}) {
				if got := rr.Header().Name; got != q.name {
					t.Errorf("%s: got owner %s", q.name, got)
				}
			}
		}
	}
}
