package docs

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// maxLabels is greater than the number of labels of any metric.
const maxLabels = 8

// A Recorder is a prometheus.Registerer that lists the registered metrics, including
// vectors without a series. Other collectors must have a series.
type Recorder struct{ *prometheus.Registry }

// NewRecorder returns an empty Recorder.
func NewRecorder() Recorder { return Recorder{prometheus.NewRegistry()} }

// Register implements prometheus.Registerer.
func (r Recorder) Register(c prometheus.Collector) error {
	addSeries(c)
	return r.Registry.Register(c)
}

// MustRegister implements prometheus.Registerer.
func (r Recorder) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		addSeries(c)
	}
	r.Registry.MustRegister(cs...)
}

// addSeries adds a series to a vector, which is not gathered without one.
func addSeries(c prometheus.Collector) {
	var vec *prometheus.MetricVec
	switch c := c.(type) {
	case *prometheus.CounterVec:
		vec = c.MetricVec
	case *prometheus.GaugeVec:
		vec = c.MetricVec
	case *prometheus.HistogramVec:
		vec = c.MetricVec
	default:
		return
	}
	for n := range maxLabels {
		if _, err := vec.GetMetricWithLabelValues(make([]string, n)...); err == nil {
			return // n is the number of labels
		}
	}
}

// A Metric describes a metric.
type Metric struct {
	Name, Type, Help string
	Labels           []string
	// Buckets are the upper bounds of a histogram, without infinity.
	Buckets []float64
}

// Metrics returns the registered metrics by name.
func (r Recorder) Metrics(t *testing.T) []Metric {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var list []Metric
	for _, f := range families {
		m := Metric{Name: f.GetName(), Type: strings.ToLower(f.GetType().String()), Help: f.GetHelp()}
		series := f.GetMetric()[0]
		for _, label := range series.GetLabel() {
			m.Labels = append(m.Labels, label.GetName())
		}
		for _, bucket := range series.GetHistogram().GetBucket() {
			if !math.IsInf(bucket.GetUpperBound(), 1) {
				m.Buckets = append(m.Buckets, bucket.GetUpperBound())
			}
		}
		list = append(list, m)
	}
	return list
}

// CheckMetrics compares the section of a command in docs/metrics.md with its metrics. legacy are
// the metrics of the upstream command. They must remain, because dashboards use them.
func CheckMetrics(t *testing.T, command string, metrics []Metric, legacy ...string) {
	t.Helper()
	var old, fresh []Metric
	for _, m := range metrics {
		if slices.Contains(legacy, m.Name) {
			old = append(old, m)
		} else {
			fresh = append(fresh, m)
		}
	}
	for _, name := range legacy {
		if !slices.ContainsFunc(old, func(m Metric) bool { return m.Name == name }) {
			t.Errorf("%s has lost its metric %s", command, name)
		}
	}
	text := "\n"
	if len(old) > 0 {
		text += "Metrics as they have always been:\n\n" + metricTable(old) + "\nNew:\n\n"
	}
	check(t, "metrics.md", command, text+metricTable(fresh)+"\n")
}

func metricTable(metrics []Metric) string {
	t := newTable("metric", "type", "labels", "meaning")
	for _, m := range metrics {
		meaning := prose(m.Help)
		if len(m.Buckets) > 0 {
			meaning += " Buckets: " + bounds(m.Buckets) + "."
		}
		labels := make([]string, len(m.Labels))
		for i, label := range m.Labels {
			labels[i] = code(label)
		}
		t.row(code(m.Name), m.Type, strings.Join(labels, " "), meaning)
	}
	return t.String()
}

// bounds lists upper bounds of buckets, or only the first and last of more than 8.
func bounds(buckets []float64) string {
	texts := make([]string, len(buckets))
	for i, b := range buckets {
		texts[i] = strconv.FormatFloat(b, 'g', -1, 64)
	}
	if n := len(texts); n > 8 {
		return fmt.Sprintf("%d from %s, %s, %s to %s", n, texts[0], texts[1], texts[2], texts[n-1])
	}
	return strings.Join(texts, ", ")
}
