package wire

import "encoding/binary"

// srv is what the SRV records of a reply have in common, and their additional section.
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

// BeginSRV begins the SRV records of the question's name. Their targets end with host,
// which is the end of that name. The reply has at most limit bytes.
func (r *Reply) BeginSRV(limit int, ttl uint32, priority, weight uint16, host string, q *Query) {
	s, at := &r.srv, q.offset(host)
	s.limit, s.ttl, s.at = limit, ttl, pointerTo(at)
	s.host = appendEnd(s.host[:0], host, r.Buf[at:])
	b := appendHeader(s.fixed[:0], owner, typeSRV, ttl, 0)
	b = binary.BigEndian.AppendUint16(b, priority)
	binary.BigEndian.AppendUint16(b, weight)
	s.extra, s.count = s.extra[:0], 0
}

// appendEnd appends a name, in text with trailing dot. sizes is the same name on the wire,
// but in any case of letters.
func appendEnd(b []byte, name string, sizes []byte) []byte {
	at := len(b)
	b = append(append(b, 0), name...)
	for copied, i := b[at:], 0; i < len(copied); i += int(sizes[i]) + 1 {
		copied[i] = sizes[i]
	}
	return b
}

// SRV appends a record, unless the reply would then be too large. label is the first label
// of the target, or empty. The target is not compressed (RFC 2782).
func (r *Reply) SRV(port uint16, label []byte) bool {
	s, at := &r.srv, len(r.Buf)
	size := srvOverhead + len(label) + len(s.host)
	if len(label) > 0 {
		size++
	}
	if at+size > s.limit {
		return false
	}
	b := append(r.Buf, s.fixed[:]...)
	binary.BigEndian.PutUint16(b[at+10:], uint16(size-AddressOverhead))
	binary.BigEndian.PutUint16(b[at+16:], port)
	r.Buf = append(appendLabel(b, label), s.host...)
	s.last = at + srvOverhead
	return true
}

// maxPointer is the largest offset of a pointer (RFC 1035 section 4.1.4).
const maxPointer = 0x3fff

func pointerTo(offset int) uint16 { return 0xc000 | uint16(offset) }

// Additional keeps address records of the last SRV record's target for the additional
// section, unless they make the reply too large. addrs are addresses of size bytes.
func (r *Reply) Additional(rrtype uint16, addrs []byte, size int) {
	s := &r.srv
	for ; len(addrs) > 0 && s.count >= 0; addrs = addrs[size:] {
		b, pointer := s.extra, pointerTo(s.last)
		if s.last > maxPointer {
			b = append(b, r.Buf[s.last:len(r.Buf)-len(s.host)]...) // the label
			pointer = s.at
		}
		b = appendHeader(b, pointer, rrtype, s.ttl, size)
		s.extra = append(b, addrs[:size]...)
		if s.count++; len(r.Buf)+len(s.extra) > s.limit {
			s.count = -1
		}
	}
}

// EndSRV adds the additional section, if all of it fits.
func (r *Reply) EndSRV() {
	if s := &r.srv; s.count > 0 && len(r.Buf)+len(s.extra) <= s.limit {
		r.Buf = append(r.Buf, s.extra...)
		binary.BigEndian.PutUint16(r.Buf[10:], uint16(s.count))
	}
}
