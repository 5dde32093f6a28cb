package upstream

import (
	"net/netip"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
)

// A pending query, and the waiters for its reply.
type pending struct {
	query   []byte
	key     string
	plan    plan
	waiters []waiter
	keep    func(reply []byte) // the cache's; nil: no cache
	tries   []*try             // sent and not replied to
	// nextAt is when the next server is queried; zero: all were queried.
	nextAt time.Time
	sent   time.Time // the last try
	over   bool
}

// due returns the time of the next event of a query: the next server is queried, or the last server
// or a waiter times out.
func (p *pending) due() time.Time {
	due := p.nextAt
	if due.IsZero() && p.plan.last != nil {
		due = p.sent.Add(tryTimeout)
	}
	for _, w := range p.waiters {
		if due.IsZero() || w.until.Before(due) {
			due = w.until
		}
	}
	return due
}

type waiter struct {
	id    [2]byte
	until time.Time
	done  func(reply []byte, err error)
}

// A try is a query sent to one server. It remains with its link after the query is over, so that a
// late reply counts for the server's health.
type try struct {
	of       *pending
	server   int // in of.plan.servers; -1: a probe
	link     *link
	id       uint16
	sent     time.Time
	late     bool // the next server has been queried
	rejected bool // it got an error without a question, or its query was sent again without OPT
	bare     bool // it was sent without the query's OPT
}

// A hop is work to do without the lock: send a packet on a link, or pass a reply or an error to the
// cache and the waiters.
type hop struct {
	link    *link
	packet  []byte
	keep    func(reply []byte)
	waiters []waiter
	reply   []byte
	err     error
}

// A link is a socket to one server.
type link struct {
	server  netip.AddrPort
	conn    *udpbatch.Peer
	made    time.Time
	retired bool            // takes no more queries, and closes after the last reply
	tries   map[uint16]*try // by our ID
}
