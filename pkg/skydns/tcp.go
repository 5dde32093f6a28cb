package skydns

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	// firstTimeout is how long a new connection may take for its first query,
	// idleTimeout how long it may stay without one afterwards.
	firstTimeout = 2 * time.Second
	idleTimeout  = 8 * time.Second
	// sendTimeout is how long a client may take to take a reply.
	sendTimeout = 2 * time.Second
	// maxPipelined bounds the queries of one connection that wait for other
	// servers; the next one is read when one of them is done.
	maxPipelined = 128
)

// A connTable holds the open connections, and bounds them.
type connTable struct {
	max  int
	mu   sync.Mutex
	open map[net.Conn]bool
}

func (t *connTable) add(c net.Conn) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.open) >= t.max {
		return false
	}
	t.open[c] = true
	return true
}

func (t *connTable) remove(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.open, c)
}

// stop ends reading on all connections.
func (t *connTable) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.open {
		_ = c.SetReadDeadline(time.Now())
	}
}

// serveTCP accepts until ctx is done, and returns when all connections have
// ended.
func (s *Server) serveTCP(ctx context.Context, ln net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() {
		_ = ln.Close()
		s.conns.stop()
	})
	defer stop()
	for {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil:
			// Too many open files, most likely: those there are go on.
			s.log.Warn("accept a TCP connection", "err", err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if !s.conns.add(conn) {
			s.metrics.connsRefused.Inc()
			_ = conn.Close()
			continue
		}
		s.metrics.conns.Inc()
		conns.Go(func() {
			defer s.metrics.conns.Dec()
			defer s.conns.remove(conn)
			s.serveConn(ctx, &tcpConn{Conn: conn, w: bufio.NewWriterSize(conn, 4096)})
		})
	}
}

// A tcpConn is one client. Replies are written by several goroutines.
type tcpConn struct {
	net.Conn
	mu     sync.Mutex
	w      *bufio.Writer
	failed bool
}

// serveConn answers the queries of one connection: those for the zone at once,
// those that wait for other servers as they come back, in any order (RFC 7766
// section 6.2.1.1).
func (s *Server) serveConn(ctx context.Context, conn *tcpConn) {
	var pending sync.WaitGroup
	defer func() { _ = conn.Close() }()
	defer pending.Wait()
	slots := make(chan struct{}, maxPipelined)
	r := bufio.NewReaderSize(conn, 4096)
	for timeout := firstTimeout; ; timeout = idleTimeout {
		if err := conn.SetReadDeadline(time.Now().Add(timeout)); err != nil || ctx.Err() != nil && r.Buffered() == 0 {
			return
		}
		// A buffer of its own: the query outlives the next one.
		raw, err := readMessage(r)
		if err != nil {
			return
		}
		resp := s.respond(raw, true)
		switch {
		case resp.wait != nil:
			conn.flush() // what was answered need not wait for a slot
			slots <- struct{}{}
			pending.Add(1)
			s.later(raw, true, resp.wait, func(reply []byte) {
				conn.send(reply, true)
				<-slots
				pending.Done()
			})
		case resp.reply != nil:
			conn.send(resp.reply, r.Buffered() == 0)
		}
		if conn.broken() {
			return
		}
	}
}

// readMessage reads a message behind its length (RFC 1035 section 4.2.2).
func readMessage(r *bufio.Reader) ([]byte, error) {
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	raw := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err := io.ReadFull(r, raw)
	return raw, err
}

// send writes a reply, and flushes where no other reply is about to follow. A
// client that does not take it loses its connection.
func (c *tcpConn) send(reply []byte, flush bool) {
	if len(reply) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed {
		return
	}
	_ = c.SetWriteDeadline(time.Now().Add(sendTimeout))
	var size [2]byte
	binary.BigEndian.PutUint16(size[:], uint16(len(reply)))
	_, _ = c.w.Write(size[:])
	_, err := c.w.Write(reply)
	if err == nil && flush {
		err = c.w.Flush()
	}
	c.fail(err)
}

func (c *tcpConn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed || c.w.Buffered() == 0 {
		return
	}
	_ = c.SetWriteDeadline(time.Now().Add(sendTimeout))
	c.fail(c.w.Flush())
}

func (c *tcpConn) fail(err error) {
	if err != nil {
		c.failed = true
		_ = c.SetReadDeadline(time.Now())
	}
}

func (c *tcpConn) broken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}
