package listwatch

import "github.com/kube-dns/kube-dns/internal/protobuf"

// Annotation returns the value of an annotation, without decoding the rest of a
// protobuf object. It is empty when the object has no such annotation, or cannot be
// read.
func (r Raw) Annotation(name string) string {
	if r.JSON {
		m, err := metadataOf(r)
		if err != nil {
			return ""
		}
		return m.Annotations[name]
	}
	const (
		metadata    = 1<<3 | protobuf.Bytes // of any object
		annotations = 12<<3 | protobuf.Bytes
		entryKey    = 1<<3 | protobuf.Bytes
		entryValue  = 2<<3 | protobuf.Bytes
	)
	// Servers write the metadata first: most of the object is not looked at.
	var f protobuf.Field
	ok := true
	for m := protobuf.Message(r.Data); ok && len(m) > 0 && f.Tag != metadata; {
		f, ok = m.Next()
	}
	if !ok || f.Tag != metadata {
		return ""
	}
	var value []byte
	for m := f.Bytes; ok && len(m) > 0; {
		if f, ok = m.Next(); f.Tag != annotations {
			continue
		}
		if key, valid := last(f.Bytes, entryKey, nil); valid && string(key) == name {
			value, ok = last(f.Bytes, entryValue, nil)
		}
	}
	if !ok {
		return ""
	}
	return string(value)
}
