package skydns

import (
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// counters count replies. Each goroutine that reads packets has its own, so counting takes no lock
// and shares no cache line. A scrape adds them up.
type counters struct {
	replies   [systems + 1][len(transportNames)][otherType + 1][otherRcode + 1]atomic.Uint64
	native    [systems][len(transportNames)]nativeBuckets
	durations [systems][len(transportNames)][len(durationBounds) + 1]atomic.Uint64
	nanos     [systems][len(transportNames)]atomic.Uint64
	sizes     [systems][len(sizeBounds) + 1]atomic.Uint64
	bytes     [systems]atomic.Uint64
	truncated [systems]atomic.Uint64
	misses    atomic.Uint64
	_         [64]byte // keeps the next counters off the last cache line
}

// A system is the part of the server that replied, a label of the legacy metrics.
type system uint8

const (
	systemAuth system = iota
	systemRecursive
	systemReverse
	systems
	// systemNone is for packets that are not processed. The legacy metrics do not count it.
	systemNone = systems
)

var systemNames = [systems]string{"auth", "recursive", "reverse"}

// otherRcode is the index of response codes that are not counted by name.
const otherRcode = dns.RcodeBadCookie + 1

// namedTypes are counted by name. All other types share one series, so clients cannot create more
// series.
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

// Bucket bounds in time and in bytes, upper and inclusive. Compat: dashboards rely on the size
// bounds, and on the duration bounds from legacyLowest on. Only the new histogram has lower bounds.
var (
	durationBounds = [...]time.Duration{
		10 * us, 25 * us, 50 * us, 100 * us, 250 * us, 500 * us,
		1 * ms, 3 * ms, 5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms,
		1000 * ms, 2500 * ms, 5000 * ms, 10_000 * ms,
	}
	sizeBounds = [...]int{
		0, 512, 1024, 1500, 2048, 4096, 8192, 12288, 16384, 20480, 24576, 28672, 32768, 36864,
		40960, 45056, 49152, 53248, 57344, 61440, 65536,
	}
)

const us, ms = time.Microsecond, time.Millisecond

// legacyLowest is the lowest bound of the legacy histogram of durations.
const legacyLowest = ms

// An outcome is a reply to count.
type outcome struct {
	series
	size int
}

// A series is the set of labels of a counted reply.
type series struct {
	system    system
	via       transport
	qtype     uint16
	rcode     int
	truncated bool
}

// count counts replies that took equally long from the receipt of their queries. Each addition to a
// counter costs as much as writing a record. So equal replies of a batch, which is most of them,
// are added in one step.
func (c *counters) count(took time.Duration, outcomes ...outcome) {
	native, duration := nativeIndex(took), bucket(durationBounds[:], took)
	for len(outcomes) > 0 {
		o, size := outcomes[0].series, bucket(sizeBounds[:], outcomes[0].size)
		n, bytes := uint64(0), 0
		for len(outcomes) > 0 && outcomes[0].series == o && bucket(sizeBounds[:], outcomes[0].size) == size {
			bytes += outcomes[0].size
			n, outcomes = n+1, outcomes[1:]
		}
		c.replies[o.system][o.via][typeIndex(o.qtype)][min(o.rcode, otherRcode)].Add(n)
		if o.system == systemNone {
			continue
		}
		c.native[o.system][o.via][native].Add(n) // first: see newFullHistogram
		c.durations[o.system][o.via][duration].Add(n)
		c.nanos[o.system][o.via].Add(n * uint64(took))
		c.sizes[o.system][size].Add(n)
		c.bytes[o.system].Add(uint64(bytes))
		if o.truncated {
			c.truncated[o.system].Add(n)
		}
	}
}
