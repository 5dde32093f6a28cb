package upstream

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"slices"
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
	used    time.Time
	recycle bool // it served a query before
	// age and idle are how long it is used, and may have been idle.
	age, idle time.Duration
}

// A pool keeps connections that are not in use: making one for each query costs
// more than the query.
type pool struct {
	secure *tlsTable
	mu     sync.Mutex
	idle   map[netip.AddrPort][]*socket
	timer  *time.Timer // closes idle connections; nil: there are none
}

// get returns a connection to a server, a used one if there is any.
func (p *pool) get(ctx context.Context, server netip.AddrPort) (*socket, error) {
	now := time.Now()
	for {
		s := p.take(server)
		if s == nil {
			break
		}
		if now.Sub(s.made) < s.age && now.Sub(s.used) < s.idle {
			s.recycle = true
			return s, nil
		}
		_ = s.Close()
	}
	if config := p.secure.get(server); config != nil {
		d := tls.Dialer{Config: config}
		conn, err := d.DialContext(ctx, "tcp", server.String())
		if err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
		return &socket{Conn: conn, server: server, made: time.Now(), age: maxTLSAge, idle: maxIdleTLS}, nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", server.String())
	if err != nil {
		return nil, err
	}
	return &socket{Conn: conn, server: server, made: time.Now(), age: maxConnAge, idle: maxIdleTCP}, nil
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
	s.used = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.idle == nil {
		p.idle = map[netip.AddrPort][]*socket{}
	}
	if len(p.idle[s.server]) >= maxIdle {
		_ = s.Close()
		return
	}
	p.idle[s.server] = append(p.idle[s.server], s)
	if p.timer == nil {
		p.timer = time.AfterFunc(maxIdleTCP, p.expire)
	}
}

// expire closes the connections that have been idle for too long.
func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = nil
	now := time.Now()
	for server, idle := range p.idle {
		idle = slices.DeleteFunc(idle, func(s *socket) bool {
			if now.Sub(s.used) < s.idle {
				return false
			}
			_ = s.Close()
			return true
		})
		if p.idle[server] = idle; len(idle) == 0 {
			delete(p.idle, server)
		}
	}
	if len(p.idle) > 0 {
		p.timer = time.AfterFunc(maxIdleTCP/2, p.expire)
	}
}

// closeIdle closes all connections that are not in use: the servers changed, or
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
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}
