package skydns

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"
)

// A Server answers DNS queries over UDP and TCP.
type Server struct {
	domain    string
	backend   Backend
	forwarder *Forwarder
	version   string
	fast      bool
	hold      time.Duration
	log       *slog.Logger
	metrics   *metrics

	// impatient is a context that is done: see Backend.Records.
	impatient context.Context
	wildcards chan struct{} // holds one token for each wildcard query that runs
	forwards  chan struct{} // holds one token for each reply that waits for others
	waiting   sync.WaitGroup
	conns     connTable
	panicLog  everySecond
	holdUntil atomic.Pointer[time.Time]
	addr      atomic.Pointer[netip.AddrPort] // of the sockets, while it runs
}

// New returns a server that does not listen yet.
func New(opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	impatient, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // it is cancelled in the next line
	cancel()
	s := &Server{
		domain:    opts.Domain,
		backend:   opts.Backend,
		forwarder: opts.Forwarder,
		version:   opts.Version,
		fast:      !opts.NoFastPath,
		hold:      opts.Hold,
		log:       opts.Logger,
		metrics:   newMetrics(opts, maxSockets),
		impatient: impatient,
		wildcards: make(chan struct{}, opts.MaxWildcards),
		forwards:  make(chan struct{}, opts.MaxForwards),
		conns:     connTable{max: opts.MaxTCPConns, open: map[net.Conn]bool{}},
	}
	s.metrics.watchWaiting(opts.Registerer, func() int { return len(s.forwards) })
	s.forwarder.hosts.local = s.localAddresses
	s.forwarder.udp.panicked = func(packet []byte, trouble any) { s.recovered(packet, trouble) }
	return s, nil
}

// Run answers until ctx is done. Then it answers what has arrived, waits for
// what is in flight, closes the sockets and returns nil.
func (s *Server) Run(ctx context.Context, sockets *Sockets) error {
	addr := reachable(sockets.udp[0].LocalAddr())
	s.addr.Store(&addr)
	defer s.addr.Store(nil)
	until := time.Now().Add(s.hold)
	s.holdUntil.Store(&until)
	g, ctx := errgroup.WithContext(ctx)
	var taken []*batches
	for i, conn := range sockets.udp {
		b := s.newBatches(conn, s.metrics.ofWorker(i))
		if b != nil {
			taken = append(taken, b)
		}
		g.Go(func() error { return s.serveUDP(ctx, conn, b) })
	}
	g.Go(func() error { return s.serveTCP(ctx, sockets.tcp) })
	err := g.Wait()
	s.waiting.Wait()
	s.forwarder.Close()
	for _, b := range taken { // not before the last reply
		err = errors.Join(err, b.conn.Close())
	}
	return errors.Join(err, sockets.Close())
}

// later has a response sent that is not there yet, or SERVFAIL at once when too
// many are waited for already. The reply is send's until it returns.
func (s *Server) later(raw []byte, tcp bool, resp response, send func([]byte)) {
	select {
	case s.forwards <- struct{}{}:
	default:
		send(s.overloaded(raw, tcp))
		return
	}
	if resp.start != nil {
		s.waiting.Add(1)
		resp.start(func(reply []byte) {
			defer s.waiting.Done()
			defer func() { <-s.forwards }()
			send(reply)
		})
		return
	}
	s.waiting.Go(func() {
		defer func() { <-s.forwards }()
		// A reply that is on its way is waited for even when the server stops.
		ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout) //nolint:forbidigo // see above
		defer cancel()
		send(resp.wait(ctx))
	})
}

// everySecond lets one event a second through.
type everySecond struct {
	mu   sync.Mutex
	next time.Time
}

func (e *everySecond) allow(now time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now.Before(e.next) {
		return false
	}
	e.next = now.Add(time.Second)
	return true
}

// aliveTimeout is how long a server that is well may take for its own query.
const aliveTimeout = time.Second

// Alive returns nil when the server answers a query for the zone's apex that
// comes in by its own UDP socket, as a client's does. It depends on no other
// server.
func (s *Server) Alive(ctx context.Context) error {
	addr := s.addr.Load()
	if addr == nil {
		return errors.New("not answering yet, or no more")
	}
	query, err := new(dns.Msg).SetQuestion(s.domain, dns.TypeSOA).Pack()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, aliveTimeout)
	defer cancel()
	var self mux
	defer self.close()
	until, _ := ctx.Deadline()
	if _, err := wait(ctx, func(done func([]byte, error)) { self.ask([]netip.AddrPort{*addr}, query, until, done) }); err != nil {
		return fmt.Errorf("a query to ourselves, at %s: %w", addr, err)
	}
	return nil
}

// reachable is an address by which a socket's own process gets to it.
func reachable(addr net.Addr) netip.AddrPort {
	at := addr.(*net.UDPAddr).AddrPort()
	if ip := at.Addr().Unmap(); ip.IsUnspecified() {
		// A socket for both families shows the IPv6 address, and takes IPv4.
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	return at
}
