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

const (
	// versionTimeout bounds one request for the version.
	versionTimeout = 5 * time.Second
	// versionPause is the time between requests for a version that is unknown.
	versionPause = time.Minute
)

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

// atLeast says whether it is 1.minor or later.
func (v serverVersion) atLeast(minor int) bool {
	return v.major > 1 || v.major == 1 && v.minor >= minor
}

// askVersion asks until there is an answer, and reports false when ctx is done
// before. A server that was reached and sends no version counts as one of unknown
// version, which only costs memory, until keepAskingVersion gets one.
func (s *Source) askVersion(ctx context.Context) bool {
	var pause backoff
	for {
		version, err := s.client.version(ctx)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			s.setVersion(version)
			return true
		}
		s.tracker.of(roleServices, "services").failed(err)
		if !pause.wait(ctx, err) {
			return false
		}
	}
}

// keepAskingVersion asks for a version that is unknown from time to time.
func (s *Source) keepAskingVersion(ctx context.Context) {
	for s.serverVersion() == (serverVersion{}) && sleep(ctx, versionPause) {
		if version, err := s.client.version(ctx); err == nil && version != (serverVersion{}) {
			s.setVersion(version)
		}
	}
}

func (s *Source) setVersion(v serverVersion) {
	s.version.Store(&v)
	s.tracker.setServer(v)
	// Lists are streamed from 1.32 on. Older servers ignore the request, and then
	// there is no end to wait for.
	s.streaming.setAble(v.atLeast(32))
	s.log.Info("found the API server", "version", v.String(), "streaming", s.streaming.isOn())
}

// serverVersion is the version as far as it is known.
func (s *Source) serverVersion() serverVersion {
	if v := s.version.Load(); v != nil {
		return *v
	}
	return serverVersion{}
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
