package listwatch

import "github.com/kube-dns/kube-dns/internal/protobuf"

// watchEvent returns the type of an event and the object in it, as parts of data: a
// WatchEvent of k8s.io/apimachinery/pkg/apis/meta/v1 in protobuf. It reports false
// when data is none.
func watchEvent(data []byte) (kind, object []byte, ok bool) {
	const (
		eventType   = 1<<3 | protobuf.Bytes
		eventObject = 2<<3 | protobuf.Bytes
		raw         = 1<<3 | protobuf.Bytes
	)
	for m := protobuf.Message(data); len(m) > 0; {
		f, ok := m.Next()
		if !ok {
			return nil, nil, false
		}
		switch f.Tag {
		case eventType:
			kind = f.Bytes
		case eventObject:
			if object, ok = last(f.Bytes, raw, object); !ok {
				return nil, nil, false
			}
		}
	}
	return kind, object, len(object) > 0
}

// unwrap returns an object without its envelope, Unknown of
// k8s.io/apimachinery/pkg/runtime, as a part of data. It reports false when
// this is not protobuf, or an object of another kind.
func unwrap(data []byte, apiVersion, kind string) (raw []byte, ok bool) {
	const (
		unknownType = 1<<3 | protobuf.Bytes
		unknownRaw  = 2<<3 | protobuf.Bytes
		typeVersion = 1<<3 | protobuf.Bytes
		typeKind    = 2<<3 | protobuf.Bytes
	)
	if len(data) < len(protobufMagic) || string(data[:len(protobufMagic)]) != protobufMagic {
		return nil, false
	}
	var gotVersion, gotKind []byte
	for m := protobuf.Message(data[len(protobufMagic):]); len(m) > 0; {
		f, ok := m.Next()
		if !ok {
			return nil, false
		}
		switch f.Tag {
		case unknownType:
			if gotVersion, ok = last(f.Bytes, typeVersion, gotVersion); !ok {
				return nil, false
			}
			if gotKind, ok = last(f.Bytes, typeKind, gotKind); !ok {
				return nil, false
			}
		case unknownRaw:
			raw = f.Bytes
		}
	}
	return raw, string(gotVersion) == apiVersion && string(gotKind) == kind
}

// last returns the last field with that tag, or was when there is none.
func last(m protobuf.Message, tag uint64, was []byte) ([]byte, bool) {
	for len(m) > 0 {
		f, ok := m.Next()
		if !ok {
			return nil, false
		}
		if f.Tag == tag {
			was = f.Bytes
		}
	}
	return was, true
}
