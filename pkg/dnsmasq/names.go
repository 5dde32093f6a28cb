package dnsmasq

import (
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// namePause is the minimum time between two changes of a name's addresses while one of the old
// addresses is still among the new.
const namePause = 5 * time.Minute

// firstNames is how long the first start of dnsmasq waits for the look-up of names, if servers are
// arguments.
const firstNames = time.Second

// names are the stub servers given by name, with the addresses in use. If a look-up fails, the last
// good addresses remain.
type names map[string]name

type name struct {
	addrs []netip.Addr // sorted; empty: never found
	taken time.Time    // when addrs were put into use
	err   error        // of the last look-up
	tried bool         // looked up at least once
}

// lookup is a Lookup.
func (n names) lookup(host string) []netip.Addr { return n[host].addrs }

// keep drops all names except hosts, and adds the new hosts.
func (n names) keep(hosts []string) {
	old := maps.Clone(n)
	clear(n)
	for _, host := range hosts {
		n[host] = old[host]
	}
}

// observe handles the result of a look-up at time now. It reports whether the addresses in use
// changed: at once if there were none or none of them is left, otherwise at most once per
// namePause.
func (n names) observe(f finding, now time.Time, log *slog.Logger) bool {
	old, ok := n[f.host]
	if !ok {
		return false // removed
	}
	old.logNews(f, log)
	next := name{addrs: old.addrs, taken: old.taken, err: f.err, tried: true}
	left := slices.ContainsFunc(old.addrs, func(a netip.Addr) bool { return slices.Contains(f.addrs, a) })
	changed := f.err == nil && !slices.Equal(f.addrs, old.addrs) && (!left || now.Sub(old.taken) >= namePause)
	if changed {
		next.addrs, next.taken = f.addrs, now
	}
	n[f.host] = next
	return changed
}

// logNews logs that a name can no longer be resolved, or can be again.
func (n name) logNews(f finding, log *slog.Logger) {
	switch {
	case (f.err == nil) == (n.err == nil):
	case f.err == nil:
		log.Info("stub server can be resolved again", "name", f.host)
	case len(n.addrs) == 0:
		log.Error("stub server left out: its name has no address yet, trying again", "name", f.host, "err", f.err)
	default:
		log.Warn("stub server cannot be resolved, keeping its last addresses", "name", f.host, "err", f.err)
	}
}

// waiting reports whether a name was never looked up.
func (n names) waiting() bool {
	for _, state := range n {
		if !state.tried {
			return true
		}
	}
	return false
}

// unresolved returns the number of names without addresses.
func (n names) unresolved() int {
	count := 0
	for _, state := range n {
		if len(state.addrs) == 0 {
			count++
		}
	}
	return count
}
