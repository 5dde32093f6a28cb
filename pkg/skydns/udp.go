package skydns

import (
	"context"
	"errors"
	"net"
	"os"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
)

// batches is a UDP socket that is served many packets at a time.
type batches struct {
	server *Server
	conn   *udpbatch.Conn
	fast   *fastPath // nil: the backend does not do its part
}

func (s *Server) newBatches(conn *net.UDPConn, c *counters) (*batches, error) {
	batched, err := udpbatch.New(conn, !s.fast, s.metrics.sendFailed)
	if err != nil {
		return nil, err
	}
	return &batches{server: s, conn: batched, fast: s.newFastPath(c, false)}, nil
}

// serve reads until ctx is done and the socket's queue is empty.
func (b *batches) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		// Not at once: what the kernel has queued is still answered.
		_ = b.conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	})
	defer stop()
	for {
		err := b.conn.Serve(b.handle)
		switch {
		case err == nil:
		case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		default:
			return err
		}
	}
}

func (b *batches) handle(batch []udpbatch.Packet) {
	if b.fast != nil {
		b.fast.begin()
		b.handleFast(batch)
	}
	for i := range batch {
		if p := &batch[i]; p.Reply == nil {
			b.handleOne(p)
		}
	}
	if b.fast != nil {
		b.fast.end()
	}
}

// handleFast leaves what it has not answered to the handler, also after a panic.
func (b *batches) handleFast(batch []udpbatch.Packet) {
	defer func() {
		if trouble := recover(); trouble != nil {
			b.server.panicked("a batch of questions", trouble)
		}
	}()
	b.fast.answerAll(batch)
}

func (b *batches) handleOne(p *udpbatch.Packet) {
	defer func() {
		if trouble := recover(); trouble != nil {
			p.Reply = b.server.recovered(p.Data, trouble)
		}
	}()
	resp := b.server.respond(p.Data, false)
	if resp.due() {
		route := p.Route
		b.server.later(p.Data, route.Source(), false, resp, func(reply []byte) { b.conn.Send(&route, reply) })
	}
	p.Reply = resp.reply
}
