package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxIdle limits the idle connections to one server.
	maxIdle = 64
	// maxConnAge is how long a connection is used.
	maxConnAge = 10 * time.Second
	// maxIdleTCP is the longest idle time of a connection that is still used: servers close idle
	// connections.
	maxIdleTCP = 2 * time.Second
	// maxTLSAge and maxIdleTLS are the same for TLS, where a new connection costs more.
	maxTLSAge, maxIdleTLS = 5 * time.Minute, 8 * time.Second
)

// A socket is a TCP connection to one server. One query at a time uses it.
type socket struct {
	net.Conn
	server  netip.AddrPort
	made    time.Time
	recycle bool // it served a query before
	// age and idle limit its age and its idle time.
	age, idle time.Duration
	unused    *time.Timer // closes it while it is not in use
}

// A pool holds idle connections: a new connection for each query costs more than the query.
type pool struct {
	secure *tlsTable
	mu     sync.Mutex
	idle   map[netip.AddrPort][]*socket // some may be closed
}

// get returns a connection to a server, a used one if possible.
func (p *pool) get(ctx context.Context, server netip.AddrPort) (*socket, error) {
	for s := p.take(server); s != nil; s = p.take(server) {
		if s.unused.Stop() && time.Since(s.made) < s.age {
			s.recycle = true
			return s, nil
		}
		_ = s.Close()
	}
	s := &socket{server: server, made: time.Now(), age: maxConnAge, idle: maxIdleTCP}
	dial := new(net.Dialer).DialContext
	if config := p.secure.get(server); config != nil {
		dial, s.age, s.idle = (&tls.Dialer{Config: config}).DialContext, maxTLSAge, maxIdleTLS
	}
	var err error
	if s.Conn, err = dial(ctx, "tcp", server.String()); err != nil {
		return nil, err
	}
	return s, nil
}

func (p *pool) take(server netip.AddrPort) *socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle[server]
	if len(idle) == 0 {
		return nil
	}
	s := idle[len(idle)-1]
	p.idle[server] = idle[:len(idle)-1]
	return s
}

// put stores a connection without outstanding replies. A connection with an outstanding reply must
// be closed instead.
func (p *pool) put(s *socket) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == nil {
		p.idle = map[netip.AddrPort][]*socket{}
	}
	if len(p.idle[s.server]) >= maxIdle {
		_ = s.Close()
		return
	}
	s.unused = time.AfterFunc(s.idle, func() { _ = s.Close() })
	p.idle[s.server] = append(p.idle[s.server], s)
}

// closeIdle closes all idle connections: the servers changed, or forwarding has stopped.
func (p *pool) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, idle := range p.idle {
		for _, s := range idle {
			s.unused.Stop()
			_ = s.Close()
		}
	}
	p.idle = nil
}
