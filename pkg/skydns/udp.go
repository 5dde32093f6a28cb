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
)

// serveUDP reads until ctx is done and the socket's queue is empty.
func (s *Server) serveUDP(ctx context.Context, conn *net.UDPConn) error {
	withOOB := conn.LocalAddr().(*net.UDPAddr).IP.IsUnspecified() && wantDestination(conn)
	stop := context.AfterFunc(ctx, func() {
		// Not at once: what the kernel has queued is still answered.
		_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	})
	defer stop()
	var g errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error { return s.readUDP(ctx, conn, withOOB) })
	}
	return g.Wait()
}

func (s *Server) readUDP(ctx context.Context, conn *net.UDPConn, withOOB bool) error {
	buf := make([]byte, maxUDPSize)
	var oob []byte
	if withOOB {
		oob = make([]byte, 128)
	}
	for {
		n, oobn, _, from, err := conn.ReadMsgUDPAddrPort(buf, oob)
		switch {
		case err == nil:
		case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			continue // an error of one packet, such as an ICMP message
		}
		resp := s.respond(buf[:n], false)
		if resp.reply == nil && resp.wait == nil {
			continue
		}
		source := sourceOf(oob[:oobn])
		send := func(reply []byte) { s.sendUDP(conn, reply, source, from) }
		if resp.wait != nil {
			s.later(buf[:n], false, resp.wait, send)
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
