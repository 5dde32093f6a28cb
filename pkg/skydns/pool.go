package skydns

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	// maxIdle bounds the sockets that are kept for one server and transport.
	maxIdle = 64
	// maxSocketAge is how long a socket is used: with it changes the source
	// port, which who forges replies has to guess (RFC 5452 section 9.2).
	maxSocketAge = 10 * time.Second
	// maxIdleTCP is how long a connection may have been idle and still be used:
	// servers close idle ones.
	maxIdleTCP = 2 * time.Second
)

// A socket is a connection to one server. One query at a time uses it.
type socket struct {
	net.Conn
	server  netip.AddrPort
	tcp     bool
	made    time.Time
	used    time.Time
	recycle bool // it served a query before
}

// A pool keeps sockets that are not in use: making one for each query costs
// more than the query.
type pool struct {
	mu   sync.Mutex
	idle map[route][]*socket
}

// A route is a server and a transport.
type route struct {
	server netip.AddrPort
	tcp    bool
}

// get returns a socket to a server, a used one if there is any.
func (p *pool) get(ctx context.Context, server netip.AddrPort, tcp bool) (*socket, error) {
	now := time.Now()
	for {
		s := p.take(route{server, tcp})
		if s == nil {
			break
		}
		if now.Sub(s.made) < maxSocketAge && (!tcp || now.Sub(s.used) < maxIdleTCP) {
			s.recycle = true
			return s, nil
		}
		_ = s.Close()
	}
	return dial(ctx, server, tcp)
}

func dial(ctx context.Context, server netip.AddrPort, tcp bool) (*socket, error) {
	network := "udp"
	if tcp {
		network = "tcp"
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, server.String())
	if err != nil {
		return nil, err
	}
	return &socket{Conn: conn, server: server, tcp: tcp, made: time.Now()}, nil
}

func (p *pool) take(r route) *socket {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.idle[r]
	if len(idle) == 0 {
		return nil
	}
	s := idle[len(idle)-1]
	p.idle[r] = idle[:len(idle)-1]
	return s
}

// put keeps a socket on which nothing more is to come. One on which a reply is
// still due must be closed instead.
func (p *pool) put(s *socket) {
	s.used = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	r := route{s.server, s.tcp}
	if p.idle == nil {
		p.idle = map[route][]*socket{}
	}
	if len(p.idle[r]) >= maxIdle {
		_ = s.Close()
		return
	}
	p.idle[r] = append(p.idle[r], s)
}

// closeIdle closes all sockets that are not in use: the servers changed, or
// nothing is forwarded any more.
func (p *pool) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, idle := range p.idle {
		for _, s := range idle {
			_ = s.Close()
		}
	}
	p.idle = nil
}
