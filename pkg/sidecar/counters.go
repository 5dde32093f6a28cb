package sidecar

import (
	"math"
	"slices"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
)

// mayHaveWrapped is the plausible growth of a counter between two polls. It distinguishes a counter
// that passed 2^32 from one that was reset.
const mayHaveWrapped = 1 << 28

// An event is the change of dnsmasq between two polls, the larger one if there were several.
type event int

const (
	nothing event = iota
	// reload: it read its configuration again (SIGHUP).
	reload
	// restart: it is a new process.
	restart
)

// increase returns the growth of dnsmasq's counters between two polls, and the event between them.
//
// All counters start at zero with the process. A reload also resets those of the cache, insertions
// and evictions, but not hits and misses. After a reset, a counter's entire value is new, even if
// it has passed its old value since. CacheSize is the current one.
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

// beganAgain reports whether a counter was reset between before and now.
func beganAgain(before, now uint64) bool {
	return now < before && (before > math.MaxUint32 || wrapped(before, now) > mayHaveWrapped)
}

// growth returns the difference between two values of a counter.
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

// wrapped returns the difference between two values of a 32-bit counter, as dnsmasq's are.
func wrapped(before, now uint64) uint64 { return uint64(uint32(now) - uint32(before)) }

// upstreamGrowth returns the growth of the counters of each server in now since the previous poll.
// At the first poll and after a restart, it is their entire value.
//
// At a reload, which a change of the list also implies, dnsmasq can move counters to another
// server. So their growth is unknown then.
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
