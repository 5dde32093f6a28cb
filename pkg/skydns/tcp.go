package skydns

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
)

const (
	// firstTimeout is how long a new connection may take for its first query,
	// idleTimeout how long it may stay without one afterwards.
	firstTimeout = 2 * time.Second
	idleTimeout  = 8 * time.Second
	// sendTimeout is how long a client may take to take a reply.
	sendTimeout = 2 * time.Second
	// maxTCPQuery is the size of the largest query, as over UDP.
	maxTCPQuery = udpbatch.MaxPacket
	// maxReplyBytes bounds the replies that are being sent over all
	// connections, in bytes. A client that does not read holds its part of them
	// until its connection is closed.
	maxReplyBytes = 16 << 20
)

// A connTable holds the open connections, and bounds them.
type connTable struct {
	shares *shares
	mu     sync.Mutex
	open   map[net.Conn]netip.Addr
}

func newConnTable(max int) connTable {
	return connTable{shares: newShares(max, max/8+1), open: map[net.Conn]netip.Addr{}}
}

// add reports whether there is room for a connection of that client.
func (t *connTable) add(c net.Conn, from netip.Addr) bool {
	if !t.shares.take(from, 1) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open[c] = from
	return true
}

func (t *connTable) remove(c net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.shares.give(t.open[c], 1)
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
			if s.acceptLog.allow(time.Now()) {
				s.log.Warn("cannot accept TCP connections", "err", err)
			}
			time.Sleep(10 * time.Millisecond)
			continue
		}
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
		if !s.conns.add(conn, from) {
			s.metrics.connsRefused.Inc()
			_ = conn.Close()
			continue
		}
		s.metrics.conns.Inc()
		conns.Go(func() {
			defer s.metrics.conns.Dec()
			defer s.conns.remove(conn)
			s.serveConn(ctx, s.newTCPConn(conn, from))
		})
	}
}

// A tcpConn is one client. One goroutine reads; replies are written by several.
type tcpConn struct {
	net.Conn
	from    netip.Addr
	replies *shares // bytes that are being sent
	r       *bufio.Reader
	unread  int       // bytes of the last query, still in r's buffer
	until   time.Time // the deadline for reading

	mu     sync.Mutex
	w      *bufio.Writer
	sendBy time.Time // the deadline for writing
	failed atomic.Bool
}

// connBuffer is the size of the buffers of a connection, each way.
const connBuffer = 2048

func (s *Server) newTCPConn(conn net.Conn, from netip.Addr) *tcpConn {
	return &tcpConn{
		Conn: conn, from: from, replies: s.replies,
		r: bufio.NewReaderSize(conn, connBuffer), w: bufio.NewWriterSize(conn, connBuffer),
	}
}

// serveConn answers the queries of one connection: those for the zone at once,
// those that wait for other servers as they come back, in any order (RFC 7766
// section 6.2.1.1).
func (s *Server) serveConn(ctx context.Context, conn *tcpConn) {
	var pending sync.WaitGroup
	defer func() { _ = conn.Close() }()
	defer conn.flush()
	defer pending.Wait()
	for timeout := firstTimeout; !conn.failed.Load(); timeout = idleTimeout {
		raw, err := conn.next(ctx, timeout)
		if err != nil {
			return
		}
		// Taken for one query only: a connection may be idle for long.
		fast, _ := s.tcpFast.Get().(*fastPath)
		resp := s.respondFast(fast, raw)
		if resp.due() {
			pending.Add(1)
			s.later(raw, conn.from, true, resp, func(reply []byte) {
				defer pending.Done()
				conn.send(reply, true)
			})
		} else {
			conn.send(resp.reply, false) // next flushes before it waits
		}
		if fast != nil {
			s.tcpFast.Put(fast)
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

var errLargeQuery = errors.New("the query is too large")

// next reads a message and the length in front of it (RFC 1035 section 4.2.2).
// The message is valid until the next call. Replies that are buffered are sent
// before next waits for the client.
func (c *tcpConn) next(ctx context.Context, timeout time.Duration) ([]byte, error) {
	_, _ = c.r.Discard(c.unread)
	c.unread = 0
	if !c.hasNext() {
		c.flush()
	}
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
	size := int(binary.BigEndian.Uint16(head))
	if size > maxTCPQuery {
		return nil, errLargeQuery
	}
	if 2+size <= c.r.Size() {
		framed, err := c.r.Peek(2 + size)
		if err != nil {
			return nil, err
		}
		c.unread = 2 + size
		return framed[2:], nil
	}
	return readMessage(c.r)
}

// hasNext reports whether a whole query has been read.
func (c *tcpConn) hasNext() bool {
	n := c.r.Buffered()
	if n < 2 {
		return false
	}
	head, _ := c.r.Peek(2) // it is there
	return n-2 >= int(binary.BigEndian.Uint16(head))
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

// send writes a reply, and flushes it where asked to. A client that does not
// read, or holds too many bytes of replies, loses its connection.
func (c *tcpConn) send(reply []byte, flush bool) {
	if len(reply) == 0 || c.failed.Load() {
		return
	}
	if !c.replies.take(c.from, len(reply)) {
		c.fail(errManyReplies)
		return
	}
	defer c.replies.give(c.from, len(reply))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed.Load() {
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

var errManyReplies = errors.New("the client does not read its replies")

func (c *tcpConn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed.Load() || c.w.Buffered() == 0 {
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

// fail ends the connection after an error.
func (c *tcpConn) fail(err error) {
	if err != nil && !c.failed.Swap(true) {
		_ = c.SetDeadline(time.Now())
	}
}
