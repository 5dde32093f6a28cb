package wire

import "encoding/binary"

// Response codes of replies that are written here.
const (
	Success   = 0
	NameError = 3
)

// A Reply is written piece by piece behind the question of a query.
type Reply struct {
	// Buf is the reply so far.
	Buf []byte
}

// Begin starts a reply in dst, which is overwritten: the query's header and
// question, with AA and RA set, RD and CD copied, and no records counted yet.
func (r *Reply) Begin(dst, packet []byte, q *Query, rcode byte) {
	dst = append(dst[:0], packet[:q.End]...)
	r.Buf = dst
	r.Buf[2] = 0x84 | packet[2]&1
	r.Buf[3] = 0x80 | packet[3]&0x10 | rcode
	clear(r.Buf[6:headerSize])
}

// Answers sets the number of records in the answer section.
func (r *Reply) Answers(n int) { binary.BigEndian.PutUint16(r.Buf[6:], uint16(n)) }

// NotAuthoritative clears AA.
func (r *Reply) NotAuthoritative() { r.Buf[2] &^= 4 }

// Truncate sets TC.
func (r *Reply) Truncate() { r.Buf[2] |= 2 }

// owner is a pointer to the name of the question.
const owner = 0xc000 | headerSize

// AddressOverhead is what an address record needs beside its address.
const AddressOverhead = 12

// Addresses appends n address records of the question's name. addrs are
// addresses of size bytes, one after the other; the first record has the one at
// index first, and it goes round.
func (r *Reply) Addresses(rrtype uint16, ttl uint32, addrs string, size, first, n int) {
	var head [AddressOverhead]byte
	binary.BigEndian.PutUint16(head[0:], owner)
	binary.BigEndian.PutUint16(head[2:], rrtype)
	head[5] = classIN
	binary.BigEndian.PutUint32(head[6:], ttl)
	head[11] = byte(size)
	b := r.Buf
	for at := first * size; n > 0; n-- {
		b = append(b, head[:]...)
		b = append(b, addrs[at:at+size]...)
		if at += size; at == len(addrs) {
			at = 0
		}
	}
	r.Buf = b
}

// Name appends a record of the question's name whose data is a name in two
// parts, in text, uncompressed. The first is a label, or empty; the second ends
// with a dot.
func (r *Reply) Name(rrtype uint16, ttl uint32, left, right string) {
	b := binary.BigEndian.AppendUint16(r.Buf, owner)
	b = binary.BigEndian.AppendUint16(b, rrtype)
	b = append(b, 0, classIN)
	b = binary.BigEndian.AppendUint32(b, ttl)
	size := len(right) + 1
	if left != "" {
		size += len(left) + 1
	}
	b = binary.BigEndian.AppendUint16(b, uint16(size))
	b = appendLabels(b, left)
	r.Buf = append(appendLabels(b, right), 0)
}

// appendLabels appends the labels of a name, less the root. The text has no
// escapes.
func appendLabels(b []byte, name string) []byte {
	for len(name) > 0 {
		size := 0
		for size < len(name) && name[size] != '.' {
			size++
		}
		b = append(b, byte(size))
		b = append(b, name[:size]...)
		name = name[min(size+1, len(name)):]
	}
	return b
}

// OPT appends an OPT record that announces size, and counts it (RFC 6891
// section 6.1.2).
func (r *Reply) OPT(size uint16) {
	r.Buf = append(r.Buf, 0, 0, typeOPT, byte(size>>8), byte(size), 0, 0, 0, 0, 0, 0)
	binary.BigEndian.PutUint16(r.Buf[10:], binary.BigEndian.Uint16(r.Buf[10:])+1)
}

// A SOA is the zone's SOA record for the authority section of negative replies
// (RFC 2308 section 3), all but its serial.
type SOA struct {
	apex  string
	ttl   uint32
	tail  [20]byte // serial, refresh, retry, expire, minimum
	names []byte   // ns.dns and hostmaster, for an apex at offset 0
	at    [2]int   // where in names the pointers to the apex are
}

// NewSOA makes the record of a zone. apex is its name in text with trailing
// dot.
func NewSOA(apex string, ttl, refresh, retry, expire, minimum uint32) *SOA {
	s := &SOA{apex: apex, ttl: ttl}
	for i, v := range []uint32{0, refresh, retry, expire, minimum} {
		binary.BigEndian.PutUint32(s.tail[4*i:], v)
	}
	s.names = append(s.names, "\x02ns\x03dns\x00\x00"...)
	s.at[0] = len(s.names) - 2
	s.names = append(s.names, "\x0ahostmaster\x00\x00"...)
	s.at[1] = len(s.names) - 2
	return s
}

// SOA appends the record of a zone that the question is in. The apex is the end
// of the question's name, so that a pointer to it does; its letters must be in
// lower case there.
func (r *Reply) SOA(s *SOA, q *Query, serial uint32) {
	apex := 0xc000 | uint16(headerSize+len(q.Name)-len(s.apex))
	b := binary.BigEndian.AppendUint16(r.Buf, apex)
	b = append(b, 0, 6, 0, classIN)
	b = binary.BigEndian.AppendUint32(b, s.ttl)
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.names)+len(s.tail)))
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

// Sections appends what a packed reply to the same question has behind it, and
// sets the sizes of the sections to counts, which are the last six bytes of its
// header.
func (r *Reply) Sections(counts [6]byte, sections []byte) {
	copy(r.Buf[6:headerSize], counts[:])
	r.Buf = append(r.Buf, sections...)
}
