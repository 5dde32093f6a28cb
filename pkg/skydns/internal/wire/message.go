package wire

import (
	"encoding/binary"
	"math"
)

// A Defect is the reason why a message cannot be read.
type Defect int

// Defects of messages.
const (
	Sound   Defect = iota
	Short          // the message ends before the records that its header counts
	BadName        // a name is too long, or has a bad pointer
	BadData        // the data of a record does not match its type
)

func (d Defect) String() string {
	return [...]string{"sound", "short", "name", "data"}[d]
}

const (
	typeA     = 1
	typeNS    = 2
	typeCNAME = 5
	typePTR   = 12
	typeMX    = 15
	typeAAAA  = 28
	typeDNAME = 39
)

// A record is the place of a resource record in a message.
type record struct {
	start, data, end int
	rrtype           uint16
}

// Check walks all sections of a message and returns the offset after the last record. Trailing
// bytes are not a defect.
func Check(msg []byte) (end int, d Defect) {
	off, records, d := skipQuestions(msg)
	for ; d == Sound && records > 0; records-- {
		var r record
		if r, d = readRecord(msg, off); d == Sound {
			off, d = r.end, checkData(msg, r)
		}
	}
	return off, d
}

// TrailingOPT returns the offset of the OPT record at the end of a message. It returns -1 if there
// is none, or the message is not sound.
func TrailingOPT(msg []byte) int {
	off, records, d := skipQuestions(msg)
	if d != Sound || len(msg) < HeaderSize || binary.BigEndian.Uint16(msg[10:]) == 0 {
		return -1
	}
	var last record
	for ; records > 0; records-- {
		if last, d = readRecord(msg, off); d != Sound {
			return -1
		}
		off = last.end
	}
	if last.rrtype != typeOPT || last.end != len(msg) || last.data-last.start != OPTSize {
		return -1
	}
	return last.start
}

// skipQuestions returns the offset after the questions, and the number of records that
// follow.
func skipQuestions(msg []byte) (off, records int, d Defect) {
	if len(msg) < HeaderSize {
		return 0, 0, Short
	}
	off = HeaderSize
	for range binary.BigEndian.Uint16(msg[4:]) {
		if off, d = skipName(msg, off); d != Sound {
			return off, 0, d
		}
		if off += 4; off > len(msg) {
			return off, 0, Short
		}
	}
	for count := 6; count < HeaderSize; count += 2 {
		records += int(binary.BigEndian.Uint16(msg[count:]))
	}
	return off, records, Sound
}

func readRecord(msg []byte, off int) (r record, d Defect) {
	r.start = off
	if off, d = skipName(msg, off); d != Sound {
		return r, d
	}
	if r.data = off + 10; r.data > len(msg) {
		return r, Short
	}
	r.rrtype = binary.BigEndian.Uint16(msg[off:])
	r.end = r.data + int(binary.BigEndian.Uint16(msg[off+8:]))
	if r.end > len(msg) {
		return r, Short
	}
	return r, Sound
}

// dataForm is the layout of a record's data: bytes before its names, the number of names, and bytes
// after them.
type dataForm struct{ before, names, after int }

// formOf returns the form of a type's data. Types with names that are never compressed have any
// form, except types that some servers compress.
func formOf(rrtype uint16) (dataForm, bool) {
	switch rrtype {
	case typeA:
		return dataForm{before: 4}, true
	case typeAAAA:
		return dataForm{before: 16}, true
	case typeNS, typeCNAME, typePTR, typeDNAME:
		return dataForm{names: 1}, true
	case typeMX:
		return dataForm{before: 2, names: 1}, true
	case typeSRV:
		return dataForm{before: 6, names: 1}, true
	case typeSOA:
		return dataForm{names: 2, after: 20}, true
	}
	return dataForm{}, false
}

// checkData compares the data of a record with the form of its type.
func checkData(msg []byte, r record) (d Defect) {
	form, known := formOf(r.rrtype)
	if !known {
		return Sound
	}
	off := r.data + form.before
	for range form.names {
		if off >= r.end {
			return BadData
		}
		if off, d = skipName(msg[:r.end], off); d != Sound {
			return BadName
		}
	}
	if off+form.after != r.end {
		return BadData
	}
	return Sound
}

const maxLabels = 127

// skipName returns the offset after the name at off. It follows pointers. Each must point to a
// place before the labels that it follows, so there are no loops.
func skipName(msg []byte, off int) (end int, d Defect) {
	at, limit, size, jumps := off, math.MaxInt, 1, 0
	for {
		if at >= len(msg) {
			return end, Short
		}
		switch n := int(msg[at]); {
		case n == 0:
			return max(end, at+1), Sound
		case n >= 0xc0:
			if at+1 >= len(msg) {
				return end, Short
			}
			if jumps == 0 {
				end, limit = at+2, off
			}
			to := int(binary.BigEndian.Uint16(msg[at:]) & 0x3fff)
			if jumps++; to >= limit || to < HeaderSize || jumps > maxLabels {
				return end, BadName
			}
			at, limit = to, to
		default:
			if size += n + 1; n > 63 || size > maxName {
				return end, BadName
			}
			at += n + 1
		}
	}
}

// AppendOPT returns msg up to end, with an OPT record without options.
func AppendOPT(msg []byte, end, size int, do bool) []byte {
	out := make([]byte, end, end+OPTSize)
	copy(out, msg)
	binary.BigEndian.PutUint16(out[10:], binary.BigEndian.Uint16(out[10:])+1)
	flags := byte(0)
	if do {
		flags = 0x80
	}
	return append(out, 0, 0, typeOPT, byte(size>>8), byte(size), 0, 0, flags, 0, 0, 0)
}

// QuestionOnly returns the header and the questions of a message, with TC set. The
// questions must be sound.
func QuestionOnly(msg []byte) []byte {
	off, _, _ := skipQuestions(msg)
	out := append([]byte(nil), msg[:off]...)
	out[2] |= 2
	clear(out[6:HeaderSize])
	return out
}
