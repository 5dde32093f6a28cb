package convert

// protobufMagic begins every object in protobuf.
const protobufMagic = "k8s\x00"

// WatchEvent returns the type of an event of a watch and the object in it, as
// parts of data, which is a WatchEvent of k8s.io/apimachinery/pkg/apis/meta/v1
// in protobuf. It reports false when it is none.
func WatchEvent(data []byte) (kind, object []byte, ok bool) {
	const (
		eventType   = 1<<3 | wireBytes
		eventObject = 2<<3 | wireBytes
		raw         = 1<<3 | wireBytes
	)
	for m := message(data); len(m) > 0; {
		f, ok := m.next()
		if !ok {
			return nil, nil, false
		}
		switch f.tag {
		case eventType:
			kind = f.bytes
		case eventObject:
			if object, ok = last(f.bytes, raw, object); !ok {
				return nil, nil, false
			}
		}
	}
	return kind, object, len(object) > 0
}

// Unwrap returns an object without its envelope, Unknown of
// k8s.io/apimachinery/pkg/runtime, as a part of data. It reports false when
// this is not protobuf, or an object of another kind.
func Unwrap(data []byte, apiVersion, kind string) (raw []byte, ok bool) {
	const (
		unknownType = 1<<3 | wireBytes
		unknownRaw  = 2<<3 | wireBytes
		typeVersion = 1<<3 | wireBytes
		typeKind    = 2<<3 | wireBytes
	)
	if len(data) < len(protobufMagic) || string(data[:len(protobufMagic)]) != protobufMagic {
		return nil, false
	}
	var gotVersion, gotKind []byte
	for m := message(data[len(protobufMagic):]); len(m) > 0; {
		f, ok := m.next()
		if !ok {
			return nil, false
		}
		switch f.tag {
		case unknownType:
			if gotVersion, ok = last(f.bytes, typeVersion, gotVersion); !ok {
				return nil, false
			}
			if gotKind, ok = last(f.bytes, typeKind, gotKind); !ok {
				return nil, false
			}
		case unknownRaw:
			raw = f.bytes
		}
	}
	return raw, string(gotVersion) == apiVersion && string(gotKind) == kind
}

// last returns the last field with that tag, or was when there is none.
func last(m message, tag uint64, was []byte) ([]byte, bool) {
	for len(m) > 0 {
		f, ok := m.next()
		if !ok {
			return nil, false
		}
		if f.tag == tag {
			was = f.bytes
		}
	}
	return was, true
}
