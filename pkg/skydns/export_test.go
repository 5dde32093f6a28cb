package skydns

import (
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
)

func via(overTCP bool) transport {
	if overTCP {
		return tcp
	}
	return udp
}

// FastForTest returns the fast path alone: nil where it has no answer.
func (s *Server) FastForTest(overTCP bool) func(packet []byte) []byte {
	f := s.newFastPath(s.metrics.workers[0], via(overTCP))
	room := make([]byte, 0, udpbatch.MaxPacket)
	return func(packet []byte) []byte {
		f.received = time.Now()
		return f.answer(packet, room)
	}
}

// BatchForTest returns the fast path for packets that come together.
func (s *Server) BatchForTest() func(batch []udpbatch.Packet) {
	f := s.newFastPath(s.metrics.workers[0], udp)
	return f.answerAll
}

// SlowForTest returns the slow path alone.
func (s *Server) SlowForTest(overTCP bool) func(packet []byte) []byte {
	return func(packet []byte) []byte { return s.respond(packet, via(overTCP)).reply }
}

// AgeForTest makes the sockets to other servers older.
func (f *Forwarder) AgeForTest(by time.Duration) {
	f.udp.mu.Lock()
	defer f.udp.mu.Unlock()
	for l := range f.udp.open {
		l.made = l.made.Add(-by)
	}
}

// PatientForTest gives the queries under way over UDP more time.
func (f *Forwarder) PatientForTest(by time.Duration) {
	f.udp.mu.Lock()
	defer f.udp.mu.Unlock()
	for p := range f.udp.live {
		p.nextAt = p.nextAt.Add(by)
		for i := range p.waiters {
			p.waiters[i].until = p.waiters[i].until.Add(by)
		}
	}
}

// CountForTest returns the number of sockets for UDP.
func (s *Sockets) CountForTest() int { return len(s.udp) }
