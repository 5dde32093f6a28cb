package wire

import (
	"encoding/binary"
	"math"
)

// A Source is a reply whose answer is copied into another reply.
type Source struct {
	Rcode byte
	// Answers is the number of records in the answer section, Type the type of the last one, and
	// TTL their smallest TTL.
	Answers int
	Type    uint16
	TTL     uint32
	// NegativeTTL is the TTL of a denial by the SOA record (RFC 2308 section 5).
	NegativeTTL uint32

	msg             []byte
	answer, soa, at int // offsets: of the answers, of the SOA record and after it
}

// ReadSource reads a reply to one question, as packed by the library. It reports whether the
// records can be copied: it supports the types of all answers, and the authority section has at
// most one SOA record.
func ReadSource(msg []byte) (s Source, ok bool) {
	answer, _, d := skipQuestions(msg)
	if d != Sound || binary.BigEndian.Uint16(msg[4:]) != 1 || msg[8] != 0 || msg[9] > 1 {
		return s, false
	}
	s = Source{
		Rcode: msg[3] & 0xf, Answers: int(binary.BigEndian.Uint16(msg[6:])), TTL: math.MaxUint32,
		NegativeTTL: math.MaxUint32, msg: msg, answer: answer, at: answer,
	}
	for range s.Answers {
		r, d := readRecord(msg, s.at)
		if _, known := formOf(r.rrtype); d != Sound || !known || checkData(msg, r) != Sound {
			return s, false // data of another type might have compressed names
		}
		s.at, s.Type, s.TTL = r.end, r.rrtype, min(s.TTL, ttlOf(msg, r))
	}
	s.soa = s.at
	if msg[9] == 1 {
		r, d := readRecord(msg, s.at)
		if d != Sound || r.rrtype != typeSOA || checkData(msg, r) != Sound {
			return s, false
		}
		s.at, s.NegativeTTL = r.end, min(ttlOf(msg, r), binary.BigEndian.Uint32(msg[r.end-4:]))
	}
	return s, true
}

func ttlOf(msg []byte, r record) uint32 { return binary.BigEndian.Uint32(msg[r.data-6:]) }

// Alias appends a CNAME record of the question's name, the first one of the answer section. The
// addresses that follow belong to its target, a name in text with trailing dot.
func (r *Reply) Alias(ttl uint32, target string) {
	r.Name(typeCNAME, ttl, "", target)
	r.owner = pointerTo(len(r.Buf) - len(target) - 1)
	r.Answers(1)
}

// Copy appends the answers of a source with TTL ttl, and its SOA record with negativeTTL. The
// source's question is for the target of the Alias before. It reports whether the reply has at most
// limit bytes.
func (r *Reply) Copy(s *Source, ttl, negativeTTL uint32, limit int) bool {
	shift := len(r.Buf) - s.answer
	if s.at+shift > min(limit, maxPointer) {
		return false
	}
	r.Buf = append(r.Buf, s.msg[s.answer:s.at]...)
	for off := s.answer; off < s.at; {
		rec, _ := readRecord(s.msg, off)
		if off == s.soa {
			ttl = negativeTTL
			r.Buf[9] = 1
		}
		binary.BigEndian.PutUint32(r.Buf[rec.data-6+shift:], ttl)
		r.move(s, off, shift)
		form, _ := formOf(rec.rrtype)
		name := rec.data + form.before
		for range form.names {
			name = r.move(s, name, shift)
		}
		off = rec.end
	}
	r.Answers(1 + s.Answers)
	return true
}

// move corrects the name at an offset of a source in its copy, and returns the offset after the
// name. A pointer to the source's question becomes a pointer to the target of the alias.
func (r *Reply) move(s *Source, off, shift int) (end int) {
	for s.msg[off] != 0 && s.msg[off] < 0xc0 {
		off += 1 + int(s.msg[off])
	}
	if s.msg[off] == 0 {
		return off + 1
	}
	to := int(binary.BigEndian.Uint16(s.msg[off:]) & maxPointer)
	if to < s.answer {
		to += int(r.owner&maxPointer) - headerSize
	} else {
		to += shift
	}
	binary.BigEndian.PutUint16(r.Buf[off+shift:], pointerTo(to))
	return off + 2
}
