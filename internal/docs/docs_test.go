package docs_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/kube-dns/kube-dns/internal/docs"
)

// TestRecorder: a Recorder lists metrics without a series, with type, labels and buckets.
func TestRecorder(t *testing.T) {
	rec := docs.NewRecorder()
	rec.MustRegister(
		prometheus.NewCounterVec(prometheus.CounterOpts{Name: "b_total", Help: "B."}, []string{"x", "y"}),
		prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "c_seconds", Help: "C.", Buckets: []float64{1, 2},
		}, []string{"z"}),
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "a", Help: "A."}),
	)
	want := []docs.Metric{
		{Name: "a", Type: "gauge", Help: "A."},
		{Name: "b_total", Type: "counter", Help: "B.", Labels: []string{"x", "y"}},
		{Name: "c_seconds", Type: "histogram", Help: "C.", Labels: []string{"z"}, Buckets: []float64{1, 2}},
	}
	if diff := cmp.Diff(want, rec.Metrics(t)); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}

// TestGNUFlags: hidden flags are listed and marked.
func TestGNUFlags(t *testing.T) {
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	fs.String("name", "none", "the `text` to use")
	fs.Bool("old", false, "no effect")
	if err := fs.MarkHidden("old"); err != nil {
		t.Fatal(err)
	}
	want := []docs.Flag{
		{Name: "--name", Value: "text", Default: "none", Meaning: "the text to use"},
		{Name: "--old", Default: "false", Meaning: "no effect", Hidden: true},
	}
	if diff := cmp.Diff(want, docs.GNUFlags(fs)); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
}

// TestAlertNeedsSeries: an alert's counter without a series at the start is an error.
func TestAlertNeedsSeries(t *testing.T) {
	err := docs.CompareStartValues("kube-dns", "")
	if err == nil || !strings.Contains(err.Error(), "kubedns_dns_panics_total{} has no series before the first event") {
		t.Errorf("got %v, want an error that names the counter", err)
	}
}
