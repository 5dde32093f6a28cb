package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/explain"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// A late first list counts, even while a snapshot serves.
func TestSlowSync(t *testing.T) {
	for _, tt := range []struct {
		name    string
		prepare func(*kubedns.Zone)
		want    float64
		log     string
	}{
		{"no data", func(*kubedns.Zone) {}, 1, "no data yet"},
		{"a snapshot", func(z *kubedns.Zone) {
			old := kubedns.NewZone(kubedns.Options{})
			old.MarkSynced()
			z.ServeStale(old, time.Now().Add(time.Hour), time.Now().Add(time.Hour))
		}, 1, "answering from the snapshot"},
		{"synced", (*kubedns.Zone).MarkSynced, 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			reg := prometheus.NewRegistry()
			s := &status{
				zone: kubedns.NewZone(kubedns.Options{}), log: slog.New(slog.NewTextHandler(&log, nil)),
				inputs: inputs{waitingFor: func() string { return "" }},
			}
			tt.prepare(s.zone)
			if err := s.warnOfSlowSync(t.Context(), time.Millisecond, reg); err != nil {
				t.Fatal(err)
			}
			families, err := reg.Gather()
			if err != nil || len(families) != 1 || families[0].GetMetric()[0].GetCounter().GetValue() != tt.want {
				t.Errorf("metrics %v, %v, want %v", families, err, tt.want)
			}
			if !strings.Contains(log.String(), tt.log) || (tt.log == "") != (log.Len() == 0) {
				t.Errorf("log %q, want %q", &log, tt.log)
			}
		})
	}
}

// While a snapshot answers, the page does not show the empty zone.
func TestSizeOfSnapshot(t *testing.T) {
	z, old := kubedns.NewZone(kubedns.Options{}), kubedns.NewZone(kubedns.Options{})
	old.MarkSynced()
	z.ServeStale(old, time.Now().Add(time.Hour), time.Now().Add(time.Hour))
	if got := size(z); got != "the names of the snapshot" {
		t.Errorf("%q", got)
	}
	z.MarkSynced()
	if got := size(z); got != "0 Services, 0 endpoints, 0 names" {
		t.Errorf("%q", got)
	}
}

// /readiness explains why changes do not arrive, and remains ready.
func TestReadyInTrouble(t *testing.T) {
	s := &status{
		zone:   kubedns.NewZone(kubedns.Options{}),
		inputs: inputs{trouble: func() string { return "no changes of services" }},
	}
	s.zone.MarkSynced()
	if text, err := s.ready(t.Context()); err != nil || text != "ok (no changes of services)" {
		t.Errorf("%q, %v", text, err)
	}
	s.inputs.trouble = func() string { return "" }
	if text, err := s.ready(t.Context()); err != nil || text != "ok" {
		t.Errorf("%q, %v", text, err)
	}
}

// /explain returns JSON, and 400 for an invalid question.
func TestExplainIsJSON(t *testing.T) {
	s := &status{
		zone:     kubedns.NewZone(kubedns.Options{}),
		settings: &settings{domain: "cluster.local.", forwarder: upstream.New(noServer)},
		inputs:   inputs{waitingFor: func() string { return "services" }},
	}
	ask := func(query string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		s.serveExplain(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/explain?"+query, nil))
		return w
	}
	var report explain.Walk
	if w := ask("name=web.prod&ndots=2"); w.Code != http.StatusOK || json.Unmarshal(w.Body.Bytes(), &report) != nil {
		t.Fatalf("%d %s, want JSON", w.Code, w.Body)
	}
	if len(report.Steps) != 4 || report.Steps[0].Rcode != "SERVFAIL" ||
		!strings.HasSuffix(report.Steps[0].Reason, ": services") {
		t.Errorf("got %+v, want four candidates and what the first lists wait for", report)
	}
	for _, query := range []string{"", "name=web&ndots=many", "name=web&resolver=windows", "name=web&type=MX"} {
		if w := ask(query); w.Code != http.StatusBadRequest {
			t.Errorf("%q: %d %s, want 400", query, w.Code, w.Body)
		}
	}
}
