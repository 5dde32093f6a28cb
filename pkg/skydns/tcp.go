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
			s.serveConn(ctx, newTCPConn(conn, s.newFastPath(s.metrics.shared, true)))
		})
	}
}

// A tcpConn is one client. One goroutine reads; replies are written by several.
type tcpConn struct {
	net.Conn
	r      *bufio.Reader
	unread int       // bytes of the last query, still in r's buffer
	until  time.Time // the deadline for reading
	fast   *fastPath // nil: there is none

	mu     sync.Mutex
	w      *bufio.Writer
	sendBy time.Time // the deadline for writing
	failed bool
}

// connBuffer is the size of the buffers of a connection, each way.
const connBuffer = 2048

func newTCPConn(conn net.Conn, fast *fastPath) *tcpConn {
	return &tcpConn{Conn: conn, r: bufio.NewReaderSize(conn, connBuffer), w: bufio.NewWriterSize(conn, connBuffer), fast: fast}
}

// serveConn answers the queries of one connection: those for the zone at once,
// those that wait for other servers as they come back, in any order (RFC 7766
// section 6.2.1.1).
func (s *Server) serveConn(ctx context.Context, conn *tcpConn) {
	var pending sync.WaitGroup
	defer func() { _ = conn.Close() }()
	defer pending.Wait()
	slots := make(chan struct{}, maxPipelined)
	for timeout := firstTimeout; !conn.broken(); timeout = idleTimeout {
		raw, err := conn.next(ctx, timeout)
		if err != nil {
			return
		}
		resp := s.respondFast(conn.fast, raw)
		switch {
		case resp.due():
			conn.flush() // what was answered need not wait for a slot
			slots <- struct{}{}
			pending.Add(1)
			s.later(raw, true, resp, func(reply []byte) {
				conn.send(reply, true)
				<-slots
				pending.Done()
			})
		case resp.reply != nil:
			// Replies to queries that are here already go out together.
			conn.send(resp.reply, conn.r.Buffered() == conn.unread)
		}
	}
}

// respondFast is respond over TCP, by the fast path where that will do.
func (s *Server) respondFast(fast *fastPath, raw []byte) (resp response) {
	defer func() {
		if p := recover(); p != nil {
			resp = response{reply: s.recovered(raw, p)}
		}
	}()
	if fast != nil {
		fast.begin()
		reply := fast.answer(raw, fast.reply.Buf[:0])
		fast.end()
		if reply != nil {
			return response{reply: reply}
		}
	}
	return s.respond(raw, true)
}

// next reads a message behind its length (RFC 1035 section 4.2.2). It is valid
// until the next call.
func (c *tcpConn) next(ctx context.Context, timeout time.Duration) ([]byte, error) {
	_, _ = c.r.Discard(c.unread)
	c.unread = 0
	if err := c.await(timeout); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil && c.r.Buffered() == 0 {
		return nil, err // it was stopped before the deadline was set
	}
	head, err := c.r.Peek(2)
	if err != nil {
		return nil, err
	}
	size := 2 + int(binary.BigEndian.Uint16(head))
	if size <= c.r.Size() {
		framed, err := c.r.Peek(size)
		if err != nil {
			return nil, err
		}
		c.unread = size
		return framed[2:], nil
	}
	return readMessage(c.r)
}

// await sets the deadline for the next query. Setting it costs something, so a
// deadline that is about right stays.
func (c *tcpConn) await(timeout time.Duration) error {
	until := time.Now().Add(timeout)
	if until.Sub(c.until) < timeout/8 {
		return nil
	}
	c.until = until
	return c.SetReadDeadline(until)
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
	c.awaitSend()
	_ = c.w.WriteByte(byte(len(reply) >> 8))
	_ = c.w.WriteByte(byte(len(reply)))
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
	c.awaitSend()
	c.fail(c.w.Flush())
}

// awaitSend sets the deadline for what is written next; see await.
func (c *tcpConn) awaitSend() {
	if until := time.Now().Add(sendTimeout); until.Sub(c.sendBy) > sendTimeout/8 {
		c.sendBy = until
		_ = c.SetWriteDeadline(until)
	}
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
