package sidecar

import (
	"math"
	"slices"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
)

// mayHaveWrapped is how much a counter may plausibly grow between two polls.
// It distinguishes a counter that passed 2^32 from one that started again.
const mayHaveWrapped = 1 << 28

// An event is what happened to dnsmasq between two polls; the larger one if
// there were several.
type event int

const (
	nothing event = iota
	// reload: it read its configuration again (SIGHUP).
	reload
	// restart: it is a new process.
	restart
)

// increase returns by how much dnsmasq's counters grew between two polls, and
// what happened in between.
//
// All counters begin at zero with the process. Those of the cache, insertions
// and evictions, begin again at every reload too, while hits and misses go on.
// So of a counter that began again all that it shows now is new, also of one
// that has overtaken its old value since. CacheSize is that of now.
func increase(before, now chaos.Stats) (grown chaos.Stats, happened event) {
	switch {
	case beganAgain(before.Hits, now.Hits), beganAgain(before.Misses, now.Misses):
		happened = restart
	case beganAgain(before.Insertions, now.Insertions), beganAgain(before.Evictions, now.Evictions):
		happened = reload
	}
	grown = chaos.Stats{CacheSize: now.CacheSize}
	grown.Hits = growth(before.Hits, now.Hits, happened == restart)
	grown.Misses = growth(before.Misses, now.Misses, happened == restart)
	grown.Insertions = growth(before.Insertions, now.Insertions, happened != nothing)
	grown.Evictions = growth(before.Evictions, now.Evictions, happened != nothing)
	return grown, happened
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

// upstreamGrowth returns by how much the counters of each server in now grew
// since the poll before: all that they show at the first poll and after a
// restart.
//
// At a reload, which a change of the list shows too, dnsmasq may hand the
// counters of one server to another. So nothing is known of their growth then.
func upstreamGrowth(before, now []chaos.Server, happened event) []chaos.Server {
	if before == nil || happened == restart {
		return now
	}
	known := happened == nothing && slices.EqualFunc(before, now, sameServer)
	grown := slices.Clone(now)
	for i := range grown {
		grown[i].Queries, grown[i].Failed = 0, 0
		if known {
			grown[i].Queries = now[i].Queries - min(before[i].Queries, now[i].Queries)
			grown[i].Failed = now[i].Failed - min(before[i].Failed, now[i].Failed)
		}
	}
	return grown
}

func sameServer(a, b chaos.Server) bool { return a.Address == b.Address }
