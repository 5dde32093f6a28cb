package sidecar_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// target parses the text of a valid probe.
func target(t *testing.T, text string) sidecar.Target {
	t.Helper()
	got, err := sidecar.ParseTarget(text)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// newServer returns a Server, and the registry of its metrics.
func newServer(t *testing.T, opts sidecar.Options) (*sidecar.Server, *prometheus.Registry) {
	t.Helper()
	reg := prometheus.NewRegistry()
	opts.Metrics = sidecar.NewMetrics(reg, "kubedns")
	opts.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	return sidecar.New(opts), reg
}

// get requests a path from h and returns the status, the type and the body.
func get(t *testing.T, h http.Handler, path string) (status int, contentType, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	resp := w.Result()
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Content-Type"), string(text)
}

// document is the reply of /healthcheck/<label>.
type document struct {
	IsOk           bool
	LatencySeconds float64
	Err            string
	State          string
	Since          time.Time
	FailuresInARow int
	LastRcode      string
}

// healthcheck reads the state of a probe.
func healthcheck(t *testing.T, h http.Handler, label string) (int, document) {
	t.Helper()
	status, contentType, body := get(t, h, "/healthcheck/"+label)
	if contentType != "application/json" {
		t.Errorf("Content-Type of %s is %q", label, contentType)
	}
	var doc document
	if err := json.Unmarshal([]byte(body), &doc); err != nil {
		t.Fatalf("body %q: %v", body, err)
	}
	return status, doc
}

// values reads all series: counters and gauges by value, histograms by the
// number of observations.
func values(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += fmt.Sprintf(" %s=%s", label.GetName(), label.GetValue())
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() +
				float64(m.GetHistogram().GetSampleCount())
		}
	}
	return got
}

// wantValues compares some series with the expected values. A negative value means that the series
// must not exist.
func wantValues(t *testing.T, reg *prometheus.Registry, want map[string]float64) {
	t.Helper()
	got := values(t, reg)
	for name, value := range want {
		v, exists := got[name]
		switch {
		case value < 0 && exists:
			t.Errorf("series %s exists, with %v", name, v)
		case value >= 0 && !exists:
			t.Errorf("series %s is missing, want %v", name, value)
		case value >= 0 && v != value:
			t.Errorf("series %s is %v, want %v", name, v, value)
		}
	}
}
