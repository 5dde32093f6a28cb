package skydns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
)

// serveUDP reads until ctx is done and the socket's queue is empty. batches, when
// it is not nil, has taken conn over.
func (s *Server) serveUDP(ctx context.Context, conn *net.UDPConn, batches *batches) error {
	var socket interface{ SetReadDeadline(time.Time) error } = conn
	if batches != nil {
		socket = batches.conn
	}
	stop := context.AfterFunc(ctx, func() {
		// Not at once: what the kernel has queued is still answered.
		_ = socket.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	})
	defer stop()
	var err error
	if batches != nil {
		err = batches.serve()
	} else {
		err = s.readUDP(conn)
	}
	if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return err
}

// batches is a socket that is served many packets at a time.
type batches struct {
	server *Server
	conn   *udpbatch.Conn
	fast   *fastPath // nil: the backend does not do its part
}

// newBatches takes a socket over. It returns nil where that is not wanted, or not
// possible.
func (s *Server) newBatches(conn *net.UDPConn, c *counters) *batches {
	if !s.fast {
		return nil
	}
	batched, err := udpbatch.New(conn)
	if err != nil {
		if !errors.Is(err, udpbatch.ErrUnsupported) {
			s.log.Warn("reading one packet at a time", "reason", err)
		}
		return nil
	}
	return &batches{server: s, conn: batched, fast: s.newFastPath(c, false)}
}

func (b *batches) serve() error {
	for {
		failed, err := b.conn.Serve(b.handle)
		if failed > 0 {
			b.server.metrics.sendErrors.Add(float64(failed))
		}
		if err != nil {
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
		b.server.later(p.Data, false, resp, func(reply []byte) {
			if err := b.conn.Send(&route, reply); err != nil {
				b.server.metrics.sendErrors.Inc()
			}
		})
	}
	p.Reply = resp.reply
}

// readUDP reads one packet at a time, in as many goroutines as can run.
func (s *Server) readUDP(conn *net.UDPConn) error {
	withOOB := conn.LocalAddr().(*net.UDPAddr).IP.IsUnspecified() && wantDestination(conn)
	var g errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error { return s.readPackets(conn, withOOB) })
	}
	return g.Wait()
}

func (s *Server) readPackets(conn *net.UDPConn, withOOB bool) error {
	buf := make([]byte, maxUDPSize)
	var oob []byte
	if withOOB {
		oob = make([]byte, 128)
	}
	for {
		n, oobn, _, from, err := conn.ReadMsgUDPAddrPort(buf, oob)
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed):
			return err
		default:
			continue // an error of one packet, such as an ICMP message
		}
		resp := s.respond(buf[:n], false)
		if resp.reply == nil && !resp.due() {
			continue
		}
		source := sourceOf(oob[:oobn])
		send := func(reply []byte) { s.sendUDP(conn, reply, source, from) }
		if resp.due() {
			s.later(buf[:n], false, resp, send)
		} else {
			send(resp.reply)
		}
	}
}

func (s *Server) sendUDP(conn *net.UDPConn, reply, source []byte, to netip.AddrPort) {
	if len(reply) == 0 {
		return
	}
	if _, _, err := conn.WriteMsgUDPAddrPort(reply, source, to); err != nil {
		s.metrics.sendErrors.Inc()
		s.log.Debug("send", "to", to, "err", err)
	}
}

// wantDestination asks the kernel for the address that each packet was sent
// to. A socket bound to all addresses needs it: the reply has to leave from the
// address that was asked, else the client drops it.
func wantDestination(conn *net.UDPConn) bool {
	err4 := ipv4.NewPacketConn(conn).SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true)
	err6 := ipv6.NewPacketConn(conn).SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true)
	return err4 == nil || err6 == nil
}

// sourceOf turns the control message of a packet received into the one of its
// reply: from where it was sent to. Only link-local addresses need to leave by
// the interface they came in.
func sourceOf(oob []byte) []byte {
	if len(oob) == 0 {
		return nil
	}
	var dst net.IP
	ifindex := 0
	var m6 ipv6.ControlMessage
	if m6.Parse(oob) == nil && m6.Dst != nil {
		dst, ifindex = m6.Dst, m6.IfIndex
	} else {
		var m4 ipv4.ControlMessage
		if m4.Parse(oob) == nil {
			dst, ifindex = m4.Dst, m4.IfIndex
		}
	}
	if dst == nil {
		return nil
	}
	if !dst.IsLinkLocalUnicast() {
		ifindex = 0
	}
	if dst.To4() != nil {
		return (&ipv4.ControlMessage{Src: dst, IfIndex: ifindex}).Marshal()
	}
	return (&ipv6.ControlMessage{Src: dst, IfIndex: ifindex}).Marshal()
}
