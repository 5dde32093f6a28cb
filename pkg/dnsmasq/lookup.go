package dnsmasq

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// lookupTimeout bounds the look-up of one name.
	lookupTimeout = 2 * time.Second
	// maxLookups bounds how many run at a time.
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

// followNames looks up new names of the newest list that came through hosts at
// once, and all of them every period, and passes on each finding, until ctx is
// done. No name waits for another one.
func followNames(
	ctx context.Context, lookup lookupFunc, period time.Duration, hosts <-chan []string, found chan<- map[string]finding,
) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	var running errgroup.Group
	slots := make(chan struct{}, maxLookups)
	start := func(host string) {
		running.Go(func() error {
			if !send(ctx, slots, struct{}{}) {
				return nil
			}
			defer func() { <-slots }()
			addrs, err := lookup(ctx, host)
			send(ctx, found, map[string]finding{host: {addrs, err}})
			return nil
		})
	}
	known := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return running.Wait()
		case list := <-hosts:
			now := make(map[string]bool, len(list))
			for _, host := range list {
				if !known[host] {
					start(host)
				}
				now[host] = true
			}
			known = now
		case <-ticker.C:
			for host := range known {
				start(host)
			}
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
