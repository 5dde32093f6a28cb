package wire

import (
	"encoding/binary"
	"strings"
)

// Response codes of replies that this package writes.
const (
	Success   = 0
	NameError = 3
)

// A Reply is written piece by piece after the question of a query.
type Reply struct {
	// Buf is the reply so far.
	Buf   []byte
	owner uint16 // a pointer to the name that has the addresses
	srv   srv
}

// Begin starts a reply in dst, which is overwritten: the query's header and
// question, with AA and RA set, RD and CD copied, and no records counted yet.
func (r *Reply) Begin(dst, packet []byte, q *Query, rcode byte) {
	dst = append(dst[:0], packet[:q.End]...)
	r.Buf, r.owner = dst, owner
	r.Buf[2] = 0x84 | packet[2]&1
	r.Buf[3] = 0x80 | packet[3]&0x10 | rcode
	clear(r.Buf[6:headerSize])
}

// Answers sets the number of records in the answer section.
func (r *Reply) Answers(n int) { binary.BigEndian.PutUint16(r.Buf[6:], uint16(n)) }

// NotAuthoritative clears AA.
func (r *Reply) NotAuthoritative() { r.Buf[2] &^= 4 }

// CheckingDisabled sets CD.
func (r *Reply) CheckingDisabled() { r.Buf[3] |= 0x10 }

// Truncate sets TC.
func (r *Reply) Truncate() { r.Buf[2] |= 2 }

// owner is a pointer to the name of the question.
const owner = 0xc000 | headerSize

// AddressOverhead is the size of an address record without its address.
const AddressOverhead = 12

// appendHeader appends the part of a record before its data, which has size bytes.
func appendHeader(b []byte, owner, rrtype uint16, ttl uint32, size int) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(owner)<<48|uint64(rrtype)<<32|classIN<<16|uint64(ttl>>16))
	return binary.BigEndian.AppendUint32(b, ttl<<16|uint32(size))
}

// Addresses appends n address records of the question's name, or of an alias's target. addrs are
// concatenated addresses of size bytes. The first record has the address at index first; index 0
// follows the last index.
func (r *Reply) Addresses(rrtype uint16, ttl uint32, addrs string, size, first, n int) {
	header := appendHeader(make([]byte, 0, AddressOverhead), r.owner, rrtype, ttl, size)
	b := r.Buf
	for at := first * size; n > 0; n-- {
		b = append(b, header...)
		b = append(b, addrs[at:at+size]...)
		if at += size; at == len(addrs) {
			at = 0
		}
	}
	r.Buf = b
}

// Name appends a record of the question's name with a name as data, in two parts, in text,
// uncompressed. The first part is a label, or empty; the second ends with a dot.
func (r *Reply) Name(rrtype uint16, ttl uint32, left, right string) {
	size := len(right) + 1
	if left != "" {
		size += len(left) + 1
	}
	b := appendHeader(r.Buf, owner, rrtype, ttl, size)
	r.Buf = appendName(appendLabel(b, left), right)
}

// appendName appends a name, in text with trailing dot and without escapes.
func appendName(b []byte, name string) []byte {
	at := len(b)
	b = append(append(b, 0), name...)
	sizes, last := b[at:], 0 // a label's size is in the place of the dot before it
	for i := range len(name) {
		if name[i] == '.' {
			sizes[last] = byte(i - last)
			last = i + 1
		}
	}
	sizes[last] = 0
	return b
}

// appendLabel appends a label, unless it is empty.
func appendLabel[T string | []byte](b []byte, label T) []byte {
	if len(label) == 0 {
		return b
	}
	return append(append(b, byte(len(label))), label...)
}

// srv is the common part of a reply's SRV records, and their additional section.
type srv struct {
	limit int               // of the reply, in bytes
	ttl   uint32            // of all records
	fixed [srvOverhead]byte // a record up to its target, without size and port
	host  []byte            // the end of all targets
	at    uint16            // offset of host in the question
	last  int               // offset of the last target
	extra []byte            // the additional section, until it is added
	count int               // of its records; -1: they do not fit
}

// srvOverhead is the size of an SRV record without its target.
const srvOverhead = 18

// BeginSRV starts the SRV records of the question's name. Their targets end with host, a suffix of
// that name. The reply has at most limit bytes.
func (r *Reply) BeginSRV(limit int, ttl uint32, priority, weight uint16, host string, q *Query) {
	s, at := &r.srv, q.offset(host)
	s.limit, s.ttl, s.at = limit, ttl, pointerTo(at)
	s.host = appendEnd(s.host[:0], host, r.Buf[at:])
	b := appendHeader(s.fixed[:0], owner, typeSRV, ttl, 0)
	b = binary.BigEndian.AppendUint16(b, priority)
	binary.BigEndian.AppendUint16(b, weight)
	s.extra, s.count = s.extra[:0], 0
}

// appendEnd appends a name, in text with trailing dot. sizes is the same name on the wire, in any
// letter case.
func appendEnd(b []byte, name string, sizes []byte) []byte {
	at := len(b)
	b = append(append(b, 0), name...)
	for copied, i := b[at:], 0; i < len(copied); i += int(sizes[i]) + 1 {
		copied[i] = sizes[i]
	}
	return b
}

// SRV appends a record, unless the reply would become too large. label is the first label of the
// target, or empty. The target is not compressed (RFC 2782).
func (r *Reply) SRV(port uint16, label []byte) bool {
	s, at := &r.srv, len(r.Buf)
	size := srvOverhead + len(label) + len(s.host)
	if len(label) > 0 {
		size++
	}
	if at+size > s.limit {
		return false
	}
	r.Buf = append(r.Buf, s.fixed[:]...)
	binary.BigEndian.PutUint16(r.Buf[at+10:], uint16(size-AddressOverhead))
	binary.BigEndian.PutUint16(r.Buf[at+16:], port)
	r.Buf = append(appendLabel(r.Buf, label), s.host...)
	s.last = at + srvOverhead
	return true
}

// maxPointer is the largest offset of a pointer (RFC 1035 section 4.1.4).
const maxPointer = 0x3fff

func pointerTo(offset int) uint16 { return 0xc000 | uint16(offset) }

// Additional stores address records of the last SRV record's target for the additional section,
// unless they make the reply too large. addrs are concatenated addresses of size bytes.
func (r *Reply) Additional(rrtype uint16, addrs []byte, size int) {
	s := &r.srv
	b := s.extra
	for ; len(addrs) > 0 && s.count >= 0; addrs = addrs[size:] {
		pointer := pointerTo(s.last)
		if s.last > maxPointer {
			b = append(b, r.Buf[s.last:len(r.Buf)-len(s.host)]...) // the label
			pointer = s.at
		}
		b = appendHeader(b, pointer, rrtype, s.ttl, size)
		b = append(b, addrs[:size]...)
		if s.count++; len(r.Buf)+len(b) > s.limit {
			s.count = -1
		}
	}
	s.extra = b
}

// EndSRV adds the additional section, if all of it fits.
func (r *Reply) EndSRV() {
	if s := &r.srv; s.count > 0 && len(r.Buf)+len(s.extra) <= s.limit {
		r.Buf = append(r.Buf, s.extra...)
		binary.BigEndian.PutUint16(r.Buf[10:], uint16(s.count))
	}
}

// OPT appends an OPT record that announces size, and counts it (RFC 6891
// section 6.1.2). It sets DO as the query does (RFC 3225 section 3).
func (r *Reply) OPT(size uint16, do bool) {
	flags := byte(0)
	if do {
		flags = 0x80
	}
	r.Buf = append(r.Buf, 0, 0, typeOPT, byte(size>>8), byte(size), 0, 0, flags, 0, 0, 0)
	binary.BigEndian.PutUint16(r.Buf[10:], binary.BigEndian.Uint16(r.Buf[10:])+1)
}

// A SOA is the zone's SOA record for the authority section of negative replies (RFC 2308 section
// 3), without its serial.
type SOA struct {
	apex  string
	ttl   uint32
	tail  [20]byte // serial, refresh, retry, expire, minimum
	names []byte   // the name server and the mailbox, for an apex at offset 0
	at    [2]int   // where in names the pointers to the apex are
}

// NewSOA returns the record of a zone. All names are in text with trailing dot; ns and mbox are
// below apex.
func NewSOA(apex, ns, mbox string, ttl, refresh, retry, expire, minimum uint32) *SOA {
	s := &SOA{apex: apex, ttl: ttl}
	for i, v := range []uint32{0, refresh, retry, expire, minimum} {
		binary.BigEndian.PutUint32(s.tail[4*i:], v)
	}
	for i, name := range []string{ns, mbox} {
		s.names = appendName(s.names, strings.TrimSuffix(name, apex))
		s.at[i] = len(s.names) - 1 // the pointer replaces the root
		s.names = append(s.names, 0)
	}
	return s
}

// SOA appends the record of a zone that contains the question. The apex is a suffix of the
// question's name, so the record's names end with a pointer to it.
func (r *Reply) SOA(s *SOA, q *Query, serial uint32) {
	apex := 0xc000 | uint16(q.offset(s.apex))
	b := appendHeader(r.Buf, apex, typeSOA, s.ttl, len(s.names)+len(s.tail))
	names := len(b)
	b = append(b, s.names...)
	for _, at := range s.at {
		binary.BigEndian.PutUint16(b[names+at:], apex)
	}
	tail := len(b)
	b = append(b, s.tail[:]...)
	binary.BigEndian.PutUint32(b[tail:], serial)
	r.Buf = b
	binary.BigEndian.PutUint16(b[8:], 1)
}
