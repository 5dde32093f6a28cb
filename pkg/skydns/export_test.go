package skydns

import (
	"net/netip"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
)

func via(overTCP bool) transport {
	if overTCP {
		return tcp
	}
	return udp
}

// FastForTest returns the fast path only. It returns nil without an answer.
func (s *Server) FastForTest(overTCP bool) func(packet []byte) []byte {
	f := s.newFastPath(s.metrics.workers[0], via(overTCP))
	room := make([]byte, 0, udpbatch.MaxPacket)
	return func(packet []byte) []byte {
		f.received = time.Now()
		defer f.count()
		return f.answer(packet, room)
	}
}

// BatchForTest returns the fast path for a batch of packets.
func (s *Server) BatchForTest() func(batch []udpbatch.Packet) {
	f := s.newFastPath(s.metrics.workers[0], udp)
	return f.answerAll
}

// SlowForTest returns the slow path only.
func (s *Server) SlowForTest(overTCP bool) func(packet []byte) []byte {
	return func(packet []byte) []byte { return s.respond(packet, noClient, via(overTCP)).reply }
}

// CountForTest returns the number of sockets for UDP.
func (s *Sockets) CountForTest() int { return len(s.udp) }

// noClient is the client of a packet that came from no socket.
var noClient netip.Addr
