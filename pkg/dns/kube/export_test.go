package kube

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"

	discoveryv1beta1 "k8s.io/api/discovery/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	streamingcodec "k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	restwatch "k8s.io/client-go/rest/watch"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// NewClientOver returns a client whose requests go to transport.
func NewClientOver(transport http.RoundTripper, log *slog.Logger) (*Client, error) {
	client := &http.Client{Transport: transport}
	return newClient(&rest.Config{Host: "http://api.test"}, connections{calls: client, watches: client}, log)
}

// Zone is what a Source needs of a zone.
type Zone = zone

// RunInto is Run for any zone.
func (s *Source) RunInto(ctx context.Context, z Zone) error { return s.run(ctx, z) }

// ErrNoMetadata is errNoMetadata.
var ErrNoMetadata = errNoMetadata

// ReadMetadata is readMetadata.
func ReadMetadata(r io.Reader, each func(*metav1.ObjectMeta)) (metav1.ListMeta, error) {
	return readMetadata(r, each)
}

// ReasonOf is reasonOf.
func ReasonOf(err error) Reason { return reasonOf(err) }

// ParseVersion returns the text of a version, and whether it is at least 1.32.
func ParseVersion(body []byte) (string, bool) {
	v, _ := parseVersion(body)
	return v.String(), v.atLeast(32)
}

// A SliceReader reads a watch of EndpointSlices, as a Client does.
type SliceReader struct {
	decoder *restwatch.Decoder
	convert func(kruntime.Object) (kubedns.Endpoints, bool)
}

// NewSliceReader returns a reader for a version of the API. When plain is set it
// reads with client-go's codecs alone.
func NewSliceReader(version schema.GroupVersion, plain bool, mediaType string, in io.ReadCloser) (*SliceReader, error) {
	c, err := NewClientOver(http.DefaultTransport, nil)
	if err != nil {
		return nil, err
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	codecs := newCodecs(scheme)
	negotiated := codecs
	if !plain {
		negotiated = newSliceCodecs(codecs, version, c.names)
	}
	objects, events, framer, err := kruntime.NewClientNegotiator(negotiated, version).StreamDecoder(mediaType, nil)
	if err != nil {
		return nil, err
	}
	r := c.endpointSlices()
	if version == discoveryv1beta1.SchemeGroupVersion {
		r = c.betaEndpointSlices()
	}
	return &SliceReader{
		decoder: restwatch.NewDecoder(streamingcodec.NewDecoder(framer.NewFrameReader(in), events), objects),
		convert: r.convert,
	}, nil
}

// Next returns what the next event says. Own says that client-go did not decode
// it.
func (r *SliceReader) Next() (kind watch.EventType, version string, e kubedns.Endpoints, ok, own bool, err error) {
	kind, o, err := r.decoder.Decode()
	if err != nil {
		return "", "", e, false, false, err
	}
	_, own = o.(*watchedSlice)
	e, ok = r.convert(o)
	return kind, versionOf(o), e, ok, own, nil
}

// Quiet is quiet.
func Quiet(c net.Conn) net.Conn { return quiet(c) }
