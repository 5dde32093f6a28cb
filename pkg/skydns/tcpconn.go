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

	"github.com/kube-dns/kube-dns/internal/shares"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

const (
	// sendTimeout is the time limit for a client to read a reply.
	sendTimeout = 2 * time.Second
	// maxTCPQuery is the maximum size of a query, as over UDP.
	maxTCPQuery = udpbatch.MaxPacket
	// connBuffer is the size of a connection's buffers, each way.
	connBuffer = 2048
	// sizeSize is the size of the length before each message.
	sizeSize = 2
)

// A tcpConn is the connection of a client. One goroutine reads, several write replies.
type tcpConn struct {
	net.Conn
	from    netip.Addr
	replies *shares.Shares // bytes that are being sent
	r       *bufio.Reader

	mu     sync.Mutex
	w      *bufio.Writer
	failed atomic.Bool
}

func newTCPConn(conn net.Conn, from netip.Addr, replies *shares.Shares) *tcpConn {
	return &tcpConn{
		Conn: conn, from: from, replies: replies,
		r: bufio.NewReaderSize(conn, connBuffer), w: bufio.NewWriterSize(conn, connBuffer),
	}
}

var errLargeQuery = errors.New("the query is too large")

// next reads a query, which is valid until the next call. It sends the buffered replies before it
// waits for the client.
func (c *tcpConn) next(ctx context.Context, timeout time.Duration) ([]byte, error) {
	if !c.hasNext() {
		c.flush()
		if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil && c.r.Buffered() == 0 {
			return nil, err // it was stopped before the deadline was set
		}
		if c.failed.Load() {
			return nil, net.ErrClosed // it failed before
		}
	}
	size, err := c.r.Peek(sizeSize)
	if err != nil {
		return nil, err
	}
	switch n := sizeSize + int(binary.BigEndian.Uint16(size)); {
	case n > sizeSize+maxTCPQuery:
		return nil, errLargeQuery
	case n > connBuffer:
		return wire.ReadMessage(c.r)
	default:
		framed, err := c.r.Peek(n)
		if err != nil {
			return nil, err
		}
		_, err = c.r.Discard(n) // the bytes do not move
		return framed[sizeSize:n:n], err
	}
}

// hasNext reports whether a complete query is in the buffer.
func (c *tcpConn) hasNext() bool {
	n := c.r.Buffered()
	if n < sizeSize {
		return false
	}
	size, _ := c.r.Peek(sizeSize) // it is in the buffer
	return n-sizeSize >= int(binary.BigEndian.Uint16(size))
}

// send writes a reply, and flushes it if flush is set. It fails the connection of a client that
// does not read, or that holds too many bytes of replies.
func (c *tcpConn) send(reply []byte, flush bool) {
	if len(reply) == 0 {
		return
	}
	if !c.replies.Take(c.from, len(reply)) {
		c.fail()
		return
	}
	defer c.replies.Give(c.from, len(reply))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write(func() error {
		framed := binary.BigEndian.AppendUint16(c.w.AvailableBuffer(), uint16(len(reply)))
		if _, err := c.w.Write(framed); err != nil {
			return err
		}
		if _, err := c.w.Write(reply); err != nil || !flush {
			return err
		}
		return c.w.Flush()
	})
}

func (c *tcpConn) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.w.Buffered() > 0 {
		c.write(c.w.Flush)
	}
}

// write calls f unless the connection has failed.
func (c *tcpConn) write(f func() error) {
	if c.failed.Load() {
		return
	}
	_ = c.SetWriteDeadline(time.Now().Add(sendTimeout))
	if f() != nil {
		c.fail()
	}
}

// fail stops the connection after an error.
func (c *tcpConn) fail() {
	c.failed.Store(true)
	_ = c.SetDeadline(time.Now())
}
