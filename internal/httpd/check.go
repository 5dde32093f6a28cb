package httpd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// A Check returns the state of a process in one line of text. Its error is the reason why the
// process is not ready or not healthy.
type Check func(context.Context) (string, error)

// ServeHTTP replies with 200 and the text, or with 503 and the error.
func (c Check) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, err := c(r.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		text = err.Error()
	}
	fmt.Fprintln(w, text)
}

// At returns a handler for "/" that serves only path, with h. Unlike in a pattern of http.ServeMux,
// no character of path is special.
func At(path string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// UntilDraining returns a Check that calls check until draining is closed, and fails after that. A
// nil draining is never closed.
func UntilDraining(draining <-chan struct{}, check Check) Check {
	return func(ctx context.Context) (string, error) {
		select {
		case <-draining:
			return "", errors.New("draining: this process is about to stop")
		default:
			return check(ctx)
		}
	}
}
