// Package queries reads the reports and lines of kube-dns's query log, and adds up the
// reports of pods (docs/querylog.md).
package queries

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// A Report is the reply to GET /top.
type Report struct {
	Window  float64 `json:"window"` // in seconds
	Total   int64   `json:"total"`  // of sampled queries
	Sampled float64 `json:"sampled"`
	Rows    []Row   `json:"rows"`
}

// A Row counts the queries of one name, client, response code or type.
type Row struct {
	Name   string           `json:"name"`
	Client string           `json:"client"`
	Rcode  string           `json:"rcode"`
	Type   string           `json:"type"`
	Rcodes map[string]int64 `json:"rcodes"`
	Types  map[string]int64 `json:"types"`
	Count  int64            `json:"count"`
	Error  int64            `json:"error"` // Count is too high by at most this
}

// ParseReport reads a report. Unknown fields are ignored.
func ParseReport(body []byte) (Report, error) {
	var r Report
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("the reply of /top is not a report: %w", err)
	}
	if r.Sampled <= 0 || r.Sampled > 1 {
		r.Sampled = 1
	}
	return r, nil
}

// A Line is a row of the sum, estimated for all queries.
type Line struct {
	Key       string           `json:"key"`
	Queries   float64          `json:"queries"`
	PerSecond float64          `json:"perSecond"`
	Share     float64          `json:"share"` // of all queries
	Error     float64          `json:"error,omitempty"`
	Rcodes    map[string]int64 `json:"rcodes,omitempty"`
	Types     map[string]int64 `json:"types,omitempty"`
}

// A Sum is the sum of the reports of pods.
type Sum struct {
	Pods      int     `json:"pods"`
	Window    float64 `json:"window"`
	Queries   float64 `json:"queries"`
	PerSecond float64 `json:"perSecond"`
	Lines     []Line  `json:"lines"`
}

// Add returns the sum of reports: at most limit lines, most queries first.
func Add(reports []Report, limit int) Sum {
	s := Sum{Pods: len(reports)}
	lines := map[string]*Line{}
	for _, r := range reports {
		s.Window = max(s.Window, r.Window)
		s.Queries += float64(r.Total) / r.Sampled
		for _, row := range r.Rows {
			key := cmp.Or(row.Name, row.Client, row.Rcode, row.Type)
			l := lines[key]
			if l == nil {
				l = &Line{Key: key, Rcodes: map[string]int64{}, Types: map[string]int64{}}
				lines[key] = l
			}
			l.Queries += float64(row.Count) / r.Sampled
			l.Error += float64(row.Error) / r.Sampled
			addCounts(l.Rcodes, row.Rcodes)
			addCounts(l.Types, row.Types)
		}
	}
	for _, l := range lines {
		if s.Window > 0 {
			l.PerSecond = l.Queries / s.Window
		}
		if s.Queries > 0 {
			l.Share = l.Queries / s.Queries
		}
		s.Lines = append(s.Lines, *l)
	}
	if s.Window > 0 {
		s.PerSecond = s.Queries / s.Window
	}
	slices.SortFunc(s.Lines, func(a, b Line) int {
		return cmp.Or(cmp.Compare(b.Queries, a.Queries), strings.Compare(a.Key, b.Key))
	})
	s.Lines = s.Lines[:min(limit, len(s.Lines))]
	return s
}

func addCounts(sum, more map[string]int64) {
	for key, n := range more {
		sum[key] += n
	}
}

// ShareOf returns the share of a response code in the queries of a line.
func (l Line) ShareOf(rcode string) float64 {
	var all int64
	for _, n := range l.Rcodes {
		all += n
	}
	if all == 0 {
		return 0
	}
	return float64(l.Rcodes[rcode]) / float64(all)
}

// TypeNames returns the types of a line, most frequent first.
func (l Line) TypeNames() string {
	return strings.Join(slices.SortedFunc(maps.Keys(l.Types), func(a, b string) int {
		return cmp.Or(cmp.Compare(l.Types[b], l.Types[a]), strings.Compare(a, b))
	}), ",")
}

// An Entry is a line of the query log.
type Entry struct {
	Time    time.Time `json:"time"`
	Client  string    `json:"client"`
	Proto   string    `json:"proto"`
	Name    string    `json:"name"`
	Type    string    `json:"type"`
	Rcode   string    `json:"rcode"`
	Seconds float64   `json:"seconds"`
	Path    string    `json:"path"`
}

// ParseEntry reads a line.
func ParseEntry(line []byte) (Entry, error) {
	var e Entry
	err := json.Unmarshal(line, &e)
	return e, err
}
