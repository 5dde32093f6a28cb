package kube

import (
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

// A decoder makes a value of an object. Kept is false when names do not depend
// on the object; key and version are set all the same.
type decoder[T any] func(raw) (value T, kept bool, err error)

// decodeAs decodes objects of the API type O, then converts them.
func decodeAs[T, O any, P interface {
	*O
	Unmarshal([]byte) error
}](convert func(P) (T, bool)) decoder[T] {
	return func(r raw) (value T, kept bool, err error) {
		o := P(new(O))
		if err := unmarshal(r, o); err != nil {
			return value, false, err
		}
		value, kept = convert(o)
		return value, kept, nil
	}
}

func unmarshal(r raw, into interface{ Unmarshal([]byte) error }) (err error) {
	if r.json {
		err = json.Unmarshal(r.data, into)
	} else {
		err = into.Unmarshal(r.data)
	}
	if err != nil {
		return fmt.Errorf("an object that cannot be read: %w", err)
	}
	return nil
}

// decodeSlice reads EndpointSlices, which change most, from their bytes. What it
// cannot read is left to other, the decoder of the API.
func decodeSlice(intern func([]byte) string, other decoder[kubedns.Endpoints]) decoder[kubedns.Endpoints] {
	return func(r raw) (kubedns.Endpoints, bool, error) {
		if !r.json {
			if e, ok := convert.SliceProtobuf(r.data, intern); ok {
				return e, e.Service != "", nil
			}
		}
		return other(r)
	}
}

// metadataOf returns the metadata of an object of any kind: the first field of
// each.
func metadataOf(r raw) (metav1.ObjectMeta, error) {
	var o metav1.PartialObjectMetadata
	err := unmarshal(r, &o)
	return o.ObjectMeta, err
}
