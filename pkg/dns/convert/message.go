package convert

import "google.golang.org/protobuf/encoding/protowire"

// A message is the unread rest of a protobuf message.
type message []byte

// A field is one field of a message. Its tag is its number and wire type as
// encoded, so that a field of the right number and the wrong type is an unknown
// field.
type field struct {
	tag   uint64
	value uint64  // of a number
	bytes message // of bytes, which are part of the message
}

// The wire types.
const (
	wireNumber = uint64(protowire.VarintType)
	wireBytes  = uint64(protowire.BytesType)
)

// next takes the first field off. It reports false when that is not possible:
// the message is cut off, or not valid, or has a group, which is out of use.
func (m *message) next() (f field, ok bool) {
	number, kind, n := protowire.ConsumeTag(*m)
	if n < 0 {
		return field{}, false
	}
	f.tag = protowire.EncodeTag(number, kind)
	b, size := (*m)[n:], 0
	switch kind {
	case protowire.VarintType:
		f.value, size = protowire.ConsumeVarint(b)
	case protowire.BytesType:
		f.bytes, size = protowire.ConsumeBytes(b)
	case protowire.Fixed32Type:
		_, size = protowire.ConsumeFixed32(b)
	case protowire.Fixed64Type:
		_, size = protowire.ConsumeFixed64(b)
	default:
		return field{}, false
	}
	if size < 0 {
		return field{}, false
	}
	*m = b[size:]
	return f, true
}
