package listwatch

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A Raw is an object as the server encoded it, valid until the next one is read. Protobuf has no
// envelope here.
type Raw struct {
	Data []byte
	JSON bool
}

// A Decoder converts an object to a value. Kept is false if the object is not needed; key and
// version are set even then.
type Decoder[T any] func(Raw) (value T, kept bool, err error)

// DecodeAs returns a decoder for objects of the API type O that converts them.
func DecodeAs[T, O any, P interface {
	*O
	Unmarshal([]byte) error
}](convert func(P) (T, bool)) Decoder[T] {
	return DecodeInto(func() P { return new(O) }, func(P) {}, convert)
}

// DecodeInto is DecodeAs with empty objects from take. Each is returned to give after its
// conversion.
func DecodeInto[T any, P interface{ Unmarshal([]byte) error }](
	take func() P, give func(P), convert func(P) (T, bool),
) Decoder[T] {
	return func(r Raw) (value T, kept bool, err error) {
		o := take()
		defer give(o)
		if err := unmarshal(r, o); err != nil {
			return value, false, err
		}
		value, kept = convert(o)
		return value, kept, nil
	}
}

func unmarshal(r Raw, into interface{ Unmarshal([]byte) error }) (err error) {
	if r.JSON {
		err = json.Unmarshal(r.Data, into)
	} else {
		err = into.Unmarshal(r.Data)
	}
	if err != nil {
		return fmt.Errorf("an object that cannot be read: %w", err)
	}
	return nil
}

// metadataOf returns the metadata of an object of any kind, which is the first field of each.
func metadataOf(r Raw) (metav1.ObjectMeta, error) {
	var o metav1.PartialObjectMetadata
	err := unmarshal(r, &o)
	return o.ObjectMeta, err
}

// Annotation returns the value of an annotation. It is empty if the object lacks the annotation or
// cannot be read.
func (r Raw) Annotation(name string) string {
	m, err := metadataOf(r)
	if err != nil {
		return ""
	}
	return m.Annotations[name]
}
