// Package servers reads the metrics of upstreams from status pages, and adds up those of pods.
package servers

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// every is the time between two rates of a chart (internal/statuspage).
const every = 10 * time.Second

// The programs that send queries to upstreams.
const (
	KubeDNS = "kube-dns"
	Dnsmasq = "dnsmasq"
)

// endings are the suffixes of a program's metrics. No program has the metrics of another.
var endings = map[string]struct{ queries, failures, took string }{
	KubeDNS: {"_dns_upstream_duration_seconds_count", "_dns_upstream_failures_total",
		"_dns_upstream_duration_seconds_sum"},
	Dnsmasq: {"_dnsmasq_upstream_queries_total", "_dnsmasq_upstream_failures_total", ""},
}

// A chart is one of the charts of a status page in JSON. Unknown fields are ignored.
type chart struct {
	Metric string `json:"metric"`
	Lines  []struct {
		Name  string    `json:"name"`
		Rates []float64 `json:"rates"` // per second, oldest first
	} `json:"lines"`
}

// A Line has the metrics of one upstream, from one program.
type Line struct {
	Server    string  `json:"server"`
	By        string  `json:"by"` // KubeDNS or Dnsmasq
	Queries   float64 `json:"queries"`
	PerSecond float64 `json:"perSecond"`
	Failures  float64 `json:"failures"`
	// Failed is the share of failures in the queries, at most 1.
	Failed float64 `json:"failed"`
	// Latency is the mean time to a reply, in seconds. 0: not measured.
	Latency float64 `json:"latencySeconds,omitempty"`

	took float64
}

// A Sum has the metrics of some pages.
type Sum struct {
	Pods   int     `json:"pods"`
	Window float64 `json:"window"` // in seconds
	Lines  []Line  `json:"lines"`
}

// ErrNone means that a page has no metrics of upstreams.
var ErrNone = errors.New("its status page has no figures of servers: it needs a newer version")

// Parse returns the metrics of program in a status page in JSON, for the most recent part of its
// history, at most window.
func Parse(page []byte, program string, window time.Duration) (Sum, error) {
	var p struct {
		Charts []chart `json:"charts"`
	}
	if err := json.Unmarshal(page, &p); err != nil {
		return Sum{}, fmt.Errorf("its status page cannot be read: %w", err)
	}
	names, known := endings[program], false
	g := growth{window: window, program: program, lines: map[string]*Line{}}
	for _, c := range p.Charts {
		switch {
		case strings.HasSuffix(c.Metric, names.queries):
			known = true
			g.add(c, func(l *Line, n float64) { l.Queries += n })
		case strings.HasSuffix(c.Metric, names.failures):
			g.add(c, func(l *Line, n float64) { l.Failures += n })
		case names.took != "" && strings.HasSuffix(c.Metric, names.took):
			g.add(c, func(l *Line, n float64) { l.took += n })
		}
	}
	if !known {
		return Sum{}, ErrNone
	}
	sum := Sum{Window: g.covered.Seconds()}
	for _, l := range g.lines {
		sum.Lines = append(sum.Lines, *l)
	}
	return sum, nil
}

// A growth collects the lines of one page.
type growth struct {
	window, covered time.Duration // requested, and available
	program         string
	lines           map[string]*Line // by server
}

// add adds the growth of a chart's counters to the lines of their upstreams.
func (g *growth) add(c chart, add func(l *Line, n float64)) {
	for _, line := range c.Lines {
		rates := line.Rates[max(0, len(line.Rates)-int(g.window/every)):]
		g.covered = max(g.covered, time.Duration(len(rates))*every)
		l := g.lines[line.Name]
		if l == nil {
			l = &Line{Server: line.Name, By: g.program}
			g.lines[line.Name] = l
		}
		for _, rate := range rates {
			add(l, rate*every.Seconds())
		}
	}
}

// Add returns the sum of the metrics of pods: at most limit lines, most queries first. An upstream
// without queries and failures has no line.
func Add(pods int, sums []Sum, limit int) Sum {
	all := Sum{Pods: pods}
	type key struct{ server, by string }
	lines := map[key]*Line{}
	for _, s := range sums {
		all.Window = max(all.Window, s.Window)
		for _, more := range s.Lines {
			l := lines[key{more.Server, more.By}]
			if l == nil {
				l = &Line{Server: more.Server, By: more.By}
				lines[key{more.Server, more.By}] = l
			}
			l.Queries += more.Queries
			l.Failures += more.Failures
			l.took += more.took
		}
	}
	for _, l := range lines {
		if l.Queries+l.Failures == 0 {
			continue
		}
		l.PerSecond = l.Queries / all.Window
		l.Failed = l.Failures / max(l.Queries, l.Failures)
		if l.Queries > 0 {
			l.Latency = l.took / l.Queries
		}
		all.Lines = append(all.Lines, *l)
	}
	slices.SortFunc(all.Lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(b.Queries, a.Queries), cmp.Compare(b.Failures, a.Failures),
			strings.Compare(a.Server, b.Server), strings.Compare(a.By, b.By))
	})
	all.Lines = all.Lines[:min(limit, len(all.Lines))]
	return all
}
