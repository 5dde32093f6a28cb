package skydns

import (
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
)

// counters count replies. Each goroutine that reads packets has its own, so that
// counting needs no lock and shares no cache line. A scrape adds them up.
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

// A system is the part of the server that answered, a label of the legacy metrics.
type system uint8

const (
	systemAuth system = iota
	systemRecursive
	systemReverse
	systems
	// systemNone replies to packets that are not processed. The legacy metrics do not
	// count it.
	systemNone = systems
)

var systemNames = [systems]string{"auth", "recursive", "reverse"}

// otherRcode is the index of response codes that are not counted by name.
const otherRcode = dns.RcodeBadCookie + 1

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

// Bucket bounds in time and in bytes, upper and inclusive. Compat: dashboards rely on
// the bounds of sizes, and on those of durations from legacyLowest on. Bounds below that
// are for the new histogram alone.
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

// An outcome is a reply as it is counted.
type outcome struct {
	system      system
	via         transport
	qtype       uint16
	rcode, size int
	truncated   bool
	took        time.Duration // from the receipt of the query
}

// count counts one reply.
func (c *counters) count(o outcome) {
	c.replies[o.system][o.via][typeIndex(o.qtype)][min(o.rcode, otherRcode)].Add(1)
	if o.system == systemNone {
		return
	}
	c.native[o.system][o.via][nativeIndex(o.took)].Add(1) // first: see newFullHistogram
	c.durations[o.system][o.via][bucket(durationBounds[:], o.took)].Add(1)
	c.nanos[o.system][o.via].Add(uint64(o.took))
	c.sizes[o.system][bucket(sizeBounds[:], o.size)].Add(1)
	c.bytes[o.system].Add(uint64(o.size))
	if o.truncated {
		c.truncated[o.system].Add(1)
	}
}
