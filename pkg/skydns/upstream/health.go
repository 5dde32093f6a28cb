package upstream

import (
	"cmp"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	// slowServer is the reply time from which a server is asked after faster ones.
	slowServer = 400 * time.Millisecond
	// downAfter is how many tries in a row without a reply make a server down.
	downAfter = 2
	// probeEvery is how often a server that is slow or down gets a copy of a
	// query, so that its recovery is noticed.
	probeEvery = 2 * time.Second
	// forgetAfter is when the health of a server that is not asked is dropped.
	forgetAfter = 10 * time.Minute
)

// A healthTable remembers how servers behaved. The zero value is empty.
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

// rank is 0 for a good server, 1 for a slow one, 2 for one that is down.
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

// order returns the servers in the order to ask them: good ones as configured,
// then slow ones, the fastest first, then those that are down. probe is one that
// should get a copy of the query; it is not valid when there is none.
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

// replied records a reply that took rtt; 0: it is not known.
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

// silent records that a server took longer than a try may take.
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

// fault counts a reply that is of no use.
func (t *healthTable) fault(server netip.AddrPort, why Failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.get(server).tally.failures[why]++
}

// forget drops servers that were not asked for long.
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
	// Up: it is not down, or it was not asked lately.
	Up bool
	// RTT is how long it takes to reply over UDP, smoothed; 0: not known.
	RTT time.Duration
	// Replies and Failures count from the server's first query. They begin at 0 again
	// when it was not asked for ten minutes.
	Replies  Replies
	Failures map[Failure]uint64
}

// state returns how a server behaved: one that was not asked lately is up, and its RTT
// is 0 while it is not known.
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
