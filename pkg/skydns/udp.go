package skydns

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
)

// A udpServer answers the packets of one UDP socket, in batches.
type udpServer struct {
	*responder
	conn *udpbatch.Conn
	fast *fastPath // nil: all packets take the slow path
}

// serve reads until ctx is done and the socket's queue is empty.
func (u *udpServer) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		// Not immediately: packets in the kernel's queue still get a reply.
		_ = u.conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	})
	defer stop()
	for {
		err := u.conn.Serve(u.answerAll)
		switch {
		case err == nil:
		case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		default:
			return err
		}
	}
}

func (u *udpServer) answerAll(batch []udpbatch.Packet) {
	if u.fast != nil {
		u.answerFast(batch)
	}
	for i := range batch {
		if p := &batch[i]; p.Reply == nil {
			u.answerSlowly(p)
		}
	}
}

// answerFast leaves packets without a reply to the slow path, also after a panic.
func (u *udpServer) answerFast(batch []udpbatch.Packet) {
	defer func() {
		if trouble := recover(); trouble != nil {
			u.panicked("a batch of questions", trouble)
		}
	}()
	u.fast.answerAll(batch)
}

func (u *udpServer) answerSlowly(p *udpbatch.Packet) {
	from := p.Route.Source()
	resp := u.respond(p.Data, from, udp)
	if p.Reply = resp.reply; resp.start == nil {
		return
	}
	route := p.Route
	p.Reply = u.guard(p.Data, func() []byte {
		u.later(p.Data, from, udp, resp, func(reply []byte) { u.conn.Send(&route, reply) })
		return nil
	})
}
