//go:build chaos

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// maxEvents limits the stored events of each outcome.
const maxEvents = 500

// A score is the result of a load.
type score struct {
	begun   time.Time
	tallies map[class]*tally
	events  []event
	// kept counts events by outcome; only the first of each are stored.
	kept [wrong + 1]int
	// stall is the longest pause between two ticks of the load itself: a gap up to that length
	// proves nothing.
	stall time.Duration
	ended time.Duration
}

// A tally counts the results of queries of one class.
type tally struct {
	count [wrong + 1]int
	// rights are the times of right replies, since the start of the load.
	rights  []time.Duration
	slowest time.Duration // of all replies
}

// An event is a query without a right reply.
type event struct {
	at   time.Duration
	name string
	class
	outcome
	why string
}

func newScore() *score { return &score{tallies: map[class]*tally{}} }

// add counts a query that was sent at that time and took that long.
func (s *score) add(q *asked, at, took time.Duration, out outcome, why string) {
	t := s.tallies[q.class]
	if t == nil {
		t = &tally{}
		s.tallies[q.class] = t
	}
	t.count[out]++
	if out != lost && out != noSocket {
		t.slowest = max(t.slowest, took)
	}
	if out == right {
		t.rights = append(t.rights, at+took)
		return
	}
	if s.kept[out]++; s.kept[out] > maxEvents {
		return
	}
	s.events = append(s.events, event{at, q.name, q.class, out, why})
}

// close sorts the score.
func (s *score) close() {
	slices.SortFunc(s.events, func(a, b event) int { return int(a.at - b.at) })
}

// A summary is a score of some classes in one line.
type summary struct {
	sent, lost, refused, noSocket, failed, wrong int
	gap, slowest                                 time.Duration
	gapAt                                        time.Duration
	lasted                                       time.Duration
}

// of sums up classes; without any, those of the UDP load.
func (s *score) of(classes ...class) summary {
	if len(classes) == 0 {
		classes = append(slices.Clone(clusterClasses), classOutside)
	}
	sum := summary{lasted: s.ended}
	var rights []time.Duration
	for _, c := range classes {
		t := s.tallies[c]
		if t == nil {
			continue
		}
		for _, n := range t.count {
			sum.sent += n
		}
		sum.lost += t.count[lost]
		sum.refused += t.count[refused]
		sum.noSocket += t.count[noSocket]
		sum.failed += t.count[failed]
		sum.wrong += t.count[wrong]
		sum.slowest = max(sum.slowest, t.slowest)
		rights = append(rights, t.rights...)
	}
	slices.Sort(rights)
	var last time.Duration
	for _, at := range append(rights, s.ended) {
		if at-last > sum.gap {
			sum.gap, sum.gapAt = at-last, last
		}
		last = max(last, at)
	}
	return sum
}

// gapAfter returns the longest time without a right reply to the UDP load that started within a
// second of a moment.
func (s *score) gapAfter(moment time.Time) time.Duration {
	from := moment.Sub(s.begun)
	var rights []time.Duration
	for _, c := range append(slices.Clone(clusterClasses), classOutside) {
		if t := s.tallies[c]; t != nil {
			rights = append(rights, t.rights...)
		}
	}
	slices.Sort(rights)
	var gap time.Duration
	for i := 1; i < len(rights); i++ {
		if last := rights[i-1]; rights[i] > from && last < from+time.Second {
			gap = max(gap, rights[i]-last)
		}
	}
	return gap
}

// bad is the number of queries that a client would complain about.
func (s summary) bad() int { return s.lost + s.refused + s.noSocket + s.failed + s.wrong }

// sentInGap returns the number of queries sent in the longest gap, at the rate of the entire load.
func (s summary) sentInGap() int {
	if s.lasted == 0 {
		return 0
	}
	return int(float64(s.sent) * s.gap.Seconds() / s.lasted.Seconds())
}

func (s summary) String() string {
	return fmt.Sprintf(
		"sent %d, lost %d, refused %d, noSocket there %d, failed %d, wrong %d, longest gap %v at %v, slowest %v",
		s.sent, s.lost, s.refused, s.noSocket, s.failed, s.wrong, ms(s.gap), ms(s.gapAt), ms(s.slowest))
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// trouble lists problems by second, class and outcome, with an example.
func (s *score) trouble() string {
	type key struct {
		second int
		class
		outcome
	}
	count, example := map[key]int{}, map[key]event{}
	var keys []key
	for _, e := range s.events {
		k := key{int(e.at.Seconds()), e.class, e.outcome}
		if count[k] == 0 {
			keys, example[k] = append(keys, k), e
		}
		count[k]++
	}
	var b strings.Builder
	for i, k := range keys {
		if i == 40 {
			fmt.Fprintf(&b, "  and more\n")
			break
		}
		e := example[k]
		fmt.Fprintf(&b, "  %7.3f s: %d x %s %v, such as %s %s\n", e.at.Seconds(), count[k], k.class, k.outcome, e.name, e.why)
	}
	for out, n := range s.kept {
		if n > maxEvents {
			fmt.Fprintf(&b, "  %d more that were %v are not counted here\n", n-maxEvents, outcome(out))
		}
	}
	return b.String()
}

// plus adds up two runs; gaps and times are the longest.
func (s summary) plus(o summary) summary {
	s.sent, s.lost, s.refused, s.noSocket = s.sent+o.sent, s.lost+o.lost, s.refused+o.refused, s.noSocket+o.noSocket
	s.failed, s.wrong = s.failed+o.failed, s.wrong+o.wrong
	if o.gap > s.gap {
		s.gap, s.gapAt = o.gap, o.gapAt
	}
	s.slowest, s.lasted = max(s.slowest, o.slowest), s.lasted+o.lasted
	return s
}
