package sidecar_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

func TestPaths(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("the metrics"))
	})
	s, _ := newServer(t, sidecar.Options{
		Targets:        []sidecar.Target{target(t, "a,127.0.0.1,a.test")},
		MetricsPath:    "/{metrics}",
		MetricsHandler: metrics,
	})
	tests := []struct {
		name, path string
		wantStatus int
		wantBody   string // its beginning
	}{
		{"health of the sidecar", "/healthz", 200, "ok ("},
		{"probe", "/healthcheck/a", 503, `{"IsOk":false,`},
		{"metrics", "/%7Bmetrics%7D", 200, "the metrics"},
		{"unknown probe", "/healthcheck/b", 404, ""},
		{"no label", "/healthcheck/", 404, ""},
		{"no probe", "/healthcheck", 404, ""},
		{"below a probe", "/healthcheck/a/", 404, ""},
		{"root", "/", 404, ""},
		{"usual path of metrics", "/metrics", 404, ""},
		{"profiling", "/debug/pprof/", 404, ""},
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

func TestNoMetrics(t *testing.T) {
	s, _ := newServer(t, sidecar.Options{})
	if status, _, _ := get(t, s, "/metrics"); status != 404 {
		t.Errorf("status %d without a metrics handler, want 404", status)
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name    string
		targets []sidecar.Target
		want    string
	}{
		{"two probes of one label", []sidecar.Target{target(t, "a,1.2.3.4,a.test"), target(t, "a,1.2.3.5,b.test")},
			`label "a"`},
		{"no interval", []sidecar.Target{{Label: "a"}}, "interval"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := sidecar.New(sidecar.Options{Targets: tt.targets})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v, want an error with %q", err, tt.want)
			}
		})
	}
}
