// Package protobuf reads protobuf messages field by field, without allocation, for
// callers that need few of the fields.
package protobuf

import "google.golang.org/protobuf/encoding/protowire"

// A Message is the unread rest of a protobuf message.
type Message []byte

// A Field is one field of a message.
type Field struct {
	// Tag is the number and wire type as encoded, so that a field of the right
	// number and the wrong type is an unknown field: see [Number] and [Bytes].
	Tag uint64
	// Value is that of a number.
	Value uint64
	// Bytes are those of a string, bytes or message. They are part of the message.
	Bytes Message
}

// The wire types: the tag of field 5 is 5<<3 | Number or 5<<3 | Bytes.
const (
	Number = uint64(protowire.VarintType)
	Bytes  = uint64(protowire.BytesType)
)

// Next takes the first field off m. It reports false when that is not possible:
// the message is cut off, not valid, or has a group, which is out of use.
func (m *Message) Next() (f Field, ok bool) {
	number, kind, n := protowire.ConsumeTag(*m)
	if n < 0 {
		return Field{}, false
	}
	f.Tag = protowire.EncodeTag(number, kind)
	b := (*m)[n:]
	var size int
	switch kind {
	case protowire.VarintType:
		f.Value, size = protowire.ConsumeVarint(b)
	case protowire.BytesType:
		f.Bytes, size = protowire.ConsumeBytes(b)
	case protowire.Fixed32Type:
		_, size = protowire.ConsumeFixed32(b)
	case protowire.Fixed64Type:
		_, size = protowire.ConsumeFixed64(b)
	default:
		return Field{}, false
	}
	if size < 0 {
		return Field{}, false
	}
	*m = b[size:]
	return f, true
}
