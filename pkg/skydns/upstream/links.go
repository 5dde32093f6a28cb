package upstream

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
)

const (
	// maxLinkAge is the time that a socket is used for new queries. Rotating sockets changes the
	// source port, so an off-path attacker cannot predict it (RFC 5452 section 9.2).
	maxLinkAge = 10 * time.Second
	// linkStep is the interval at which open sockets are checked.
	linkStep = maxLinkAge / 10
	// A server gets another socket when one has linkLoad pending queries, up to
	// maxLinks. So 2000 queries are at most 125 on each, and the kernel has room
	// for their replies (208 KB by default).
	linkLoad, maxLinks = 64, 16
)

// links are the open sockets. The lock of their mux guards them.
type links struct {
	// received handles a packet, and broken an error, such as an ICMP message. The goroutine of a
	// link calls both, without the lock.
	received func(l *link, packet []byte)
	broken   func(l *link, err error)

	byServer map[netip.AddrPort][]*link // links for new queries
	open     map[*link]bool             // including retired links
	readers  sync.WaitGroup
}

// to returns a link to a server: a random existing link, or a new one.
func (s *links) to(server netip.AddrPort, now time.Time) (*link, error) {
	links := s.byServer[server]
	for len(links) > 0 {
		l := links[rand.IntN(len(links))]
		if now.Sub(l.made) < maxLinkAge {
			if len(l.tries) < linkLoad || len(links) == maxLinks {
				return l, nil
			}
			break
		}
		s.retire(l)
		links = s.byServer[server]
	}
	conn, err := udpbatch.Dial(server)
	if err != nil {
		return nil, err
	}
	l := &link{server: server, conn: conn, made: now, tries: map[uint16]*try{}}
	s.byServer[server] = append(links, l)
	s.open[l] = true
	s.readers.Go(func() { s.read(l) })
	return l, nil
}

// retire closes a link for new queries, and closes its socket after the last reply.
func (s *links) retire(l *link) {
	l.retired = true
	s.byServer[l.server] = slices.DeleteFunc(s.byServer[l.server], func(other *link) bool { return other == l })
	if len(s.byServer[l.server]) == 0 {
		delete(s.byServer, l.server)
	}
	s.closeUnused(l)
}

func (s *links) retireAll() {
	for l := range s.open {
		s.retire(l)
	}
}

func (s *links) closeUnused(l *link) {
	if l.retired && len(l.tries) == 0 && s.open[l] {
		delete(s.open, l)
		_ = l.conn.Close()
	}
}

func (s *links) read(l *link) {
	for {
		packet, err := l.conn.Read()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.broken(l, err) // which closes it
			return
		}
		s.received(l, packet)
	}
}
