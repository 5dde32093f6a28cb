package kube

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

// sliceCodecs are client-go's codecs, which read the events of a watch of
// EndpointSlices in a cheaper way: an event brings a whole slice of up to 100
// endpoints, and few bytes of it count. What this way does not understand goes
// through the codecs as ever, event by event: bookmarks, errors, JSON. So do
// lists.
type sliceCodecs struct {
	kruntime.NegotiatedSerializer
	apiVersion string
	intern     func([]byte) string
}

func newSliceCodecs(codecs kruntime.NegotiatedSerializer, version schema.GroupVersion, names *interner) sliceCodecs {
	return sliceCodecs{NegotiatedSerializer: codecs, apiVersion: version.String(), intern: names.bytes}
}

// SupportedMediaTypes implements kruntime.NegotiatedSerializer.
func (c sliceCodecs) SupportedMediaTypes() []kruntime.SerializerInfo {
	infos := slices.Clone(c.NegotiatedSerializer.SupportedMediaTypes())
	for i := range infos {
		if infos[i].MediaType == protobuf && infos[i].StreamSerializer != nil {
			stream := *infos[i].StreamSerializer
			stream.Serializer = eventCodec{Serializer: stream.Serializer, intern: c.intern}
			infos[i].StreamSerializer = &stream
		}
	}
	return infos
}

// DecoderToVersion implements kruntime.NegotiatedSerializer.
func (c sliceCodecs) DecoderToVersion(d kruntime.Decoder, v kruntime.GroupVersioner) kruntime.Decoder {
	return sliceDecoder{Decoder: c.NegotiatedSerializer.DecoderToVersion(d, v), sliceCodecs: c}
}

// An eventCodec reads events without a copy of the object in them.
type eventCodec struct {
	kruntime.Serializer
	intern func([]byte) string
}

// Decode implements kruntime.Decoder. The object of an event is good until data
// changes.
func (c eventCodec) Decode(data []byte, kind *schema.GroupVersionKind, into kruntime.Object) (kruntime.Object, *schema.GroupVersionKind, error) {
	if e, ok := into.(*metav1.WatchEvent); ok {
		if kind, object, ok := convert.WatchEvent(data); ok {
			*e = metav1.WatchEvent{Type: c.intern(kind), Object: kruntime.RawExtension{Raw: object}}
			return e, nil, nil
		}
	}
	return c.Serializer.Decode(data, kind, into)
}

// A sliceDecoder decodes the objects of events.
type sliceDecoder struct {
	kruntime.Decoder
	sliceCodecs
}

// Decode implements kruntime.Decoder.
func (d sliceDecoder) Decode(data []byte, kind *schema.GroupVersionKind, into kruntime.Object) (kruntime.Object, *schema.GroupVersionKind, error) {
	if into == nil {
		if raw, ok := convert.Unwrap(data, d.apiVersion, "EndpointSlice"); ok {
			// Bookmarks have no name.
			if e, ok := convert.SliceProtobuf(raw, d.intern); ok && e.Name != "" {
				return &watchedSlice{e}, nil, nil
			}
		}
	}
	return d.Decoder.Decode(data, kind, into)
}

// A watchedSlice is an EndpointSlice of a watch.
type watchedSlice struct{ kubedns.Endpoints }

// GetObjectKind implements kruntime.Object.
func (s *watchedSlice) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject implements kruntime.Object. Endpoints do not change.
func (s *watchedSlice) DeepCopyObject() kruntime.Object { return &watchedSlice{s.Endpoints} }
