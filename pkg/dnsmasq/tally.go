package dnsmasq

import (
	"net/netip"
	"slices"
	"sync"
)

// A tally makes counters of dnsmasq's lists of servers that never go back. It
// is safe for concurrent use.
type tally struct {
	mu   sync.Mutex
	last []ServerStats
}

// add takes a list and returns what was added since the one before. A counter
// that went down began again at zero.
func (t *tally) add(list []ServerStats) (added []ServerStats) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, now := range list {
		var before ServerStats
		if i := indexServer(t.last, now.Address); i >= 0 {
			before = t.last[i]
		}
		added = append(added, ServerStats{
			Address: now.Address,
			Queries: increase(before.Queries, now.Queries),
			Failed:  increase(before.Failed, now.Failed),
		})
	}
	t.last = list
	return added
}

// rebase takes the first list after a reload, in which counters may have
// changed their server: only later ones count. It returns the servers that have
// gone.
func (t *tally) rebase(list []ServerStats) (gone []netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, before := range t.last {
		if indexServer(list, before.Address) < 0 {
			gone = append(gone, before.Address)
		}
	}
	t.last = list
	return gone
}

// restart forgets the values: dnsmasq counts from zero again.
func (t *tally) restart() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range t.last {
		t.last[i] = ServerStats{Address: t.last[i].Address}
	}
}

func indexServer(list []ServerStats, a netip.AddrPort) int {
	return slices.IndexFunc(list, func(s ServerStats) bool { return s.Address == a })
}

func increase(before, now uint64) uint64 {
	if now < before {
		return now
	}
	return now - before
}
