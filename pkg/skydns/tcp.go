package skydns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
	"github.com/kube-dns/kube-dns/internal/shares"
)

const (
	// firstTimeout is the time limit for the first query of a connection, and idleTimeout the limit
	// between later queries.
	firstTimeout = 2 * time.Second
	idleTimeout  = 8 * time.Second
	// maxReplyBytes limits the replies being sent over all connections, in bytes. A client that
	// does not read holds its part of them until its connection closes.
	maxReplyBytes = 16 << 20
	// acceptPause is the pause after a failed accept.
	acceptPause = 10 * time.Millisecond
)

// A tcpServer answers the queries of TCP connections.
type tcpServer struct {
	*responder
	fast      *sync.Pool // of *fastPath, or of nil
	conns     *shares.Shares
	replies   *shares.Shares // bytes of replies being sent
	acceptLog throttle
}

func newTCPServer(s *responder, fast func() *fastPath, maxConns int) *tcpServer {
	return &tcpServer{
		responder: s, fast: &sync.Pool{New: func() any { return fast() }},
		conns: shares.New(maxConns, maxConns/8+1), replies: shares.New(maxReplyBytes, maxReplyBytes/8),
		acceptLog: throttle{every: time.Minute},
	}
}

// serve accepts connections until ctx is done, and returns when all of them have closed.
func (t *tcpServer) serve(ctx context.Context, ln net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() })
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
			// Too many open files, most likely: serve the open connections.
			if t.acceptLog.allow() {
				t.log.Warn("cannot accept TCP connections", "err", err)
			}
			pause.For(ctx, acceptPause)
			continue
		}
		from := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr()
		if !t.conns.Take(from, 1) {
			t.metrics.connsRefused.Inc()
			_ = conn.Close()
			continue
		}
		conns.Go(func() {
			t.metrics.conns.Inc()
			defer t.metrics.conns.Dec()
			defer t.conns.Give(from, 1)
			t.serveConn(ctx, newTCPConn(conn, from, t.replies))
		})
	}
}

// serveConn answers the queries of one connection. Replies from the zone are sent immediately,
// pending ones as they complete, in any order (RFC 7766 section 6.2.1.1).
func (t *tcpServer) serveConn(ctx context.Context, conn *tcpConn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stop()
	var pending sync.WaitGroup
	defer func() { _ = conn.Close() }()
	defer conn.flush()
	defer pending.Wait()
	for timeout := firstTimeout; !conn.failed.Load(); timeout = idleTimeout {
		raw, err := conn.next(ctx, timeout)
		if err != nil {
			return
		}
		// Taken for one query only: a connection can be idle for long.
		fast := t.fast.Get().(*fastPath)
		if resp := t.answer(fast, raw, conn.from); resp.start == nil {
			conn.send(resp.reply, false) // next flushes before it waits
		} else {
			pending.Add(1)
			t.later(raw, conn.from, tcp, resp, func(reply []byte) {
				defer pending.Done()
				conn.send(reply, true)
			})
		}
		t.fast.Put(fast)
	}
}

// answer uses the fast path if it has an answer.
func (t *tcpServer) answer(fast *fastPath, raw []byte, from netip.Addr) (resp response) {
	if fast == nil {
		return t.respond(raw, from, tcp)
	}
	reply := t.guard(raw, func() []byte {
		fast.received = time.Now()
		defer fast.count()
		reply := fast.answer(raw, fast.reply.Buf[:0])
		if reply != nil {
			if draw, picked := fast.tap.Pick(); picked {
				fast.sample(draw, from, reply)
			}
		}
		return reply
	})
	if reply != nil {
		return response{reply: reply}
	}
	return t.respond(raw, from, tcp)
}
