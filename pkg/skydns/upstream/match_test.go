package upstream

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/miekg/dns"
)

// TestMatchReply: a reply has the query's ID, opcode and question. An error
// without a question rejects the query, an NXDOMAIN without one is ignored.
func TestMatchReply(t *testing.T) {
	query := packed(t, new(dns.Msg).SetQuestion("www.example.", dns.TypeA))
	id := binary.BigEndian.Uint16(query)
	bare := func(rcode byte) func([]byte) []byte {
		return func(r []byte) []byte {
			clear(r[4:headerSize])
			r[3] = rcode
			return r[:headerSize]
		}
	}
	for name, tt := range map[string]struct {
		change func(r []byte) []byte
		want   match
	}{
		"as it was":         {func(r []byte) []byte { return r }, related},
		"another case":      {func(r []byte) []byte { r[headerSize+1] = 'W'; return r }, related},
		"another ID":        {func(r []byte) []byte { r[1]++; return r }, unrelated},
		"a query":           {func(r []byte) []byte { r[2] &^= 0x80; return r }, unrelated},
		"another opcode":    {func(r []byte) []byte { r[2] |= dns.OpcodeNotify << 3; return r }, unrelated},
		"another name":      {func(r []byte) []byte { r[headerSize+1] = 'x'; return r }, unrelated},
		"a bit of the name": {func(r []byte) []byte { r[headerSize+1] ^= 0x80; return r }, unrelated},
		"another type":      {func(r []byte) []byte { r[len(r)-3] = 'A'; return r }, unrelated},
		"another class":     {func(r []byte) []byte { r[len(r)-1]++; return r }, unrelated},
		"two questions":     {func(r []byte) []byte { r[5] = 2; return r }, unrelated},
		"a short question":  {func(r []byte) []byte { return r[:len(r)-1] }, unrelated},
		"bare NOERROR":      {bare(dns.RcodeSuccess), unrelated},
		"bare FORMERR":      {bare(dns.RcodeFormatError), rejection},
		"bare SERVFAIL":     {bare(dns.RcodeServerFailure), rejection},
		"bare NXDOMAIN":     {bare(dns.RcodeNameError), unrelated},
		"bare NOTIMP":       {bare(dns.RcodeNotImplemented), rejection},
		"bare REFUSED":      {bare(dns.RcodeRefused), rejection},
		"bare YXDOMAIN":     {bare(dns.RcodeYXDomain), unrelated},
	} {
		reply := bytes.Clone(query)
		reply[2] |= 0x80
		if got := matchReply(tt.change(reply), query, id); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// FuzzMatchReply: the matcher never panics, and a related reply has the ID and
// the question of the query as the library reads them.
func FuzzMatchReply(f *testing.F) {
	query := packed(f, new(dns.Msg).SetQuestion("www.example.", dns.TypeA))
	reply := bytes.Clone(query)
	reply[2] |= 0x80
	f.Add(reply, query, binary.BigEndian.Uint16(query))
	f.Add([]byte{}, query[:headerSize], uint16(0))
	f.Add(reply[:headerSize], query, binary.BigEndian.Uint16(query))
	f.Fuzz(func(t *testing.T, reply, query []byte, id uint16) {
		switch matchReply(reply, query, id) {
		case related:
			a, b := question(reply), question(query)
			if binary.BigEndian.Uint16(reply) != id || reply[2]&0x80 == 0 || len(a) != len(b) ||
				!bytes.Equal(a[len(a)-4:], b[len(b)-4:]) {
				t.Error("an unrelated reply was taken")
			}
		case rejection:
			if binary.BigEndian.Uint16(reply) != id || binary.BigEndian.Uint16(reply[4:]) != 0 ||
				reply[3]&0xf == dns.RcodeNameError {
				t.Error("not a rejection")
			}
		}
	})
}
