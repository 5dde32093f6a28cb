package sources

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	hostTimeout = 2 * time.Second
	minHostTTL  = 5 * time.Second // even after a failure
	maxHostTTL  = 5 * time.Minute
	firstHosts  = 2 * time.Second // upper bound of the startup wait
)

// hosts has the addresses of stub servers given by name. It queries the cluster upstream when their
// TTL expires, and keeps the last addresses on failure.
type hosts struct {
	servers []netip.AddrPort // tried in order
	changed chan struct{}
	wanted  chan struct{}

	mu    sync.Mutex
	names map[string]*host
}

type host struct {
	addrs []netip.Addr
	due   time.Time
	tried bool
}

func newHosts(servers []netip.AddrPort) *hosts {
	return &hosts{
		servers: servers, changed: make(chan struct{}, 1), wanted: make(chan struct{}, 1), names: map[string]*host{},
	}
}

// want replaces the names.
func (h *hosts) want(names []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := map[string]*host{}
	for _, name := range names {
		if next[name] = h.names[name]; next[name] == nil {
			next[name] = &host{}
		}
	}
	h.names = next
	signal(h.wanted)
}

// addrs returns the addresses of a name, sorted.
func (h *hosts) addrs(name string) []netip.Addr {
	h.mu.Lock()
	defer h.mu.Unlock()
	if found := h.names[name]; found != nil {
		return found.addrs
	}
	return nil
}

// first waits a short time until each name was looked up once.
func (h *hosts) first(ctx context.Context) {
	if len(h.servers) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, firstHosts)
	defer cancel()
	for {
		h.mu.Lock()
		done := true
		for _, host := range h.names {
			done = done && host.tried
		}
		h.mu.Unlock()
		if done {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-h.changed:
		}
	}
}

// run looks up names that are due.
func (h *hosts) run(ctx context.Context) error {
	if len(h.servers) == 0 {
		<-ctx.Done()
		return nil
	}
	for {
		name, due, ok := h.next()
		wait := maxHostTTL
		if ok {
			wait = time.Until(due)
		}
		timer := time.NewTimer(max(wait, 0))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-h.wanted:
			timer.Stop()
		case <-timer.C:
			if ok {
				addrs, ttl, err := h.lookup(ctx, name)
				h.learn(name, addrs, ttl, err)
			}
		}
	}
}

// next returns the name that is due first.
func (h *hosts) next() (name string, due time.Time, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for n, host := range h.names {
		if !ok || host.due.Before(due) {
			name, due, ok = n, host.due, true
		}
	}
	return name, due, ok
}

func (h *hosts) learn(name string, addrs []netip.Addr, ttl time.Duration, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	host := h.names[name]
	if host == nil {
		return
	}
	changed := !host.tried
	host.tried, host.due = true, time.Now().Add(minHostTTL)
	if err == nil {
		changed = changed || !slices.Equal(addrs, host.addrs)
		host.addrs, host.due = addrs, time.Now().Add(min(max(ttl, minHostTTL), maxHostTTL))
	}
	if changed {
		signal(h.changed)
	}
}

func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// lookup queries the servers in turn.
func (h *hosts) lookup(ctx context.Context, name string) (addrs []netip.Addr, ttl time.Duration, err error) {
	for _, server := range h.servers {
		if addrs, ttl, err = lookup(ctx, server.String(), name); err == nil {
			return addrs, ttl, nil
		}
	}
	return nil, 0, err
}

// lookup returns the addresses of a name, and the time until the next lookup.
func lookup(ctx context.Context, server, name string) (addrs []netip.Addr, ttl time.Duration, err error) {
	ttl = maxHostTTL
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		query := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
		client := dns.Client{Timeout: hostTimeout}
		reply, _, err := client.ExchangeContext(ctx, query, server)
		if err == nil && reply.Truncated {
			client.Net = "tcp"
			reply, _, err = client.ExchangeContext(ctx, query, server)
		}
		if err != nil {
			return nil, 0, err
		}
		for _, rr := range reply.Answer {
			ttl = min(ttl, time.Duration(rr.Header().Ttl)*time.Second)
			switch rr := rr.(type) {
			case *dns.A:
				addrs = appendIP(addrs, rr.A)
			case *dns.AAAA:
				addrs = appendIP(addrs, rr.AAAA)
			}
		}
	}
	if len(addrs) == 0 {
		return nil, 0, errors.New("no address")
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs, ttl, nil
}

func appendIP(addrs []netip.Addr, ip []byte) []netip.Addr {
	if addr, ok := netip.AddrFromSlice(ip); ok {
		return append(addrs, addr.Unmap())
	}
	return addrs
}
