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
	responses [2][len(typeNames)][rcodes]atomic.Uint64 // by protocol, type and rcode
	_         [64]byte                                 // apart from the next
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
type system int

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

// The types that are counted by name: the number of series is bounded, whatever
// clients ask for.
var typeNames = [...]string{"other", "A", "AAAA", "SRV", "PTR", "CNAME", "TXT", "NS", "SOA", "MX", "HTTPS", "SVCB", "ANY"}

func typeIndex(qtype uint16) int {
	switch qtype {
	case dns.TypeA:
		return 1
	case dns.TypeAAAA:
		return 2
	case dns.TypeSRV:
		return 3
	case dns.TypePTR:
		return 4
	case dns.TypeCNAME:
		return 5
	case dns.TypeTXT:
		return 6
	case dns.TypeNS:
		return 7
	case dns.TypeSOA:
		return 8
	case dns.TypeMX:
		return 9
	case dns.TypeHTTPS:
		return 10
	case dns.TypeSVCB:
		return 11
	case dns.TypeANY:
		return 12
	}
	return 0
}

// Bucket bounds, upper and inclusive. Compat: dashboards know them.
var (
	durationBounds = [...]time.Duration{
		time.Millisecond, 3 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
		100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second,
	}
	sizeBounds = [...]int{
		0, 512, 1024, 1500, 2048, 4096, 8192, 12288, 16384, 20480, 24576, 28672, 32768, 36864, 40960, 45056, 49152, 53248, 57344, 61440, 65536,
	}
)

// count counts one reply.
func (c *counters) count(sys system, tcp bool, qtype uint16, rcode, size int, truncated bool, took time.Duration) {
	s := &c.systems[sys]
	s.requests.Add(1)
	bucket := 0
	for bucket < len(durationBounds) && took > durationBounds[bucket] {
		bucket++
	}
	s.durations[bucket].Add(1)
	s.nanos.Add(uint64(took))
	bucket = 0
	for bucket < len(sizeBounds) && size > sizeBounds[bucket] {
		bucket++
	}
	s.sizes[bucket].Add(1)
	s.bytes.Add(uint64(size))
	c.countResponse(tcp, typeIndex(qtype), rcode)
	switch rcode {
	case dns.RcodeNameError:
		s.causes[causeNXDomain].Add(1)
	case dns.RcodeRefused:
		s.causes[causeRefused].Add(1)
	case dns.RcodeServerFailure:
		s.causes[causeServfail].Add(1)
	}
	if truncated {
		s.causes[causeTruncated].Add(1)
	}
}

func (c *counters) countResponse(tcp bool, qtype, rcode int) {
	protocol := 0
	if tcp {
		protocol = 1
	}
	c.responses[protocol][qtype][min(rcode, rcodes-1)].Add(1)
}
