package dnsmasq

import (
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// namePause is the least time between two changes of a name's addresses while
// one of the old ones is still among the new.
const namePause = 5 * time.Minute

// firstNames is how long the first start of dnsmasq waits for the look-up of
// names, where servers are arguments.
const firstNames = time.Second

// names are the stub servers given by name, with the addresses in use. They
// keep the last good ones when a look-up fails.
type names map[string]name

type name struct {
	addrs []netip.Addr // sorted; none: never found
	taken time.Time    // when addrs came into use
	err   error        // of the last look-up
	tried bool         // looked up at least once
}

// lookup is a Lookup.
func (n names) lookup(host string) []netip.Addr { return n[host].addrs }

// keep drops all names but hosts, and adds those that are new.
func (n names) keep(hosts []string) {
	old := maps.Clone(n)
	clear(n)
	for _, host := range hosts {
		n[host] = old[host]
	}
}

// observe takes what a look-up found at time now. It reports whether the
// addresses in use changed: at once when there were none, or when none of them
// is left, else not before namePause has passed since the last change.
func (n names) observe(host string, f finding, now time.Time) bool {
	old, ok := n[host]
	if !ok {
		return false // no longer wanted
	}
	next := name{addrs: old.addrs, taken: old.taken, err: f.err, tried: true}
	left := slices.ContainsFunc(old.addrs, func(a netip.Addr) bool { return slices.Contains(f.addrs, a) })
	changed := f.err == nil && !slices.Equal(f.addrs, old.addrs) && (!left || now.Sub(old.taken) >= namePause)
	if changed {
		next.addrs, next.taken = f.addrs, now
	}
	n[host] = next
	return changed
}

// waiting reports whether a name has never been looked up.
func (n names) waiting() bool {
	for _, state := range n {
		if !state.tried {
			return true
		}
	}
	return false
}

// unresolved returns how many names have no addresses.
func (n names) unresolved() int {
	count := 0
	for _, state := range n {
		if len(state.addrs) == 0 {
			count++
		}
	}
	return count
}

// maxShownNames is how many names a line of the log has.
const maxShownNames = 3

// A nameTrouble has the names that could not be resolved when report was called
// last.
type nameTrouble struct {
	unknown []string // without addresses
	stale   []string // with addresses from before
}

// report logs which names cannot be resolved, in one line each for those without and
// those with addresses, if they are others than in the call before.
func (t *nameTrouble) report(n names, log *slog.Logger) {
	var now nameTrouble
	for _, host := range slices.Sorted(maps.Keys(n)) {
		switch state := n[host]; {
		case state.err == nil:
		case len(state.addrs) == 0:
			now.unknown = append(now.unknown, host)
		default:
			now.stale = append(now.stale, host)
		}
	}
	var again []string
	for _, host := range slices.Concat(t.unknown, t.stale) {
		if state, ok := n[host]; ok && state.err == nil {
			again = append(again, host)
		}
	}
	if len(again) > 0 {
		log.Info("stub servers can be resolved again", "count", len(again), "names", someOf(again))
	}
	if list := now.unknown; len(list) > 0 && !slices.Equal(list, t.unknown) {
		log.Error("stub servers left out: their names have no address yet, trying again", "count", len(list),
			"names", someOf(list), "err", n[list[0]].err)
	}
	if list := now.stale; len(list) > 0 && !slices.Equal(list, t.stale) {
		log.Warn("stub servers cannot be resolved, keeping their last addresses", "count", len(list),
			"names", someOf(list), "err", n[list[0]].err)
	}
	*t = now
}

// someOf returns the first names of a list.
func someOf(list []string) []string { return list[:min(len(list), maxShownNames)] }
