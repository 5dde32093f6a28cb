package skydns

import (
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// counters count replies. Each goroutine that reads packets has its own, so
// that counting costs no lock and no cache line of another processor; a scrape
// adds them up.
type counters struct {
	systems   [systems]systemCounters
	misses    atomic.Uint64
	responses [len(transportNames)][otherType + 1][rcodes]atomic.Uint64
	_         [64]byte // apart from the next
}

type systemCounters struct {
	requests  atomic.Uint64
	durations [len(durationBounds) + 1]atomic.Uint64
	nanos     atomic.Uint64
	sizes     [len(sizeBounds) + 1]atomic.Uint64
	bytes     atomic.Uint64
	causes    [causes]atomic.Uint64
}

// A system is the part of the server that answered, a label of the metrics
// that kube-dns has always had.
type system uint8

const (
	systemAuth system = iota
	systemRecursive
	systemReverse
	systems
)

var systemNames = [systems]string{"auth", "recursive", "reverse"}

// A cause is why a reply is no good answer, a label of the same metrics.
type cause int

const (
	causeNXDomain cause = iota
	causeRefused
	causeServfail
	causeTruncated
	causes
)

var causeNames = [causes]string{"nxdomain", "refused", "servfail", "truncated"}

// rcodes is one more than the largest response code that is counted by name;
// the last one stands for all others.
const rcodes = dns.RcodeBadCookie + 2

// namedTypes are counted by name, all others together: the number of series is
// bounded, whatever clients ask for.
var namedTypes = [...]uint16{
	dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypePTR, dns.TypeCNAME, dns.TypeTXT, dns.TypeNS, dns.TypeSOA, dns.TypeMX,
	dns.TypeHTTPS, dns.TypeSVCB, dns.TypeANY,
}

// otherType is the index of types that are not counted by name.
const otherType = len(namedTypes)

func typeIndex(qtype uint16) int {
	for i, named := range namedTypes {
		if named == qtype {
			return i
		}
	}
	return otherType
}

// Bucket bounds, upper and inclusive. Compat: the legacy histogram of durations
// begins at its old lowest bound, 1 ms, and dashboards rely on its bounds and those
// of sizes. The bounds below are for the new histogram alone.
var (
	durationBounds = [...]time.Duration{
		10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
		time.Millisecond, 3 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
	}
	sizeBounds = [...]int{
		0, 512, 1024, 1500, 2048, 4096, 8192, 12288, 16384, 20480, 24576, 28672, 32768, 36864, 40960, 45056, 49152, 53248, 57344, 61440, 65536,
	}
)

// legacyLowest is the lowest bound of the legacy histogram of durations.
const legacyLowest = time.Millisecond

// An outcome is what replies have in common that are counted alike.
type outcome struct {
	system             system
	via                transport
	qtype, rcode, size uint8 // indexes: of a type, of a code, of a bucket
	truncated          bool
}

func outcomeOf(sys system, via transport, qtype uint16, rcode, size int, truncated bool) outcome {
	bucket := 0
	for bucket < len(sizeBounds) && size > sizeBounds[bucket] {
		bucket++
	}
	return outcome{
		system: sys, via: via, qtype: uint8(typeIndex(qtype)), rcode: uint8(min(rcode, rcodes-1)), size: uint8(bucket), truncated: truncated,
	}
}

// count counts one reply.
func (c *counters) count(o outcome, size int, took time.Duration) { c.add(o, 1, uint64(size), took) }

// add counts n replies that took that time each, and have that many bytes
// together.
func (c *counters) add(o outcome, n, bytes uint64, took time.Duration) {
	s := &c.systems[o.system]
	s.requests.Add(n)
	bucket := 0
	for bucket < len(durationBounds) && took > durationBounds[bucket] {
		bucket++
	}
	s.durations[bucket].Add(n)
	s.nanos.Add(n * uint64(took))
	s.sizes[o.size].Add(n)
	s.bytes.Add(bytes)
	c.responses[o.via][o.qtype][o.rcode].Add(n)
	switch o.rcode {
	case dns.RcodeNameError:
		s.causes[causeNXDomain].Add(n)
	case dns.RcodeRefused:
		s.causes[causeRefused].Add(n)
	case dns.RcodeServerFailure:
		s.causes[causeServfail].Add(n)
	}
	if o.truncated {
		s.causes[causeTruncated].Add(n)
	}
}

// A tally gathers replies of one batch, which are sent together, and adds those
// that are alike in one step: atomic additions and looks at the clock are a
// good part of what a reply costs. It belongs to one goroutine. Compat: each
// reply about the zone is a miss of a cache that there once was.
type tally struct {
	counters *counters
	groups   [8]group
}

type group struct {
	outcome        outcome
	replies, bytes uint64
}

// note counts a reply of size bytes. since is when its query was received.
func (t *tally) note(o outcome, size int, since time.Time) {
	g := &t.groups[(o.qtype<<1^o.rcode&1)%uint8(len(t.groups))]
	if g.outcome != o && g.replies > 0 {
		t.flush(g, time.Since(since))
	}
	g.outcome = o
	g.replies++
	g.bytes += uint64(size)
}

// end adds all that was noted since the last time.
func (t *tally) end(took time.Duration) {
	for i := range t.groups {
		if g := &t.groups[i]; g.replies > 0 {
			t.flush(g, took)
		}
	}
}

func (t *tally) flush(g *group, took time.Duration) {
	t.counters.add(g.outcome, g.replies, g.bytes, took)
	if g.outcome.system == systemAuth {
		t.counters.misses.Add(g.replies)
	}
	*g = group{}
}
