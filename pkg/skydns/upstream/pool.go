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
	// maxIdle bounds the connections that are kept for one server.
	maxIdle = 64
	// maxConnAge is how long a connection is used.
	maxConnAge = 10 * time.Second
	// maxIdleTCP is how long a connection may have been idle and still be used:
	// servers close idle ones.
	maxIdleTCP = 2 * time.Second
	// maxTLSAge and maxIdleTLS are the same for TLS, where making one costs more.
	maxTLSAge, maxIdleTLS = 5 * time.Minute, 8 * time.Second
)

// A socket is a TCP connection to one server. One query at a time uses it.
type socket struct {
	net.Conn
	server  netip.AddrPort
	made    time.Time
	recycle bool // it served a query before
	// age and idle are how long it is used, and may have been idle.
	age, idle time.Duration
	unused    *time.Timer // closes it while it is not in use
}

// A pool keeps connections that are not in use: making one for each query costs
// more than the query.
type pool struct {
	secure *tlsTable
	mu     sync.Mutex
	idle   map[netip.AddrPort][]*socket // some may be closed
}

// get returns a connection to a server, a used one if there is any.
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

// put keeps a connection on which nothing more is to come. One on which a reply
// is still due must be closed instead.
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

// closeIdle closes all connections that are not in use: the servers changed, or
// nothing is forwarded any more.
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
