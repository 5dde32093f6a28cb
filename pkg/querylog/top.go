package querylog

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// slotTime is the time that one slot of a Top covers, and slots is how many it keeps.
	slotTime = 30 * time.Second
	slots    = 20
	// tracked is how many names, and how many clients, a slot counts.
	tracked = 500
	// maxRows is how many rows a report may have.
	maxRows = 1000
)

// MaxWindow is the longest time that a report covers.
const MaxWindow = slots * slotTime

// A Top counts the most frequent names and clients of the last minutes. Its memory is
// bounded, whatever clients ask for.
type Top struct {
	sample float64

	mu    sync.Mutex
	start time.Time
	ring  []*slot // the oldest first
}

// A slot is a part of the time.
type slot struct {
	start   time.Time
	names   *sketch[string]
	clients *sketch[netip.Addr]
	all     tally
}

// newTop returns a Top that gets a share of all entries, from now on.
func newTop(sample float64, now time.Time) *Top { return &Top{sample: sample, start: now} }

// Put counts an entry.
func (t *Top) Put(e *Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.slot(e.Time)
	s.all.add(e)
	s.names.add(e.Name, e)
	if e.Client.IsValid() {
		s.clients.add(e.Client, e)
	}
}

// slot returns the newest slot, or a new one when that is over.
func (t *Top) slot(at time.Time) *slot {
	if n := len(t.ring); n > 0 && at.Before(t.ring[n-1].start.Add(slotTime)) {
		return t.ring[n-1]
	}
	start := t.start.Add(at.Sub(t.start).Truncate(slotTime))
	s := &slot{start: start, names: newSketch[string](tracked), clients: newSketch[netip.Addr](tracked)}
	t.ring = append(t.ring, s)
	if len(t.ring) > slots {
		t.ring = slices.Delete(t.ring, 0, 1)
	}
	return s
}

// A Report lists what was most frequent.
type Report struct {
	APIVersion string `json:"apiVersion"`
	// Window is the time that the counts cover, in seconds. It is shorter than what was
	// requested when the query log is on for less.
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

// A By is what the rows of a report are.
type By string

// The values of By.
const (
	ByName   By = "name"
	ByClient By = "client"
	ByRcode  By = "rcode"
	ByType   By = "type"
)

// A Question chooses the rows of a report.
type Question struct {
	Window time.Duration
	By     By
	// Rcode keeps the rows that have replies with this response code, and sorts by them.
	Rcode string
	Limit int
}

// Report returns the most frequent rows.
func (t *Top) Report(q Question, now time.Time) (Report, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := t.ring
	for len(from) > 0 && !from[0].start.After(now.Add(-q.Window)) {
		from = from[1:]
	}
	// The first slot that began before the window is left out, so that no count is of a
	// longer time.
	since := t.start
	if len(from) < len(t.ring) {
		since = t.ring[len(t.ring)-len(from)-1].start.Add(slotTime)
	}
	r := Report{
		APIVersion: "v1", Sampled: t.sample,
		Window: min(max(now.Sub(since), 0), q.Window).Round(100 * time.Millisecond).Seconds(),
	}
	var all tally
	for _, s := range from {
		all.merge(&s.all)
	}
	r.Total = all.count
	switch q.By {
	case ByName:
		r.Rows = rows(from, func(s *slot) *sketch[string] { return s.names },
			func(row *Row, name string) { row.Name = name })
	case ByClient:
		r.Rows = rows(from, func(s *slot) *sketch[netip.Addr] { return s.clients },
			func(row *Row, addr netip.Addr) { row.Client = addr.String() })
	case ByRcode:
		r.Rows = single(all.byRcode(), func(row *Row, text string) { row.Rcode = text; row.Rcodes[text] = row.Count })
	case ByType:
		r.Rows = single(all.byType(), func(row *Row, text string) { row.Type = text; row.Types[text] = row.Count })
	default:
		return r, fmt.Errorf("by=%s: want %s, %s, %s or %s", q.By, ByName, ByClient, ByRcode, ByType)
	}
	r.Rows = first(r.Rows, q)
	return r, nil
}

// rows adds up the sketches of several slots. A key that a full slot does not have may be
// as frequent there as the least frequent one that it has.
func rows[K comparable](from []*slot, of func(*slot) *sketch[K], set func(*Row, K)) []Row {
	var absent uint64
	for _, s := range from {
		absent += of(s).least()
	}
	sums := map[K]*tally{}
	for _, s := range from {
		for _, c := range of(s).cells {
			if sums[c.key] == nil {
				sums[c.key] = &tally{count: absent, excess: absent}
			}
			sum := sums[c.key]
			sum.count -= of(s).least()
			sum.excess -= of(s).least()
			sum.merge(&c.tally)
		}
	}
	list := make([]Row, 0, len(sums))
	for key, sum := range sums {
		row := Row{Rcodes: sum.byRcode(), Types: sum.byType(), Count: sum.count, Error: sum.excess}
		set(&row, key)
		list = append(list, row)
	}
	return list
}

// single makes a row of each count.
func single(counts map[string]uint64, set func(*Row, string)) []Row {
	list := make([]Row, 0, len(counts))
	for text, n := range counts {
		row := Row{Rcodes: map[string]uint64{}, Types: map[string]uint64{}, Count: n}
		set(&row, text)
		list = append(list, row)
	}
	return list
}

// first sorts rows and returns those that were asked for.
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
