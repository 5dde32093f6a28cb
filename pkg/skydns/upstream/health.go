package upstream

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// slowServer is the reply time from which faster servers are queried first.
	slowServer = 400 * time.Millisecond
	// downAfter is the number of tries in a row without a reply that make a server down.
	downAfter = 2
	// probeEvery is the interval at which a server that is slow or down gets a copy of a query, to
	// detect its recovery.
	probeEvery = 2 * time.Second
	// forgetAfter is the time after which the health of an unused server is dropped.
	forgetAfter = 10 * time.Minute
)

// A healthTable records the behaviour of servers. The zero value is empty.
type healthTable struct {
	mu      sync.Mutex
	servers map[netip.AddrPort]*health
}

type health struct {
	silent int           // tries in a row without a reply
	rtt    time.Duration // smoothed; 0: no reply yet
	asked  time.Time
	tally  tally
}

func (h *health) down() bool { return h.silent >= downAfter }

// rank returns 0 for a good server, 1 for a slow one, 2 for one that is down.
func (h *health) rank() int {
	switch {
	case h.down():
		return 2
	case h.rtt > slowServer:
		return 1
	}
	return 0
}

func (t *healthTable) get(server netip.AddrPort) *health {
	h := t.servers[server]
	if h == nil {
		if t.servers == nil {
			t.servers = map[netip.AddrPort]*health{}
		}
		h = &health{}
		t.servers[server] = h
	}
	return h
}

// order returns the servers in the order of queries: good servers as configured, then slow ones,
// the fastest first, then servers that are down. probe is a server that should get a copy of the
// query; it is not valid if there is none.
func (t *healthTable) order(servers []netip.AddrPort, now time.Time) (ordered []netip.AddrPort, probe netip.AddrPort) {
	if len(servers) < 2 {
		return servers, probe
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	ordered = slices.Clone(servers)
	slices.SortStableFunc(ordered, func(a, b netip.AddrPort) int {
		ha, hb := t.get(a), t.get(b)
		if c := cmp.Compare(ha.rank(), hb.rank()); c != 0 || ha.rank() != 1 {
			return c
		}
		return cmp.Compare(ha.rtt, hb.rtt)
	})
	for _, server := range ordered[1:] {
		if h := t.get(server); h.rank() > 0 && now.Sub(h.asked) >= probeEvery {
			h.asked = now
			return ordered, server
		}
	}
	return ordered, probe
}

// sent records that a query was sent to a server.
func (t *healthTable) sent(server netip.AddrPort, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.get(server).asked = now
}

// replied records a reply that took rtt; 0: unknown.
func (t *healthTable) replied(server netip.AddrPort, rtt time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.get(server)
	h.silent = 0
	switch {
	case rtt == 0:
		return
	case h.rtt == 0:
		h.rtt = rtt
	}
	h.tally.observe(rtt)
	h.rtt += (rtt - h.rtt) / 4
}

// silent records that a server exceeded the time for a try.
func (t *healthTable) silent(server netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.get(server)
	h.silent++
	h.tally.failures[Timeout]++
}

// failed records that a server cannot be reached.
func (t *healthTable) failed(server netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.get(server)
	h.silent = max(h.silent+1, downAfter)
	h.tally.failures[Unreachable]++
}

// observe records a reply over TCP.
func (t *healthTable) observe(server netip.AddrPort, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.get(server).tally.observe(took)
}

// fault counts a useless reply.
func (t *healthTable) fault(server netip.AddrPort, why Failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.get(server).tally.failures[why]++
}

// forget drops servers that were not queried for long.
func (t *healthTable) forget(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for server, h := range t.servers {
		if now.Sub(h.asked) > forgetAfter {
			delete(t.servers, server)
		}
	}
}

// A Server is the state of one server.
type Server struct {
	Addr netip.AddrPort
	// Up: it is not down, or it was not queried lately.
	Up bool
	// RTT is the reply time over UDP, smoothed; 0: unknown.
	RTT time.Duration
	// Replies and Failures count from the server's first query. They start at 0 again after ten
	// minutes without a query.
	Replies  Replies
	Failures map[Failure]uint64
}

// state returns the health of a server. A server that was not queried lately is up, and an unknown
// RTT is 0.
func (t *healthTable) state(server netip.AddrPort) Server {
	t.mu.Lock()
	defer t.mu.Unlock()
	h := t.servers[server]
	if h == nil {
		h = &health{}
	}
	return Server{
		Addr: server, Up: !h.down(), RTT: h.rtt, Replies: h.tally.replies(), Failures: h.tally.byFailure(),
	}
}
