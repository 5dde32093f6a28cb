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

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// A Server answers DNS queries over UDP and TCP.
type Server struct {
	domain    string
	backend   backend.Backend
	forwarder *Forwarder
	version   string
	fast      bool
	hold      time.Duration
	log       *slog.Logger
	metrics   *metrics

	// impatient is a context that is done: see Backend.Records.
	impatient context.Context
	wildcards *shares // wildcard queries that run
	forwards  *shares // queries whose reply is still to come
	waiting   sync.WaitGroup
	conns     connTable
	replies   *shares   // bytes of replies being sent over TCP
	tcpFast   sync.Pool // of *fastPath
	panicLog  throttle
	acceptLog throttle
	packLog   throttle
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
		wildcards: newShares(opts.MaxWildcards, max(1, opts.MaxWildcards/2)),
		forwards:  newShares(opts.MaxForwards, max(1, opts.MaxForwards/4)),
		conns:     newConnTable(opts.MaxTCPConns),
		replies:   newShares(maxReplyBytes, maxReplyBytes/8),
		panicLog:  throttle{every: time.Second},
		acceptLog: throttle{every: time.Minute},
		packLog:   throttle{every: time.Minute},
	}
	s.tcpFast.New = func() any { return s.newFastPath(s.metrics.shared, true) }
	s.metrics.watchWaiting(opts.Registerer, s.forwards.taken)
	if opts.Registerer != nil {
		opts.Registerer.MustRegister(newUpstreamMetrics(opts.Forwarder))
	}
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
	var sources []*batches
	for i, conn := range sockets.udp {
		b, err := s.newBatches(conn, s.metrics.ofWorker(i))
		if err != nil {
			return errors.Join(err, sockets.Close())
		}
		sources = append(sources, b)
	}
	if why := sources[0].conn.Single(); why != nil && s.fast {
		s.log.Warn("reading one packet at a time", "err", why)
	}
	s.metrics.watchSockets(sources)
	for _, b := range sources {
		g.Go(func() error { return b.serve(ctx) })
	}
	g.Go(func() error { return s.serveTCP(ctx, sockets.tcp) })
	err := g.Wait()
	s.waiting.Wait()
	s.forwarder.Close()
	return errors.Join(err, sockets.Close()) // not before the last reply
}

// later completes a reply that is still to come, and sends it. A query that
// finds too many pending, of all clients or of its own, gets SERVFAIL at once.
// send must not keep the reply.
func (s *Server) later(raw []byte, from netip.Addr, tcp bool, resp response, send func([]byte)) {
	if resp.wildcard && !s.wildcards.take(from, 1) {
		send(s.overloaded(raw, tcp))
		return
	}
	if !s.forwards.take(from, 1) {
		if resp.wildcard {
			s.wildcards.give(from, 1)
		}
		send(s.overloaded(raw, tcp))
		return
	}
	done := func() {
		s.forwards.give(from, 1)
		if resp.wildcard {
			s.wildcards.give(from, 1)
		}
	}
	if resp.start != nil {
		s.waiting.Add(1)
		resp.start(func(reply []byte) {
			defer s.waiting.Done()
			defer done()
			send(reply)
		})
		return
	}
	s.waiting.Go(func() {
		defer done()
		// A reply that is on its way is waited for even when the server stops.
		ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout) //nolint:forbidigo // see above
		defer cancel()
		send(resp.wait(ctx))
	})
}

// A throttle lets one event through in each period.
type throttle struct {
	every time.Duration
	mu    sync.Mutex
	next  time.Time
}

func (t *throttle) allow(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Before(t.next) {
		return false
	}
	t.next = now.Add(t.every)
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
