package kube

import (
	"log/slog"
	"net/http"

	"k8s.io/client-go/rest"
)

// NewClientOver returns a client whose requests go to transport.
func NewClientOver(transport http.RoundTripper, log *slog.Logger) (*Client, error) {
	return newClient(&rest.Config{Host: "http://api.test"}, &http.Client{Transport: transport}, log)
}

// ReasonOf is reasonOf.
func ReasonOf(err error) Reason { return reasonOf(err) }

// ParseVersion returns the text of a version, and whether it is at least 1.32.
func ParseVersion(body []byte) (string, bool) {
	v, _ := parseVersion(body)
	return v.String(), v.atLeast(1, 32)
}
