package skydns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/shares"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// A Server answers DNS queries over UDP and TCP.
type Server struct {
	*responder
	options Options
	tcp     *tcpServer
	addr    atomic.Pointer[netip.AddrPort] // of the sockets, while it runs
}

// New returns a server that does not listen yet.
func New(opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	r := &responder{
		zone: zone{
			domain: opts.Domain, backend: opts.Backend, forwarder: opts.Forwarder, version: opts.Version, log: opts.Logger,
		},
		backlog: backlog{
			forwards:  shares.New(opts.MaxForwards, max(1, opts.MaxForwards/4)),
			wildcards: shares.New(opts.MaxWildcards, max(1, opts.MaxWildcards/2)),
		},
		tap:      opts.Tap,
		panicLog: throttle{every: time.Second},
		packLog:  throttle{every: time.Minute},
	}
	if opts.Autopath {
		r.autopath = newAutopath(opts.Domain, opts.SearchDomains)
	}
	opts.Forwarder.ResolveWith(r.addresses)
	r.metrics = newMetrics(opts, socketsPerPort(), r.forwards.Taken)
	s := &Server{responder: r, options: opts}
	s.tcp = newTCPServer(r, func() *fastPath { return s.newFastPath(r.metrics.shared, tcp) }, opts.MaxTCPConns)
	if opts.Registerer != nil {
		opts.Registerer.MustRegister(newUpstreamMetrics(opts.Forwarder))
	}
	return s, nil
}

// newFastPath returns nil if there is no fast path.
func (s *Server) newFastPath(c *counters, via transport) *fastPath {
	if s.options.NoFastPath {
		return nil
	}
	return newFastPath(&s.zone, c, s.tap, via)
}

// Run serves until ctx is done. Then it answers the queries that have arrived, waits for pending
// queries, closes the sockets and returns nil.
func (s *Server) Run(ctx context.Context, sockets *Sockets) error {
	addr := reachable(sockets.udp[0].LocalAddr())
	s.addr.Store(&addr)
	defer s.addr.Store(nil)
	until := time.Now().Add(s.options.Hold)
	s.holdUntil.Store(&until)
	g, ctx := errgroup.WithContext(ctx)
	var conns []*udpbatch.Conn
	for _, socket := range sockets.udp {
		conn, err := udpbatch.New(socket, s.options.NoFastPath, s.metrics.sendFailed)
		if err != nil {
			return errors.Join(err, sockets.Close())
		}
		conns = append(conns, conn)
	}
	if why := conns[0].Single(); why != nil && !s.options.NoFastPath {
		s.log.Warn("reading one packet at a time", "err", why)
	}
	s.metrics.sockets.Store(&conns)
	for i, conn := range conns {
		u := &udpServer{responder: s.responder, conn: conn,
			fast: s.newFastPath(s.metrics.workers[i%len(s.metrics.workers)], udp)}
		g.Go(func() error { return u.serve(ctx) })
	}
	g.Go(func() error { return s.tcp.serve(ctx, sockets.tcp) })
	err := g.Wait()
	s.running.Wait()
	return errors.Join(err, sockets.Close()) // after the last reply
}

// aliveTimeout is the time limit for the query of Alive.
const aliveTimeout = time.Second

// Alive returns nil if the server replies to a query for the zone's apex that it sends to its own
// UDP socket. It depends on no other server.
func (s *Server) Alive(ctx context.Context) error {
	addr := s.addr.Load()
	if addr == nil {
		return errors.New("the server does not run")
	}
	query, err := new(dns.Msg).SetQuestion(s.domain, dns.TypeSOA).Pack()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, aliveTimeout)
	defer cancel()
	self := upstream.New(*addr)
	defer self.Close()
	replied := make(chan error, 1)
	self.ForwardUDP(query, func(_ []byte, err error) { replied <- err })
	select {
	case err = <-replied:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("a query to this server, at %s: %w", addr, err)
	}
	return nil
}

// reachable returns an address at which the process can reach its own socket.
func reachable(addr net.Addr) netip.AddrPort {
	at := addr.(*net.UDPAddr).AddrPort()
	if ip := at.Addr().Unmap(); ip.IsUnspecified() {
		// A socket for both families reports the IPv6 address, and accepts IPv4.
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
	}
	return at
}
