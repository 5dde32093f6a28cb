package skydns

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

const (
	headerSize = wire.HeaderSize
	// minUDPSize is the size that every client can receive (RFC 1035 section 2.3.4). Replies over
	// UDP have at most maxUDPSize: larger replies lose fragments.
	minUDPSize, maxUDPSize = 512, 4096
	// ednsSize is the size that replies announce: it fits any path without fragments.
	ednsSize   = 1232
	maxTCPSize = dns.MaxMsgSize
)

// A request is a query, as far as it could be read.
type request struct {
	raw []byte // the packet, for the forwarder
	via transport
	// from is the client's address, for the query log.
	from netip.Addr
	// question is the one question, in the client's letter case; zero: there is none.
	question dns.Question
	// name is the question's name in the form of a backend.Query.
	name string
	// opt is the query's OPT record, nil without EDNS.
	opt *edns
	// stale: the answer comes from data of an earlier run.
	stale bool
	// lookUp continues the search list of the pod, as search.lookUp; nil: there is no search.
	lookUp func(until time.Time, goOn func(step func() (*dns.Msg, error)))
}

// An edns is the part of an OPT record that is used (RFC 6891 section 6.1). Options are ignored.
type edns struct {
	size    int // of replies over UDP
	version byte
	do      bool // DNSSEC OK, which a reply repeats (RFC 3225 section 3)
}

// limit returns the maximum size of a reply that the client accepts.
func (r *request) limit() int {
	switch {
	case r.via == tcp:
		return maxTCPSize
	case r.opt == nil:
		return minUDPSize
	}
	return min(max(r.opt.size, minUDPSize), maxUDPSize)
}

// opcode returns the operation that the client requests.
func (r *request) opcode() int { return int(r.raw[2]>>3) & 0xf }

// parse reads a packet. It returns nil for packets without a reply, and an rcode other than NOERROR
// for packets that are not processed.
func parse(raw []byte, via transport) (*request, int) {
	if len(raw) < headerSize || raw[2]&0x80 != 0 {
		return nil, 0 // not even a header, or a response
	}
	r := &request{raw: raw, via: via}
	count := func(section int) uint16 { return binary.BigEndian.Uint16(raw[4+2*section:]) }
	readable := false
	opt, wellFormed := readOPT(raw)
	r.opt = opt
	if count(0) > 0 {
		r.question, readable = readQuestion(raw)
		r.name = canonical(r.question.Name)
	}
	switch {
	case r.opcode() != dns.OpcodeQuery:
		return r, dns.RcodeNotImplemented
	case !wellFormed || !readable || count(0) > 1 || count(1) > 1 || count(2) > 1 || count(3) > 2:
		return r, dns.RcodeFormatError
	}
	return r, dns.RcodeSuccess
}

// readQuestion reads the question after the header. Its name cannot be compressed, since no name
// precedes it.
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
	qtype, class := binary.BigEndian.Uint16(raw[off:]), binary.BigEndian.Uint16(raw[off+2:])
	return dns.Question{Name: name, Qtype: qtype, Qclass: class}, true
}

// readOPT checks that the sections of a packet match the counts in the header, and reads the OPT
// record. It returns the record even if the packet is malformed elsewhere. Bytes after the sections
// are ignored.
func readOPT(raw []byte) (e *edns, wellFormed bool) {
	count := func(section int) int { return int(binary.BigEndian.Uint16(raw[4+2*section:])) }
	off := headerSize
	for range count(0) {
		if off = wire.SkipName(raw, off); off < 0 || off+4 > len(raw) {
			return nil, false
		}
		off += 4
	}
	wellFormed = true
	for section := 1; section <= 3; section++ {
		for range count(section) {
			owner := off
			if off = wire.SkipName(raw, off); off < 0 || off+10 > len(raw) {
				return e, false
			}
			rr := raw[off:]
			off += 10 + int(binary.BigEndian.Uint16(rr[8:]))
			switch {
			case off > len(raw):
				return e, false
			case binary.BigEndian.Uint16(rr) != dns.TypeOPT:
			case section < 3 || e != nil || raw[owner] != 0:
				wellFormed = false // RFC 6891 section 6.1.1
			default:
				e = &edns{size: int(binary.BigEndian.Uint16(rr[2:])), version: rr[5], do: rr[6]&0x80 != 0}
				wellFormed = wellFormed && (e.version != 0 || wire.ValidOptions(raw[owner+11:off]))
			}
		}
	}
	return e, wellFormed
}
