package sockets

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/coredns/coredns/core/dnsserver"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/coredns/coredns/plugin/pkg/reuseport"
	"github.com/coredns/coredns/plugin/pkg/transport"
	"github.com/miekg/dns"
)

// A socket is the UDP socket and the TCP listener of one address, with its connections.
type socket struct {
	listener net.Listener
	packets  net.PacketConn
	limits   *limits
	running  [2]*dns.Server // UDP and TCP

	mu     sync.RWMutex
	target target
}

// A target is the server that replies.
type target struct {
	generation *Generation
	server     *dnsserver.Server
	ctx        context.Context //nolint:containedctx // that of each query
}

// open opens the sockets of a server's address, which has the form dns://127.0.0.1:53.
func open(addr string, bounds *limits) (*socket, error) {
	addr = strings.TrimPrefix(addr, transport.DNS+"://")
	tcp, err := reuseport.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	packets, err := reuseport.ListenPacket("udp", addr)
	if err != nil {
		return nil, errors.Join(err, tcp.Close())
	}
	return &socket{listener: tcp, packets: packets, limits: bounds}, nil
}

// discard closes sockets that were not started.
func (s *socket) discard() {
	_ = s.listener.Close()
	_ = s.packets.Close()
}

// use replaces the server that replies.
func (s *socket) use(g *Generation, server *dnsserver.Server) {
	ctx := context.WithValue(context.Background(), dnsserver.Key{}, server) //nolint:forbidigo // as CoreDNS does
	ctx = context.WithValue(ctx, dnsserver.LoopKey{}, 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target = target{generation: g, server: server, ctx: ctx}
}

// take returns the server for a query, which is pending until done is called.
func (s *socket) take() (t target, done func()) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	s.target.generation.pending.Add(1)
	return s.target, s.target.generation.pending.Done
}

// ServeDNS implements dns.Handler.
func (s *socket) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	t, done := s.take()
	defer done()
	t.server.ServeDNS(t.ctx, w, query)
}

// start starts to serve. The socket must have a server.
func (s *socket) start() {
	s.running = [2]*dns.Server{
		{
			Net: "tcp", Listener: listener{s.listener, s.limits}, Handler: s, MaxTCPQueries: -1,
			DecorateReader: func(inner dns.Reader) dns.Reader { return &reader{Reader: inner, socket: s} },
		},
		{
			Net: "udp", PacketConn: s.packets, Handler: s,
			DecorateWriter: func(inner dns.Writer) dns.Writer { return sender{inner, s.limits} },
		},
	}
	for _, server := range s.running {
		started := make(chan struct{})
		server.NotifyStartedFunc = sync.OnceFunc(func() { close(started) })
		go func() {
			defer server.NotifyStartedFunc() // it can fail before
			if err := server.ActivateAndServe(); err != nil {
				clog.Errorf("cannot serve %s any more: %v", server.Net, err)
			}
		}()
		<-started
	}
}

// stop closes the sockets and the idle connections, and waits for pending queries until ctx is
// done.
func (s *socket) stop(ctx context.Context) {
	var stopping sync.WaitGroup
	for _, server := range s.running {
		stopping.Go(func() { _ = server.ShutdownContext(ctx) })
	}
	stopping.Wait()
}

// A reader reads the queries of a TCP connection. Its limits are those of the current server.
type reader struct {
	dns.Reader
	socket *socket
	read   int
}

// errEnough closes a connection after its maximum number of queries (maxtcpqueries).
var errEnough = errors.New("the connection has sent enough queries")

// ReadTCP implements dns.Reader.
func (r *reader) ReadTCP(conn net.Conn, _ time.Duration) ([]byte, error) {
	r.socket.mu.RLock()
	server := r.socket.target.server
	r.socket.mu.RUnlock()
	timeout := server.IdleTimeout
	if r.read == 0 {
		timeout = server.ReadTimeout
	}
	if server.MaxTCPQueries > 0 && r.read >= server.MaxTCPQueries {
		return nil, errEnough
	}
	r.read++
	return r.Reader.ReadTCP(conn, timeout)
}
