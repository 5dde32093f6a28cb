package sidecar_test

import (
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

func TestPaths(t *testing.T) {
	s, _ := newServer(t, sidecar.Options{Targets: []sidecar.Target{target(t, "a,127.0.0.1,a.test")}})
	tests := []struct {
		name, path string
		wantStatus int
		wantBody   string // its beginning
	}{
		{"probe", "/healthcheck/a", 503, `{"IsOk":false,`},
		{"unknown probe", "/healthcheck/b", 404, ""},
		{"no label", "/healthcheck/", 404, ""},
		{"no probe", "/healthcheck", 404, ""},
		{"below a probe", "/healthcheck/a/", 404, ""},
		{"root", "/", 404, ""},
		{"another path", "/metrics", 404, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, _, body := get(t, s, tt.path)
			if status != tt.wantStatus || !strings.HasPrefix(body, tt.wantBody) {
				t.Errorf("%s: got %d %q, want %d %q", tt.path, status, body, tt.wantStatus, tt.wantBody)
			}
		})
	}
}
