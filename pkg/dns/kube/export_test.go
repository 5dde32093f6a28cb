package kube

import (
	"context"
	"io"
	"log/slog"
	"net/http"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// NewClientOver returns a client whose requests go to transport.
func NewClientOver(transport http.RoundTripper, log *slog.Logger) (*Client, error) {
	return newClient(&rest.Config{Host: "http://api.test"}, &http.Client{Transport: transport}, log)
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
