package sockets

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/shares"
)

const (
	// maxConns limits the TCP connections of all clients. One client can have an eighth of them.
	maxConns = 2000
	// maxReplyBytes limits the TCP replies being sent, in bytes. One client can have an eighth of
	// them.
	maxReplyBytes = 16 << 20
	// sendTimeout is the time for a client to read a reply over TCP.
	sendTimeout = 2 * time.Second
	// maxTCPQuery is the maximum size of a query over TCP.
	maxTCPQuery = 4096
	// maxSending limits the UDP replies that wait for space in the send buffers.
	maxSending = 1000
	// acceptPause is the pause of a listener after a failed accept.
	acceptPause = 10 * time.Millisecond
)

// Client returns the address of the client of a connection or query. A process on the node can
// query an address from that same address: it is not limited, and Client returns the zero address.
func Client(of interface {
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}) netip.Addr {
	from := addr(of.RemoteAddr())
	if from == addr(of.LocalAddr()) {
		return netip.Addr{}
	}
	return from
}

// addr returns the address of a TCP or UDP address, and the zero address for any other.
func addr(of net.Addr) netip.Addr {
	if a, ok := of.(interface{ AddrPort() netip.AddrPort }); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// limits limit the resources that clients use in a Set.
type limits struct {
	metrics        *Metrics
	conns, replies *shares.Shares
	sending        atomic.Int32 // UDP replies
}

func newLimits(m *Metrics) *limits {
	return &limits{
		metrics: m, conns: shares.New(maxConns, maxConns/8), replies: shares.New(maxReplyBytes, maxReplyBytes/8),
	}
}

// A listener closes connections above the limits.
type listener struct {
	net.Listener
	limits *limits
}

// Accept implements net.Listener.
func (l listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				time.Sleep(acceptPause) // probably too many open files: the library retries at once
			}
			return nil, err
		}
		c := &conn{Conn: accepted, client: Client(accepted), limits: l.limits}
		if l.limits.conns.Take(c.client, 1) {
			l.limits.metrics.conns.Inc()
			return c, nil
		}
		l.limits.metrics.connsRefused.Inc()
		_ = accepted.Close()
	}
}

// A conn is the TCP connection of a client. It has one query at a time.
type conn struct {
	net.Conn
	client netip.Addr
	limits *limits
	closed sync.Once
}

var (
	errLargeQuery = errors.New("the query is too large")
	errUnread     = errors.New("the client does not read its replies")
)

// Read implements net.Conn. The library reads a query into a buffer of its size.
func (c *conn) Read(p []byte) (int, error) {
	if len(p) > maxTCPQuery {
		return 0, errLargeQuery
	}
	return c.Conn.Read(p)
}

// Write sends a reply. It closes the connection of a client that does not read, or that has too
// many bytes of replies pending.
func (c *conn) Write(p []byte) (int, error) {
	if !c.limits.replies.Take(c.client, len(p)) {
		return 0, errors.Join(errUnread, c.Close())
	}
	defer c.limits.replies.Give(c.client, len(p))
	_ = c.SetWriteDeadline(time.Now().Add(sendTimeout))
	n, err := c.Conn.Write(p)
	if err != nil {
		_ = c.Close() // the library would read the next query
	}
	return n, err
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.closed.Do(func() {
		c.limits.conns.Give(c.client, 1)
		c.limits.metrics.conns.Dec()
	})
	return c.Conn.Close()
}

// A sender sends a reply over UDP, unless too many wait for space in the send buffer. Replies to
// addresses that do not resolve fill the buffer for seconds.
type sender struct {
	dns.Writer
	limits *limits
}

var errBusy = errors.New("too many replies wait for the socket")

// Write implements dns.Writer.
func (s sender) Write(p []byte) (int, error) {
	defer s.limits.sending.Add(-1)
	if s.limits.sending.Add(1) > maxSending {
		s.limits.metrics.dropped.Inc()
		return 0, errBusy
	}
	return s.Writer.Write(p)
}
