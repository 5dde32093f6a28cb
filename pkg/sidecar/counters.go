package sidecar

import (
	"math"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq"
)

// mayHaveWrapped is how much a counter may plausibly grow between two polls.
// It tells a counter that passed 2^32 from one that started again.
const mayHaveWrapped = 1 << 28

// increase returns by how much dnsmasq's counters grew between two polls, and
// whether dnsmasq was restarted in between.
//
// All counters begin at zero with the process. Those of the cache, insertions
// and evictions, begin again at every SIGHUP too, while hits and misses go on.
// So of a counter that began again all that it shows now is new, also of one
// that has overtaken its old value since. CacheSize is that of now.
func increase(before, now dnsmasq.Stats) (grown dnsmasq.Stats, restarted bool) {
	restarted = beganAgain(before.Hits, now.Hits) || beganAgain(before.Misses, now.Misses)
	reloaded := restarted || beganAgain(before.Insertions, now.Insertions) || beganAgain(before.Evictions, now.Evictions)

	grown = dnsmasq.Stats{CacheSize: now.CacheSize}
	grown.Hits = growth(before.Hits, now.Hits, restarted)
	grown.Misses = growth(before.Misses, now.Misses, restarted)
	grown.Insertions = growth(before.Insertions, now.Insertions, reloaded)
	grown.Evictions = growth(before.Evictions, now.Evictions, reloaded)
	return grown, restarted
}

// beganAgain reports whether a counter was set to zero between before and now.
func beganAgain(before, now uint64) bool {
	return now < before && (before > math.MaxUint32 || wrapped(before, now) > mayHaveWrapped)
}

// growth is the difference between two values of a counter.
func growth(before, now uint64, again bool) uint64 {
	switch {
	case again:
		return now
	case now < before:
		return wrapped(before, now)
	default:
		return now - before
	}
}

// wrapped is the difference between two values of a counter of 32 bits, which
// is what dnsmasq's are.
func wrapped(before, now uint64) uint64 { return uint64(uint32(now) - uint32(before)) }
