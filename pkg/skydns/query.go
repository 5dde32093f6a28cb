package skydns

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

const (
	headerSize = 12
	// minUDPSize is what every client can take (RFC 1035 section 2.3.4), and
	// maxUDPSize the most that we send: beyond it fragments get lost.
	minUDPSize, maxUDPSize = 512, 4096
	// ednsSize is the size that we announce: what fits any path unfragmented.
	ednsSize   = 1232
	maxTCPSize = dns.MaxMsgSize
)

// A request is a query that was understood.
type request struct {
	raw []byte // as it came, for the forwarder
	msg *dns.Msg
	// q is the one question, with the letter case of the client.
	q dns.Question
	// name is q.Name in the form that a Query has.
	name string
	// opt is the query's OPT record, nil without EDNS.
	opt *edns
	tcp bool
	// stale: the answer comes from data of an earlier run.
	stale bool
}

// limit is the size of the largest reply that the client takes.
func (r *request) limit() int {
	switch {
	case r.tcp:
		return maxTCPSize
	case r.opt == nil:
		return minUDPSize
	}
	return min(max(r.opt.size, minUDPSize), maxUDPSize)
}

// parse reads a packet. When it returns no request, the reply is what is left
// to say: an error message, or nil for packets that must not be answered.
func parse(raw []byte, tcp bool) (*request, *dns.Msg) {
	if len(raw) < headerSize || raw[2]&0x80 != 0 {
		return nil, nil // not even a header, or a response
	}
	if opcode := int(raw[2]>>3) & 0xf; opcode != dns.OpcodeQuery {
		return nil, refusal(raw, dns.RcodeNotImplemented)
	}
	count := func(section int) uint16 { return binary.BigEndian.Uint16(raw[4+2*section:]) }
	if count(0) != 1 || count(1) > 1 || count(2) > 1 || count(3) > 2 {
		return nil, refusal(raw, dns.RcodeFormatError)
	}
	opt, wellFormed := scan(raw)
	q, ok := readQuestion(raw)
	if !wellFormed || !ok {
		return nil, refusal(raw, dns.RcodeFormatError)
	}
	msg := &dns.Msg{Question: []dns.Question{q}}
	msg.Id = binary.BigEndian.Uint16(raw)
	msg.RecursionDesired, msg.CheckingDisabled = raw[2]&1 != 0, raw[3]&0x10 != 0
	return &request{raw: raw, msg: msg, q: q, name: canonical(q.Name), opt: opt, tcp: tcp}, nil
}

// readQuestion reads the question that follows the header. Its name cannot be compressed,
// since there is no name before it.
func readQuestion(raw []byte) (dns.Question, bool) {
	end := headerSize
	for end < len(raw) && 0 < raw[end] && raw[end] <= 63 {
		end += 1 + int(raw[end])
	}
	if end+5 > len(raw) || raw[end] != 0 {
		return dns.Question{}, false
	}
	name, off, err := dns.UnpackDomainName(raw, headerSize)
	if err != nil || off != end+1 {
		return dns.Question{}, false
	}
	return dns.Question{Name: name, Qtype: binary.BigEndian.Uint16(raw[off:]), Qclass: binary.BigEndian.Uint16(raw[off+2:])}, true
}

// refusal is the reply to a packet that is not processed: its header, and the
// question and an OPT record where they can be read.
func refusal(raw []byte, rcode int) *dns.Msg {
	m := new(dns.Msg)
	m.Id = binary.BigEndian.Uint16(raw)
	m.Response = true
	m.Opcode = int(raw[2]>>3) & 0xf
	if m.Opcode == dns.OpcodeQuery { // the bits have other meanings, or none, elsewhere
		m.RecursionDesired = raw[2]&1 != 0
		m.CheckingDisabled = raw[3]&0x10 != 0
	}
	m.Rcode = rcode
	if opt, _ := scan(raw); opt != nil {
		m.Extra = []dns.RR{opt.reply()}
	}
	if binary.BigEndian.Uint16(raw[4:]) == 0 {
		return m
	}
	if q, ok := readQuestion(raw); ok {
		m.Question = []dns.Question{q}
	}
	return m
}

// isMeta reports whether a type is not one of records: OPT, and those for
// queries and transactions, such as AXFR, TSIG and ANY (RFC 6895 section 3.1).
func isMeta(qtype uint16) bool {
	return qtype == dns.TypeOPT || 128 <= qtype && qtype <= 255
}

// canonical turns a name in presentation format (RFC 1035 section 5.1) into
// lower case, and every dot inside a label into \046, so that the dots left
// separate labels.
func canonical(name string) string {
	if !strings.Contains(name, `\`) {
		return lower(name)
	}
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		switch {
		case name[i] != '\\' || i+1 == len(name):
			b.WriteByte(name[i])
		case name[i+1] == '.':
			b.WriteString(`\046`)
			i++
		default:
			b.WriteString(name[i : i+2])
			i++
		}
	}
	return lower(b.String())
}

// lower is strings.ToLower for ASCII alone, as DNS compares (RFC 4343).
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			b := []byte(s)
			for ; i < len(b); i++ {
				if 'A' <= b[i] && b[i] <= 'Z' {
					b[i] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// isBelow says whether name is at or below the apex of a zone.
func isBelow(name, apex string) bool {
	at := len(name) - len(apex)
	return at >= 0 && name[at:] == apex && (at == 0 || name[at-1] == '.')
}

// reverseAddr is the address of a complete name below in-addr.arpa (RFC 1035
// section 3.5) or ip6.arpa (RFC 3596 section 2.5).
func reverseAddr(name string) (netip.Addr, bool) {
	if labels, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		parts := strings.Split(labels, ".")
		if len(parts) != 4 {
			return netip.Addr{}, false
		}
		addr, err := netip.ParseAddr(parts[3] + "." + parts[2] + "." + parts[1] + "." + parts[0])
		return addr, err == nil && addr.Is4()
	}
	nibbles, ok := strings.CutSuffix(name, ".ip6.arpa.")
	if !ok || len(nibbles) != 63 {
		return netip.Addr{}, false
	}
	var b [16]byte
	for i := range 32 {
		c := nibbles[62-2*i]
		if i < 31 && nibbles[61-2*i] != '.' {
			return netip.Addr{}, false
		}
		v, err := strconv.ParseUint(string(c), 16, 4)
		if err != nil {
			return netip.Addr{}, false
		}
		b[i/2] |= byte(v) << (4 * (1 - i%2))
	}
	return netip.AddrFrom16(b).Unmap(), true
}

// reversePrefix is the prefix of the addresses whose names are below name, which is
// above a complete one by one label at least: at an octet of IPv4 or four bits of
// IPv6.
func reversePrefix(name string) (netip.Prefix, bool) {
	if labels, ok := strings.CutSuffix(name, ".in-addr.arpa."); ok {
		missing := 3 - strings.Count(labels, ".")
		if missing < 1 {
			return netip.Prefix{}, false
		}
		addr, ok := reverseAddr(strings.Repeat("0.", missing) + name)
		return netip.PrefixFrom(addr, 32-8*missing), ok
	}
	labels, ok := strings.CutSuffix(name, ".ip6.arpa.")
	if !ok || len(labels) > 61 || len(labels)%2 == 0 {
		return netip.Prefix{}, false
	}
	missing := 31 - len(labels)/2
	addr, ok := reverseAddr(strings.Repeat("0.", missing) + name)
	if addr.Is4() { // it is within ::ffff:0:0/96, where the names of IPv4 are not looked for
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(addr, 128-4*missing), ok
}
