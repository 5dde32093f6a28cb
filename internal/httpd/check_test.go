package httpd_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"github.com/kube-dns/kube-dns/internal/httpd"
)

func TestCheck(t *testing.T) {
	var state error
	draining := make(chan struct{})
	check := httpd.UntilDraining(draining, func(context.Context) (string, error) { return "ok", state })
	for _, tt := range []struct {
		change func()
		code   int
		body   string
	}{
		{func() {}, 200, "ok\n"},
		{func() { state = errors.New("no data yet") }, 503, "no data yet\n"},
		{func() { state = nil }, 200, "ok\n"},
		{func() { close(draining) }, 503, "draining: this process is about to stop\n"},
	} {
		tt.change()
		w := httptest.NewRecorder()
		check.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/readiness", nil))
		if got := w.Body.String(); w.Code != tt.code || got != tt.body {
			t.Errorf("got %d %q, want %d %q", w.Code, got, tt.code, tt.body)
		}
	}
	always := httpd.UntilDraining(nil, func(context.Context) (string, error) { return "ok", nil })
	if text, err := always(t.Context()); text != "ok" || err != nil {
		t.Errorf("without draining: got %q, %v, want ok", text, err)
	}
}
