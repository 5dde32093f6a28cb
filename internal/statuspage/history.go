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

	"github.com/kube-dns/kube-dns/internal/pause"
)

// A Chart shows how fast counters grew in the last minutes.
type Chart struct {
	Title string `json:"title"`
	// Metric is the name of the counters in the metrics of the command.
	Metric string `json:"metric"`
	Lines  []Line `json:"lines"`
}

// shownLines is the number of lines of a chart that people see: the lines that grew most.
const shownLines = 8

// Shown returns the lines for people.
func (c Chart) Shown() []Line { return c.Lines[:min(shownLines, len(c.Lines))] }

// A Line is the growth of one counter.
type Line struct {
	Name string `json:"name"`
	// Rates are per second, one for each Every of the past, the oldest first. There is at
	// least one.
	Rates []float64 `json:"rates"`
}

// Now is the last rate, as text.
func (l Line) Now() string { return rate(l.Rates[len(l.Rates)-1]) }

// Highest is the largest rate, as text.
func (l Line) Highest() string { return rate(slices.Max(l.Rates)) }

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

// samples is the number of rates in a History: ten minutes.
const samples = 60

// A Counted is a metric to draw: one line for each value of a label. The name of a histogram
// ends in _count or _sum.
type Counted struct {
	Title, Metric, Label string
}

// A History samples counters. Its zero value is not usable: see NewHistory.
type History struct {
	source prometheus.Gatherer

	mu     sync.Mutex
	series []series
}

// series are the samples of a Counted, by the value of its label.
type series struct {
	Counted
	last  map[string]float64 // nil before the first sample
	rates map[string][]float64
}

// NewHistory returns a History of counters from source.
func NewHistory(source prometheus.Gatherer, counted ...Counted) *History {
	h := &History{source: source}
	for _, c := range counted {
		h.series = append(h.series, series{Counted: c, rates: map[string][]float64{}})
	}
	return h
}

// Run samples until ctx is done.
func (h *History) Run(ctx context.Context) error {
	for again := true; again; again = pause.For(ctx, Every) {
		h.sample()
	}
	return nil
}

// sample adds one rate to each line. A line without a counter ends ten minutes after its last
// growth. A metric that cannot be gathered is omitted.
func (h *History) sample() {
	families, _ := h.source.Gather()
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.series {
		s := &h.series[i]
		now := s.sums(families)
		if s.last != nil {
			s.add(now)
		}
		s.last = now
	}
}

// add adds the rates of the counters since the last sample.
func (s *series) add(now map[string]float64) {
	for name := range now {
		s.rates[name] = append(s.rates[name], max(0, now[name]-s.last[name])/Every.Seconds())
	}
	for name, rates := range s.rates {
		_, there := now[name]
		if !there {
			rates = append(rates, 0)
		}
		s.rates[name] = rates[max(0, len(rates)-samples):]
		if !there && slices.Max(s.rates[name]) == 0 {
			delete(s.rates, name)
		}
	}
}

// sums adds the counters of the metric up by the value of the label.
func (c Counted) sums(families []*dto.MetricFamily) map[string]float64 {
	by := map[string]float64{}
	for _, family := range families {
		suffix, ok := strings.CutPrefix(c.Metric, family.GetName())
		if !ok {
			continue
		}
		for _, m := range family.GetMetric() {
			name := c.Metric
			for _, l := range m.GetLabel() {
				if l.GetName() == c.Label {
					name = l.GetValue()
				}
			}
			switch {
			case suffix == "" && m.Counter != nil:
				by[name] += m.GetCounter().GetValue()
			case suffix == "_count" && m.Histogram != nil:
				by[name] += float64(m.GetHistogram().GetSampleCount())
			case suffix == "_sum" && m.Histogram != nil:
				by[name] += m.GetHistogram().GetSampleSum()
			}
		}
	}
	return by
}

// Charts returns the lines of the last minutes, sorted by growth, the largest first. Counters that
// did not grow are omitted.
func (h *History) Charts() []Chart {
	h.mu.Lock()
	defer h.mu.Unlock()
	charts := make([]Chart, len(h.series))
	for i, s := range h.series {
		var lines []Line
		for _, name := range slices.Sorted(maps.Keys(s.rates)) {
			if rates := s.rates[name]; slices.Max(rates) > 0 {
				lines = append(lines, Line{Name: name, Rates: slices.Clone(rates)})
			}
		}
		slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(total(b.Rates), total(a.Rates)) })
		charts[i] = Chart{Title: s.Title, Metric: s.Metric, Lines: lines}
	}
	return charts
}

// Grown returns the growth of a metric's counters in the last minute, by the value of the label.
func (h *History) Grown(metric string) map[string]float64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	grown := map[string]float64{}
	for _, s := range h.series {
		if s.Metric != metric {
			continue
		}
		for name := range s.last {
			rates := s.rates[name]
			grown[name] = total(rates[max(0, len(rates)-int(time.Minute/Every)):]) * Every.Seconds()
		}
	}
	return grown
}

func total(rates []float64) (sum float64) {
	for _, r := range rates {
		sum += r
	}
	return sum
}
