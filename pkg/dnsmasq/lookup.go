package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// lookupTimeout bounds the look-up of one name.
	lookupTimeout = 2 * time.Second
	// quickTime is how long the first try of a look-up takes. Most names have a reply
	// by then.
	quickTime = 500 * time.Millisecond
	// maxLookups bounds how many run at the same time: first tries, and others.
	maxLookups = 256
)

// A Resolver looks up stub servers that are given by name. The zero value asks
// the system's resolver for all of them. It is safe for concurrent use.
type Resolver struct {
	// KubeDNS is the DNS server ("host:port") that has the names in Zones.
	KubeDNS string
	// Zones are domains without a trailing dot. Their names are asked at
	// KubeDNS as they stand, all others of the system's resolver.
	Zones []string
}

// Lookup returns all addresses of host, IPv4 and IPv6, sorted. It takes two
// seconds at most. A name without addresses is an error.
func (r Resolver) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	// The resolver of the C library cannot be cancelled. That of Go reads on for ten
	// seconds, unless its connections are closed.
	resolver, name, server := &net.Resolver{PreferGo: true}, host, "the system's resolver"
	inZones := r.inZones(host)
	if inZones {
		name, server = host+".", r.KubeDNS
	}
	resolver.Dial = func(dialing context.Context, network, address string) (net.Conn, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if inZones {
			address = r.KubeDNS
		}
		conn, err := new(net.Dialer).DialContext(dialing, network, address)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = conn.Close() })
		}
		return conn, err
	}
	found, err := resolver.LookupNetIP(ctx, "ip", name)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s has no addresses", host)
	}
	if err != nil {
		return nil, fmt.Errorf("look up at %s: %w", server, err)
	}
	return sortedAddrs(found), nil
}

func (r Resolver) inZones(host string) bool {
	return slices.ContainsFunc(r.Zones, func(zone string) bool {
		return host == zone || strings.HasSuffix(host, "."+zone)
	})
}

// A finding is the outcome of looking up one name.
type finding struct {
	host  string
	addrs []netip.Addr // sorted; at least one when err is nil
	err   error
	// last: no other look-up is running or queued.
	last bool
}

// lookupFunc is Resolver.Lookup.
type lookupFunc func(ctx context.Context, host string) ([]netip.Addr, error)

// followNames looks up new names of the newest list that came through hosts at
// once, and all of them every period, and passes on each finding, until ctx is
// done. A name is skipped while its look-up of an earlier period is running.
func followNames(
	ctx context.Context, lookup lookupFunc, period time.Duration, hosts <-chan []string, found chan<- finding,
) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	q := &lookupQueue{
		lookup: lookup, busy: map[string]*lane{}, done: make(chan finding),
		quick: lane{timeout: quickTime}, slow: lane{timeout: lookupTimeout},
	}
	defer q.group.Wait()
	for {
		q.start(ctx, &q.quick)
		q.start(ctx, &q.slow)
		select {
		case <-ctx.Done():
			return nil
		case list := <-hosts:
			q.replace(list)
		case <-ticker.C:
			q.again()
		case f := <-q.done:
			if q.end(f) {
				f.last = len(q.busy) == 0
				send(ctx, found, f)
			}
		}
	}
}

// A lookupQueue has the names that are being looked up, and those that wait for it.
// Names without a reply have a lane of their own, so that the others do not wait
// for them.
type lookupQueue struct {
	lookup lookupFunc
	group  sync.WaitGroup
	list   []string
	wanted map[string]bool  // those of list
	silent map[string]bool  // those of list without a reply the last time
	busy   map[string]*lane // running or queued
	quick  lane             // first tries
	slow   lane
	done   chan finding // must be read, and passed to end
}

// A lane has look-ups that run side by side.
type lane struct {
	timeout time.Duration
	queued  []string
	running int
}

// replace sets the list, queues its new names before those that wait, and drops
// waiting names that are not in it.
func (q *lookupQueue) replace(list []string) {
	wanted, silent := make(map[string]bool, len(list)), map[string]bool{}
	var fresh []string
	for _, host := range list {
		if !q.wanted[host] && q.busy[host] == nil {
			fresh = append(fresh, host)
			q.busy[host] = &q.quick
		}
		wanted[host] = true
		if q.silent[host] {
			silent[host] = true
		}
	}
	q.list, q.wanted, q.silent = list, wanted, silent
	q.quick.queued = append(fresh, q.quick.queued...)
	for _, l := range []*lane{&q.quick, &q.slow} {
		l.queued = slices.DeleteFunc(l.queued, func(host string) bool {
			if !wanted[host] {
				delete(q.busy, host)
			}
			return !wanted[host]
		})
	}
}

// again queues all names of the list, but silent ones only after a whole round of
// them.
func (q *lookupQueue) again() {
	round := q.slow.running == 0 && len(q.slow.queued) == 0
	for _, host := range q.list {
		l := &q.quick
		if q.silent[host] {
			l = &q.slow
		}
		if q.busy[host] == nil && (l == &q.quick || round) {
			l.queued = append(l.queued, host)
			q.busy[host] = l
		}
	}
}

// end takes the outcome of a try. It returns false if the name is to be tried again,
// with more time.
func (q *lookupQueue) end(f finding) bool {
	l, late := q.busy[f.host], isTimeout(f.err)
	l.running--
	switch {
	case !q.wanted[f.host]:
	case late && l == &q.quick:
		q.slow.queued = append(q.slow.queued, f.host)
		q.busy[f.host] = &q.slow
		return false
	case late:
		q.silent[f.host] = true
	default:
		delete(q.silent, f.host)
	}
	delete(q.busy, f.host)
	return true
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// start looks up waiting names of a lane, maxLookups at a time.
func (q *lookupQueue) start(ctx context.Context, l *lane) {
	for len(l.queued) > 0 && l.running < maxLookups {
		host := l.queued[0]
		l.queued = l.queued[1:]
		l.running++
		q.group.Go(func() {
			trying, cancel := context.WithTimeout(ctx, l.timeout)
			defer cancel()
			addrs, err := q.lookup(trying, host)
			send(ctx, q.done, finding{host: host, addrs: addrs, err: err})
		})
	}
}

// sortedAddrs returns addrs in order, each once, IPv4 addresses as such.
func sortedAddrs(addrs []netip.Addr) []netip.Addr {
	list := make([]netip.Addr, 0, len(addrs))
	for _, addr := range addrs {
		list = append(list, addr.Unmap())
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}
