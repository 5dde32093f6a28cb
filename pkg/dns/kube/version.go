package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apiversion "k8s.io/apimachinery/pkg/version"
)

// versionTimeout bounds one request for the version.
const versionTimeout = 5 * time.Second

// A serverVersion is the version of an API server; the zero value is an unknown
// one.
type serverVersion struct {
	major, minor int
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
func (v serverVersion) atLeast(minor int) bool {
	return v.major > 1 || v.major == 1 && v.minor >= minor
}

// version asks for the server's version. An error means that the server was not
// reached; a server that does not send its version has an unknown one.
func (c *Client) version(ctx context.Context) (serverVersion, error) {
	var reached atomic.Bool
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { reached.Store(true) },
	})
	body, err := c.core.Get().AbsPath("/version").MaxRetries(0).DoRaw(ctx)
	switch {
	case err == nil:
		v, _ := parseVersion(body) // a version that cannot be read is an unknown one
		return v, nil
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		return serverVersion{}, nil
	case errors.Is(err, context.DeadlineExceeded) && reached.Load():
		return serverVersion{}, nil
	}
	return serverVersion{}, fmt.Errorf("read the API server's version: %w", err)
}

// parseVersion reads the answer of /version. Providers write things like "18+"
// for the minor version.
func parseVersion(body []byte) (serverVersion, error) {
	var info apiversion.Info
	if err := json.Unmarshal(body, &info); err != nil {
		return serverVersion{}, fmt.Errorf("parse version: %w", err)
	}
	major, err := leadingNumber(info.Major)
	if err != nil {
		return serverVersion{}, fmt.Errorf("parse major version: %w", err)
	}
	minor, err := leadingNumber(info.Minor)
	if err != nil {
		return serverVersion{}, fmt.Errorf("parse minor version: %w", err)
	}
	v := serverVersion{major: major, minor: minor, text: info.GitVersion}
	if v.text == "" {
		v.text = fmt.Sprintf("v%d.%d", major, minor)
	}
	return v, nil
}

func leadingNumber(s string) (int, error) {
	end := strings.IndexFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		s = s[:end]
	}
	return strconv.Atoi(s)
}
