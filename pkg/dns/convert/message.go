package convert

import "encoding/binary"

// A message is what was not read yet of a protobuf message.
type message []byte

// A field is one field of a message. Its tag is its number and wire type as
// they stand in the message, so that a field of the right number and the wrong
// type is a field that is not known.
type field struct {
	tag   uint64
	value uint64  // of a number
	bytes message // of bytes, which are part of the message
}

// The wire types.
const (
	wireNumber = 0
	wireEight  = 1
	wireBytes  = 2
	wireFour   = 5
)

// maxField is the largest number that a field may have.
const maxField = 1<<29 - 1

// next takes the first field off. It reports false when that is not possible:
// the message is cut off, or not valid, or has a group, which is out of use.
func (m *message) next() (f field, ok bool) {
	// Most tags, numbers and sizes have one byte.
	if b := *m; len(b) >= 2 && b[0] >= 1<<3 && b[0]|b[1] < 1<<7 {
		f.tag = uint64(b[0])
		switch size := int(b[1]); {
		case f.tag&7 == wireNumber:
			f.value = uint64(size)
			*m = b[2:]
			return f, true
		case f.tag&7 == wireBytes && size <= len(b)-2:
			f.bytes = b[2 : 2+size : 2+size]
			*m = b[2+size:]
			return f, true
		}
	}
	return m.nextLong()
}

// nextLong is next for a field of any size.
func (m *message) nextLong() (f field, ok bool) {
	b := *m
	tag, n := binary.Uvarint(b)
	if n <= 0 || tag>>3 == 0 || tag>>3 > maxField {
		return field{}, false
	}
	f.tag, b = tag, b[n:]
	var size uint64 // of what follows
	switch tag & 7 {
	case wireNumber:
		if f.value, n = binary.Uvarint(b); n <= 0 {
			return field{}, false
		}
		size = uint64(n)
	case wireEight:
		size = 8
	case wireFour:
		size = 4
	case wireBytes:
		if size, n = binary.Uvarint(b); n <= 0 {
			return field{}, false
		}
		b = b[n:]
	default:
		return field{}, false
	}
	if size > uint64(len(b)) {
		return field{}, false
	}
	if tag&7 == wireBytes {
		f.bytes = b[:size:size]
	}
	*m = b[size:]
	return f, true
}
