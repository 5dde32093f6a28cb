package kube

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/version"
	apiversion "k8s.io/apimachinery/pkg/version"
)

// versionTimeout bounds one request for the version.
const versionTimeout = 5 * time.Second

// A serverVersion is the version of an API server; the zero value is unknown.
type serverVersion struct {
	major, minor uint
	text         string // as the server writes it
}

// String returns the version as the server writes it, for people.
func (v serverVersion) String() string {
	if v.text == "" {
		return "unknown"
	}
	return v.text
}

// atLeast reports whether it is 1.minor or later.
func (v serverVersion) atLeast(minor uint) bool {
	return v.major > 1 || v.major == 1 && v.minor >= minor
}

// version requests the server's version. An error means that the server was not reached. A server
// that sends no version has an unknown one.
func (c *Client) version(ctx context.Context) (serverVersion, error) {
	var reached atomic.Bool
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { reached.Store(true) },
	})
	body, err := c.api.Get().AbsPath("/version").MaxRetries(0).DoRaw(ctx)
	switch {
	case err == nil:
		return parseVersion(body), nil
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		return serverVersion{}, nil
	case errors.Is(err, context.DeadlineExceeded) && reached.Load():
		return serverVersion{}, nil
	}
	return serverVersion{}, fmt.Errorf("read the API server's version: %w", err)
}

// parseVersion parses the reply of /version. An unreadable version is unknown. Some providers write
// "18+" for the minor version.
func parseVersion(body []byte) serverVersion {
	var info apiversion.Info
	if json.Unmarshal(body, &info) != nil {
		return serverVersion{}
	}
	v, err := version.ParseGeneric(info.Major + "." + info.Minor)
	if err != nil {
		return serverVersion{}
	}
	return serverVersion{major: v.Major(), minor: v.Minor(), text: cmp.Or(info.GitVersion, "v"+v.String())}
}
