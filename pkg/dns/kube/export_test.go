package kube

import (
	"context"
	"io"
	"log/slog"
	"net/http"

	discoveryv1 "k8s.io/api/discovery/v1"
	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

// NewClientOver returns a client whose requests go to transport.
func NewClientOver(transport http.RoundTripper, log *slog.Logger) (*Client, error) {
	client := &http.Client{Transport: transport}
	return newClient(&rest.Config{Host: "http://api.test"}, client, log)
}

// Zone is what a Source needs of a zone.
type Zone = zone

// RunInto is Run for any zone.
func (s *Source) RunInto(ctx context.Context, z Zone) error { return s.run(ctx, z) }

// ErrNotAPI is errNotAPI.
var ErrNotAPI = errNotAPI

// ReadMetadata is readList for metadata.
func ReadMetadata(r io.Reader, each func(*metav1.ObjectMeta)) (metav1.ListMeta, error) {
	return readList(r, typeOf("meta.k8s.io/v1", "PartialObjectMetadataList"), func(o raw) error {
		m, err := metadataOf(o)
		if err == nil {
			each(&m)
		}
		return err
	})
}

// ReasonOf is reasonOf.
func ReasonOf(err error) Reason { return reasonOf(err) }

// ParseVersion returns the text of a version, and whether it is at least 1.32.
func ParseVersion(body []byte) (string, bool) {
	v, _ := parseVersion(body)
	return v.String(), v.atLeast(32)
}

// ListSlices lists the slices of a server and returns their number.
func (c *Client) ListSlices(ctx context.Context) (int, error) {
	items, _, err := c.endpointSlices().list(ctx)
	return len(items), err
}

// DecodeService decodes a Service in protobuf.
func (c *Client) DecodeService(data []byte) (kubedns.Service, error) {
	s, _, err := c.services().decode(raw{data: data})
	return s, err
}

// A SliceReader reads a watch of EndpointSlices, as a Client does.
type SliceReader struct {
	events *watchReader
	decode decoder[kubedns.Endpoints]
}

// NewSliceReader returns a reader for a version of the API. When plain is set it
// reads with the decoders of the API alone.
func NewSliceReader(beta, plain bool, in io.Reader) (*SliceReader, error) {
	c, err := NewClientOver(http.DefaultTransport, nil)
	if err != nil {
		return nil, err
	}
	r := c.endpointSlices()
	if beta {
		r = c.betaEndpointSlices()
	}
	s := &SliceReader{events: newWatchReader(in, r.kind), decode: r.decode}
	switch {
	case plain && beta:
		s.decode = decodeAs(func(s *discoveryv1beta1.EndpointSlice) (kubedns.Endpoints, bool) {
			e, _ := convert.SliceV1beta1(s)
			return heldSlice(e)
		})
	case plain:
		s.decode = decodeAs(func(s *discoveryv1.EndpointSlice) (kubedns.Endpoints, bool) {
			e, _ := convert.Slice(s)
			return heldSlice(e)
		})
	}
	return s, nil
}

// Next returns the next event. The endpoints of a bookmark have a version alone.
func (r *SliceReader) Next() (kind string, e kubedns.Endpoints, kept bool, err error) {
	next, err := r.events.next()
	if err != nil {
		return "", e, false, err
	}
	if next.kind == bookmark {
		m, err := metadataOf(next.object)
		return string(next.kind), kubedns.Endpoints{Version: m.ResourceVersion}, false, err
	}
	e, kept, err = r.decode(next.object)
	return string(next.kind), e, kept, err
}
