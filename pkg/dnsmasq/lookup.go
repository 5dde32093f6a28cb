package dnsmasq

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// lookupTimeout bounds the look-up of one name.
	lookupTimeout = 2 * time.Second
	// maxLookups bounds how many run at a time.
	maxLookups = 32
)

// A Resolver looks up stub servers that are given by name. The zero value asks
// the system's resolver for all of them. It is safe for concurrent use.
type Resolver struct {
	// KubeDNS is the DNS server ("host:port") that knows the names in Zones.
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
	// The resolver of the C library cannot be cancelled.
	resolver, name, server := &net.Resolver{PreferGo: true}, host, "the system's resolver"
	if r.inZones(host) {
		resolver.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, r.KubeDNS)
		}
		name, server = host+".", r.KubeDNS
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
	addrs []netip.Addr // sorted; at least one when err is nil
	err   error
}

// lookupFunc is Resolver.Lookup.
type lookupFunc func(ctx context.Context, host string) ([]netip.Addr, error)

// lookupAll looks up hosts, many at a time.
func lookupAll(ctx context.Context, lookup lookupFunc, hosts []string) map[string]finding {
	var running errgroup.Group
	running.SetLimit(maxLookups)
	var mu sync.Mutex
	findings := make(map[string]finding, len(hosts))
	for _, host := range hosts {
		running.Go(func() error {
			addrs, err := lookup(ctx, host)
			mu.Lock()
			defer mu.Unlock()
			findings[host] = finding{addrs, err}
			return nil
		})
	}
	_ = running.Wait() // errors are among the findings
	return findings
}

// followNames looks up the newest list of names that came through hosts, at once
// and then every period, and passes on what was found, until ctx is done.
func followNames(ctx context.Context, lookup lookupFunc, period time.Duration, hosts <-chan []string, found chan<- map[string]finding) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	var current []string
	for {
		select {
		case <-ctx.Done():
			return nil
		case current = <-hosts:
		case <-ticker.C:
		}
		if len(current) == 0 {
			continue
		}
		findings := lookupAll(ctx, lookup, current)
		select {
		case <-ctx.Done():
			return nil
		case found <- findings:
		}
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
