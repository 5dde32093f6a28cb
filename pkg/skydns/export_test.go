package skydns

import (
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
)

// FastForTest returns the fast path alone: nil where it has no answer.
func (s *Server) FastForTest(tcp bool) func(packet []byte) []byte {
	f := s.newFastPath(s.metrics.ofWorker(0), tcp)
	f.now = time.Now()
	room := make([]byte, 0, udpbatch.MaxPacket)
	return func(packet []byte) []byte { return f.answer(packet, room) }
}

// SlowForTest returns the handler alone.
func (s *Server) SlowForTest(tcp bool) func(packet []byte) []byte {
	return func(packet []byte) []byte { return s.respond(packet, tcp).reply }
}
