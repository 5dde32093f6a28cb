package statuspage

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// A Chart shows how fast counters grew in the last minutes.
type Chart struct {
	Title string `json:"title"`
	// Metric is the name of the counters in the metrics of the command.
	Metric string `json:"metric"`
	Lines  []Line `json:"lines"`
}

// shownLines is how many lines of a chart people see: those that grew most.
const shownLines = 8

// Shown are the lines for people.
func (c Chart) Shown() []Line { return c.Lines[:min(shownLines, len(c.Lines))] }

// A Line is the growth of one counter.
type Line struct {
	Name string `json:"name"`
	// Rates are per second, one for each Every of the past, the oldest first.
	Rates []float64 `json:"rates"`
}

// Now is the last rate, as text.
func (l Line) Now() string {
	if len(l.Rates) == 0 {
		return "-"
	}
	return rate(l.Rates[len(l.Rates)-1])
}

// Highest is the largest rate, as text.
func (l Line) Highest() string {
	if len(l.Rates) == 0 {
		return "-"
	}
	return rate(slices.Max(l.Rates))
}

func rate(perSecond float64) string {
	if perSecond != 0 && perSecond < 10 {
		return fmt.Sprintf("%.1f/s", perSecond)
	}
	return fmt.Sprintf("%.0f/s", perSecond)
}

// The size of a line's drawing, in pixels.
const chartWidth, chartHeight = 240, 28

// Points are the corners of the line, as SVG has them.
func (l Line) Points() string {
	if len(l.Rates) == 0 {
		return ""
	}
	highest := max(slices.Max(l.Rates), 1e-9)
	var b strings.Builder
	for i, r := range l.Rates {
		x := chartWidth - float64(len(l.Rates)-1-i)*chartWidth/float64(samples-1)
		fmt.Fprintf(&b, "%.1f,%.1f ", x, chartHeight-1-r/highest*(chartHeight-2))
	}
	return strings.TrimSpace(b.String())
}

// Every is the time between two samples of a History.
const Every = 10 * time.Second

// samples is how many rates a History keeps: ten minutes.
const samples = 60

// A Counted is a metric to draw: one line for each value of a label. The name of a histogram
// ends in _count or _sum.
type Counted struct {
	Title, Metric, Label string
}

// A History samples counters. Its zero value is not usable: see NewHistory.
type History struct {
	source  prometheus.Gatherer
	counted []Counted

	mu    sync.Mutex
	last  []map[string]float64   // by Counted, by the label's value
	rates []map[string][]float64 // the same
}

// NewHistory returns a History of counters that source has.
func NewHistory(source prometheus.Gatherer, counted ...Counted) *History {
	h := &History{source: source, counted: counted}
	for range counted {
		h.last = append(h.last, nil)
		h.rates = append(h.rates, map[string][]float64{})
	}
	return h
}

// Run samples until ctx is done.
func (h *History) Run(ctx context.Context) error {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		h.sample()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// sample adds one rate to each line. A metric that cannot be gathered is left out.
func (h *History) sample() {
	families, _ := h.source.Gather()
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, c := range h.counted {
		now := sums(families, c)
		if was := h.last[i]; was != nil {
			for name, sum := range now {
				h.rates[i][name] = append(h.rates[i][name], max(0, sum-was[name])/Every.Seconds())
				h.rates[i][name] = h.rates[i][name][max(0, len(h.rates[i][name])-samples):]
			}
		}
		h.last[i] = now
	}
}

// sums adds the counters of a metric up by the value of a label.
func sums(families []*dto.MetricFamily, c Counted) map[string]float64 {
	by := map[string]float64{}
	for _, family := range families {
		value := valueOf(family, c.Metric)
		if value == nil {
			continue
		}
		for _, m := range family.GetMetric() {
			name := c.Metric
			for _, l := range m.GetLabel() {
				if l.GetName() == c.Label {
					name = l.GetValue()
				}
			}
			by[name] += value(m)
		}
	}
	return by
}

// valueOf returns the function that reads what metric counts, or nil if family is another one.
func valueOf(family *dto.MetricFamily, metric string) func(*dto.Metric) float64 {
	suffix, ok := strings.CutPrefix(metric, family.GetName())
	switch {
	case ok && suffix == "" && family.GetType() == dto.MetricType_COUNTER:
		return func(m *dto.Metric) float64 { return m.GetCounter().GetValue() }
	case ok && suffix == "_count" && family.GetType() == dto.MetricType_HISTOGRAM:
		return func(m *dto.Metric) float64 { return float64(m.GetHistogram().GetSampleCount()) }
	case ok && suffix == "_sum" && family.GetType() == dto.MetricType_HISTOGRAM:
		return func(m *dto.Metric) float64 { return m.GetHistogram().GetSampleSum() }
	}
	return nil
}

// maxLines is how many lines a chart has: those that grew most.
const maxLines = 64

// Charts are the lines of the last minutes. Counters that did not grow are left out.
func (h *History) Charts() []Chart {
	h.mu.Lock()
	defer h.mu.Unlock()
	charts := make([]Chart, len(h.counted))
	for i, c := range h.counted {
		charts[i].Title, charts[i].Metric = c.Title, c.Metric
		for _, name := range slices.Sorted(maps.Keys(h.rates[i])) {
			if rates := h.rates[i][name]; slices.Max(rates) > 0 {
				charts[i].Lines = append(charts[i].Lines, Line{Name: name, Rates: slices.Clone(rates)})
			}
		}
		slices.SortStableFunc(charts[i].Lines, func(a, b Line) int { return cmp.Compare(total(b.Rates), total(a.Rates)) })
		charts[i].Lines = charts[i].Lines[:min(maxLines, len(charts[i].Lines))]
	}
	return charts
}

// Grown returns by how much the counters of a metric grew in the last minute, by the value
// of the label.
func (h *History) Grown(metric string) map[string]float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	grown := map[string]float64{}
	for i, c := range h.counted {
		if c.Metric != metric {
			continue
		}
		for name, rates := range h.rates[i] {
			if _, exists := h.last[i][name]; !exists {
				continue
			}
			grown[name] = total(rates[max(0, len(rates)-int(time.Minute/Every)):]) * Every.Seconds()
		}
	}
	return grown
}

// total adds rates up.
func total(rates []float64) (sum float64) {
	for _, r := range rates {
		sum += r
	}
	return sum
}
