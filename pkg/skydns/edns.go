package skydns

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// An edns is what a query's OPT record holds for us (RFC 6891 section 6.1). Its
// options are ignored, whatever they are.
type edns struct {
	size    int // of UDP replies
	version byte
	do      bool // DNSSEC OK, which a reply repeats (RFC 3225 section 3)
}

// reply is the OPT record of a reply.
func (e *edns) reply() *dns.OPT {
	opt := &dns.OPT{Hdr: dns.RR_Header{Name: ".", Rrtype: dns.TypeOPT}}
	opt.SetUDPSize(ednsSize)
	if e.do {
		opt.SetDo()
	}
	return opt
}

// scan checks that the sections of a packet, which has a header, hold what the
// header counts, and reads the OPT record. The record is returned also for
// packets that are malformed elsewhere. What follows the sections is ignored.
func scan(raw []byte) (e *edns, wellFormed bool) {
	count := func(section int) int { return int(binary.BigEndian.Uint16(raw[4+2*section:])) }
	off := headerSize
	for range count(0) {
		if off = nameEnd(raw, off); off < 0 || off+4 > len(raw) {
			return nil, false
		}
		off += 4
	}
	wellFormed = true
	for section := 1; section <= 3; section++ {
		for range count(section) {
			owner := off
			if off = nameEnd(raw, off); off < 0 || off+10 > len(raw) {
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
				wellFormed = wellFormed && (e.version != 0 || validOptions(raw[owner+11:off]))
			}
		}
	}
	return e, wellFormed
}

// validOptions reports whether the options of an OPT record fill it.
func validOptions(options []byte) bool {
	for len(options) > 0 {
		if len(options) < 4 {
			return false
		}
		size := 4 + int(binary.BigEndian.Uint16(options[2:]))
		if size > len(options) {
			return false
		}
		options = options[size:]
	}
	return true
}

// nameEnd returns the offset at which a name ends, or -1.
func nameEnd(raw []byte, off int) int {
	for off < len(raw) {
		switch size := int(raw[off]); {
		case size == 0:
			return off + 1
		case size >= 0xc0:
			if off+2 > len(raw) {
				return -1
			}
			return off + 2
		case size > 63:
			return -1
		default:
			off += 1 + size
		}
	}
	return -1
}
