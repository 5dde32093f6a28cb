// Package wire reads plain DNS queries and writes their replies as bytes, without allocating. The
// DNS library handles all other queries.
package wire

import "encoding/binary"

const (
	headerSize = HeaderSize
	maxName    = 255 // RFC 1035 section 2.3.4, on the wire
	classIN    = 1
	typeSOA    = 6
	typeSRV    = 33
	typeOPT    = 41
	// OPTSize is the size of an OPT record without options.
	OPTSize = 11
)

// A Query is a plain query: one question of class IN, and at most one OPT record of EDNS version 0.
// Its name has only letters, digits, "-" and "_". A Query is reused for several packets.
type Query struct {
	// Name is the name in lower case with trailing dot, in text. It is valid
	// until the next Parse.
	Name []byte
	// Type is the type of the question.
	Type uint16
	// End is the offset of the end of the question section in the packet.
	End int
	// OPT: the query has an OPT record. DO is its DNSSEC OK bit, and Size the size
	// of the largest reply over UDP that it allows; without OPT it is 512.
	OPT, DO bool
	Size    int

	text [maxName + 1]byte
}

// offset returns the offset in the packet of end, a suffix of the name.
func (q *Query) offset(end string) int { return headerSize + len(q.Name) - len(end) }

// lowered maps each byte that is allowed in a plain name to lower case, and all other bytes to 0.
var lowered = func() (t [256]byte) {
	for c := '0'; c <= '9'; c++ {
		t[c] = byte(c)
	}
	for c := 'a'; c <= 'z'; c++ {
		t[c], t[c-'a'+'A'] = byte(c), byte(c)
	}
	t['-'], t['_'] = '-', '_'
	return t
}()

// Parse reads a packet and reports whether it is a plain query.
func (q *Query) Parse(packet []byte) bool {
	if len(packet) < headerSize+5 || packet[2]&0xf8 != 0 { // a response, or another opcode
		return false
	}
	// One question, no answer, no authority, at most one additional record.
	if binary.BigEndian.Uint32(packet[4:]) != 1<<16 || binary.BigEndian.Uint16(packet[8:]) != 0 ||
		packet[10] != 0 || packet[11] > 1 {
		return false
	}
	off := q.parseName(packet)
	if off == 0 || off+4 > len(packet) || binary.BigEndian.Uint16(packet[off+2:]) != classIN {
		return false
	}
	q.Type = binary.BigEndian.Uint16(packet[off:])
	q.End = off + 4
	q.OPT, q.DO, q.Size = packet[11] == 1, false, 512
	if !q.OPT {
		return q.End == len(packet)
	}
	return q.parseOPT(packet[q.End:])
}

// parseName reads the name of the question and returns the offset after it, or 0 if it is not
// plain.
func (q *Query) parseName(packet []byte) int {
	off, n := headerSize, 0
	for off < len(packet) {
		size := int(packet[off])
		off++
		if size == 0 {
			if n == 0 {
				q.text[0], n = '.', 1
			}
			q.Name = q.text[:n]
			return off
		}
		// A length over 63 is a pointer. The text has as many bytes as the
		// wire has, less the root's.
		if size > 63 || off+size > len(packet) || n+size+1 > maxName-1 {
			return 0
		}
		label, text := packet[off:off+size], q.text[n:n+size]
		for i, c := range label {
			low := lowered[c]
			if low == 0 {
				return 0
			}
			text[i] = low
		}
		q.text[n+size] = '.'
		n += size + 1
		off += size
	}
	return 0
}

// parseOPT reads an OPT record that must end the packet (RFC 6891 section 6.1.2). It ignores the
// options, but they must fill the record.
func (q *Query) parseOPT(rr []byte) bool {
	if len(rr) < OPTSize || rr[0] != 0 || binary.BigEndian.Uint16(rr[1:]) != typeOPT || rr[6] != 0 {
		return false
	}
	q.Size = max(512, int(binary.BigEndian.Uint16(rr[3:])))
	q.DO = rr[7]&0x80 != 0
	options := rr[OPTSize:]
	return int(binary.BigEndian.Uint16(rr[9:])) == len(options) && ValidOptions(options)
}
