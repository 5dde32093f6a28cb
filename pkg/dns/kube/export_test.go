package kube

import (
	"context"
	"io"
	"log/slog"
	"net/http"

	"k8s.io/client-go/rest"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

// NewClientOver returns a client that sends its requests to transport.
func NewClientOver(transport http.RoundTripper, log *slog.Logger) (*Client, error) {
	client := &http.Client{Transport: transport}
	return newClient(&rest.Config{Host: "http://api.test"}, client, log)
}

// Zone is the part of a zone that a Source needs.
type Zone = zone

// RunInto is Run for any zone.
func (s *Source) RunInto(ctx context.Context, z Zone) error { return s.run(ctx, z) }

// ParseVersion returns the text of a version, and whether it is at least 1.32.
func ParseVersion(body []byte) (string, bool) {
	v := parseVersion(body)
	return v.String(), v.atLeast(32)
}

// ListAll lists the objects of a kind and returns their number.
func (c *Client) ListAll(ctx context.Context, kind string) (int, error) {
	if kind == "Service" {
		items, _, err := c.services().List(ctx)
		return len(items), err
	}
	r := c.endpointSlices("discovery.k8s.io/v1")
	if kind == "Endpoints" {
		r = c.endpoints()
	}
	items, _, err := r.List(ctx)
	return len(items), err
}

// DecodeService decodes a Service in protobuf.
func (c *Client) DecodeService(data []byte) (kubedns.Service, error) {
	s, _, err := c.services().Decode(listwatch.Raw{Data: data})
	return s, err
}

// DecodeEndpoints decodes EndpointSlices in protobuf, or Endpoints.
func (c *Client) DecodeEndpoints(data []byte, slice bool) (kubedns.Endpoints, error) {
	r := c.endpoints()
	if slice {
		r = c.endpointSlices("discovery.k8s.io/v1")
	}
	e, _, err := r.Decode(listwatch.Raw{Data: data})
	return e, err
}

// A SliceReader reads a watch of EndpointSlices, as a Client does.
type SliceReader struct {
	events *listwatch.Reader
	decode listwatch.Decoder[kubedns.Endpoints]
}

// NewSliceReader returns a reader for a version of the API.
func NewSliceReader(beta bool, in io.Reader) (*SliceReader, error) {
	c, err := NewClientOver(http.DefaultTransport, nil)
	if err != nil {
		return nil, err
	}
	r := c.endpointSlices("discovery.k8s.io/v1")
	if beta {
		r = c.endpointSlices("discovery.k8s.io/v1beta1")
	}
	return &SliceReader{events: listwatch.NewReader(in, r.Kind), decode: r.Decode}, nil
}

// Next returns the next event. The endpoints of a bookmark have only a version.
func (r *SliceReader) Next() (kind string, e kubedns.Endpoints, kept bool, err error) {
	next, err := r.events.Next()
	if err != nil {
		return "", e, false, err
	}
	if next.Kind == listwatch.Bookmark {
		version, err := next.Version()
		return string(next.Kind), kubedns.Endpoints{Version: version}, false, err
	}
	e, kept, err = r.decode(next.Object)
	return string(next.Kind), e, kept, err
}
