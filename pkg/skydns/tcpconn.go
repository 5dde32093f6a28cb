package skydns

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

const (
	// sendTimeout is how long a client may take to read a reply.
	sendTimeout = 2 * time.Second
	// maxTCPQuery is the size of the largest query, as over UDP.
	maxTCPQuery = udpbatch.MaxPacket
)

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

func newTCPConn(conn net.Conn, from netip.Addr, replies *shares) *tcpConn {
	return &tcpConn{
		Conn: conn, from: from, replies: replies,
		r: bufio.NewReaderSize(conn, connBuffer), w: bufio.NewWriterSize(conn, connBuffer),
	}
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
	return wire.ReadMessage(c.r)
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
