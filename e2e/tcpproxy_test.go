package e2e

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// A way is the state of the connection path to the API server.
type way int

const (
	passes way = iota
	closes     // a balancer without backends: connections close at once
	hangs      // a dead proxy: connections are accepted, without any data
)

// A tcpProxy passes bytes to the API server, so that TLS and HTTP are the API
// server's own.
type tcpProxy struct {
	addr, to string

	mu    sync.Mutex
	state way
	conns map[net.Conn]bool
	wait  sync.WaitGroup
}

// startTCPProxy starts a proxy to the API server of id, and returns it with an identity that uses
// it.
func startTCPProxy(t *testing.T, id identity) (*tcpProxy, identity) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tcpProxy{
		addr: l.Addr().String(), to: strings.TrimPrefix(id.url, "https://"), conns: map[net.Conn]bool{},
	}
	p.wait.Go(func() {
		for {
			c, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil && p.keep(c) {
				p.wait.Go(func() { p.serve(c) })
			}
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.set(closes, true)
		p.wait.Wait()
	})
	id.url = "https://" + p.addr
	return p, id
}

// set changes the state. With cut, it closes existing connections.
func (p *tcpProxy) set(state way, cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state = state
	for c := range p.conns {
		if cut {
			_ = c.Close()
		}
	}
}

// keep keeps a connection, unless the state allows none.
func (p *tcpProxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.state == closes {
		_ = c.Close()
		return false
	}
	p.conns[c] = true
	return true
}

func (p *tcpProxy) drop(c net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = c.Close()
	delete(p.conns, c)
}

func (p *tcpProxy) serve(c net.Conn) {
	defer p.drop(c)
	server, err := net.Dial("tcp", p.to)
	if err != nil || !p.keep(server) {
		return
	}
	defer p.drop(server)
	p.wait.Go(func() {
		p.pass(server, c)
		_ = server.Close()
	})
	p.pass(c, server)
}

// pass copies until either side closes. In state hangs it drops the data.
func (p *tcpProxy) pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 32<<10)
	for lost := false; ; {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		p.mu.Lock()
		lost = lost || p.state == hangs // permanent: bytes are missing
		p.mu.Unlock()
		if lost {
			continue
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return
		}
	}
}
