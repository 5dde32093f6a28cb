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
	// maxLookups limits concurrent look-ups.
	maxLookups = 256
)

// A Resolver looks up stub servers given by name. The zero value uses the system's resolver for all
// of them. It is safe for concurrent use.
type Resolver struct {
	// KubeDNS is the DNS server ("host:port") that has the names in Zones.
	KubeDNS string
	// Zones are domains without a trailing dot. Their names are sent to KubeDNS unchanged, all
	// other names to the system's resolver.
	Zones []string
}

// Lookup returns all addresses of host, IPv4 and IPv6, sorted. It needs at most two seconds. A name
// without addresses is an error.
func (r Resolver) Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	// The resolver of the C library cannot be cancelled. Go's resolver continues to read for ten
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

// A finding is the result of looking up one name.
type finding struct {
	host  string
	addrs []netip.Addr // sorted; at least one when err is nil
	err   error
}

// lookupFunc is Resolver.Lookup.
type lookupFunc func(ctx context.Context, host string) ([]netip.Addr, error)

// followNames looks up the names of the newest list from hosts at once, and again every period. It
// passes on each finding until ctx is done.
func followNames(
	ctx context.Context, lookup lookupFunc, period time.Duration, hosts <-chan []string, found chan<- finding,
) error {
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	var list []string
	for {
		select {
		case <-ctx.Done():
			return nil
		case list = <-hosts:
		case <-ticker.C:
		}
		var group errgroup.Group
		group.SetLimit(maxLookups)
		for _, host := range list {
			group.Go(func() error {
				addrs, err := lookup(ctx, host)
				send(ctx, found, finding{host: host, addrs: addrs, err: err})
				return nil
			})
		}
		_ = group.Wait() // look-ups return no error
	}
}

// sortedAddrs returns addrs sorted, without duplicates, and IPv4-mapped addresses as IPv4.
func sortedAddrs(addrs []netip.Addr) []netip.Addr {
	list := make([]netip.Addr, 0, len(addrs))
	for _, addr := range addrs {
		list = append(list, addr.Unmap())
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return slices.Compact(list)
}
