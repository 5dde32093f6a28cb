package querylog

import (
	"cmp"
	"slices"
	"time"
)

const (
	// slotTime is the time that one slot of a top covers, and slots is the number of slots.
	slotTime = 30 * time.Second
	slots    = 20
	// maxRows limits the rows of a report.
	maxRows = 1000
)

// MaxWindow is the longest time that a report covers.
const MaxWindow = slots * slotTime

// A top counts the most frequent names, clients, response codes and types of the last minutes. Its
// memory is bounded, for any queries.
type top struct {
	sample float64
	start  time.Time
	ring   []*slot // the oldest first
}

// A slot counts for slotTime.
type slot struct {
	start    time.Time
	total    uint64
	sketches map[By]*sketch
}

// newTop returns a top for a sample of all entries, from now on.
func newTop(sample float64, now time.Time) *top { return &top{sample: sample, start: now} }

// put counts an entry.
func (t *top) put(e *Entry) {
	s := t.slot(e.Time)
	s.total++
	for by, sketch := range s.sketches {
		if key := by.keyOf(e); key != "" {
			sketch.add(key, e)
		}
	}
}

// slot returns the newest slot, or a new one if that is over.
func (t *top) slot(at time.Time) *slot {
	if n := len(t.ring); n > 0 && at.Before(t.ring[n-1].start.Add(slotTime)) {
		return t.ring[n-1]
	}
	s := &slot{start: t.start.Add(at.Sub(t.start).Truncate(slotTime)), sketches: map[By]*sketch{}}
	for _, by := range bys {
		s.sketches[by] = &sketch{tallies: map[string]*tally{}}
	}
	t.ring = append(t.ring, s)
	if len(t.ring) > slots {
		t.ring = slices.Delete(t.ring, 0, 1)
	}
	return s
}

// A Report lists the most frequent rows.
type Report struct {
	APIVersion string `json:"apiVersion"`
	// Window is the time that the counts cover, in seconds. It is shorter than requested if the
	// query log is on for less.
	Window float64 `json:"window"`
	// Total is the number of sampled queries, and Sampled their share of all queries.
	Total   uint64  `json:"total"`
	Sampled float64 `json:"sampled"`
	Rows    []Row   `json:"rows"`
}

// A Row is one name, client, response code or type. Its other keys are empty.
type Row struct {
	Name   string            `json:"name"`
	Client string            `json:"client"`
	Rcode  string            `json:"rcode,omitempty"`
	Type   string            `json:"type,omitempty"`
	Rcodes map[string]uint64 `json:"rcodes"`
	Types  map[string]uint64 `json:"types"`
	// Count is the number of sampled queries. It is at most Error too high.
	Count uint64 `json:"count"`
	Error uint64 `json:"error"`
}

// A By is the kind of rows in a report.
type By string

// The values of By.
const (
	ByName   By = "name"
	ByClient By = "client"
	ByRcode  By = "rcode"
	ByType   By = "type"
)

var bys = []By{ByName, ByClient, ByRcode, ByType}

// keyOf returns the key that counts an entry; "": it is not counted.
func (by By) keyOf(e *Entry) string {
	switch by {
	case ByName:
		return e.Name
	case ByClient:
		return e.ClientText()
	case ByRcode:
		return e.RcodeText()
	}
	return e.TypeText()
}

// row returns a row without counts.
func (by By) row(key string) Row {
	switch by {
	case ByName:
		return Row{Name: key}
	case ByClient:
		return Row{Client: key}
	case ByRcode:
		return Row{Rcode: key}
	}
	return Row{Type: key}
}

// A Question selects the rows of a report.
type Question struct {
	Window time.Duration
	By     By
	// Rcode selects the rows with replies of this response code, and sorts by them.
	Rcode string
	Limit int
}

// report returns the most frequent rows.
func (t *top) report(q Question, now time.Time) Report {
	from := t.ring
	for len(from) > 0 && !from[0].start.After(now.Add(-q.Window)) {
		from = from[1:]
	}
	// Omit the first slot that started before the window, so that no count covers a longer time.
	since := t.start
	if len(from) < len(t.ring) {
		since = t.ring[len(t.ring)-len(from)-1].start.Add(slotTime)
	}
	r := Report{
		APIVersion: "v1", Sampled: t.sample, Rows: first(rows(from, q.By), q),
		Window: min(max(now.Sub(since), 0), q.Window).Round(100 * time.Millisecond).Seconds(),
	}
	for _, s := range from {
		r.Total += s.total
	}
	return r
}

// rows adds up the sketches of several slots. A key without a tally in a slot may have had the
// sketch's least count there.
func rows(from []*slot, by By) []Row {
	var absent uint64
	for _, s := range from {
		absent += s.sketches[by].least
	}
	sums := map[string]*tally{}
	for _, s := range from {
		for key, t := range s.sketches[by].tallies {
			if sums[key] == nil {
				sums[key] = &tally{count: absent, excess: absent}
			}
			sums[key].count -= s.sketches[by].least
			sums[key].excess -= s.sketches[by].least
			sums[key].merge(t)
		}
	}
	list := make([]Row, 0, len(sums))
	for key, sum := range sums {
		row := by.row(key)
		row.Count, row.Error = sum.count, sum.excess
		row.Types, row.Rcodes = named(typeNames[:], sum.types[:]), named(rcodeNames[:], sum.rcodes[:])
		list = append(list, row)
	}
	return list
}

// first sorts rows and returns the requested ones.
func first(list []Row, q Question) []Row {
	weight := func(r Row) uint64 { return r.Count }
	if q.Rcode != "" {
		weight = func(r Row) uint64 { return r.Rcodes[q.Rcode] }
		list = slices.DeleteFunc(list, func(r Row) bool { return weight(r) == 0 })
	}
	slices.SortFunc(list, func(a, b Row) int {
		return cmp.Or(cmp.Compare(weight(b), weight(a)),
			cmp.Compare(a.Name+a.Client+a.Rcode+a.Type, b.Name+b.Client+b.Rcode+b.Type))
	})
	return list[:min(len(list), q.Limit)]
}
