package skydns

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

const (
	// maxLinkAge is how long a socket takes new queries. Rotating sockets changes
	// the source port, which a forger has to guess (RFC 5452 section 9.2).
	maxLinkAge = 10 * time.Second
	// A server gets another socket when one has linkLoad pending queries, up to
	// maxLinks. So 2000 queries are at most 125 on each, and the kernel has room
	// for their replies (208 KB by default).
	linkLoad, maxLinks = 64, 16
)

// A link is a socket to one server.
type link struct {
	server  netip.AddrPort
	conn    *net.UDPConn
	made    time.Time
	retired bool            // takes no more queries, and closes after the last reply
	tries   map[uint16]*try // by our ID
}

// linkTo returns a link to a server: one of those there are, by chance, or a
// new one.
func (m *mux) linkTo(server netip.AddrPort, now time.Time) (*link, error) {
	links := m.links[server]
	for len(links) > 0 {
		i := rand.IntN(len(links))
		l := links[i]
		if now.Sub(l.made) < maxLinkAge {
			if len(l.tries) < linkLoad || len(links) == maxLinks {
				return l, nil
			}
			break
		}
		links[i] = links[len(links)-1]
		links = links[:len(links)-1]
		m.links[server] = links
		m.retire(l)
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(server))
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(receiveBuffer)
	l := &link{server: server, conn: conn, made: now, tries: map[uint16]*try{}}
	if m.links == nil {
		m.links, m.open = map[netip.AddrPort][]*link{}, map[*link]bool{}
	}
	m.links[server] = append(links, l)
	m.open[l] = true
	m.readers.Go(func() { m.read(l) })
	return l, nil
}

// retire ends a link that is no more in m.links.
func (m *mux) retire(l *link) {
	l.retired = true
	m.closeUnused(l)
}

func (m *mux) closeUnused(l *link) {
	if l.retired && len(l.tries) == 0 && m.open[l] {
		delete(m.open, l)
		_ = l.conn.Close()
	}
}

func (m *mux) read(l *link) {
	buf := make([]byte, maxTCPSize) // replies may be of any size
	for {
		n, err := l.conn.Read(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			m.broken(l, err) // which closes it
			return
		}
		m.received(l, buf[:n])
	}
}
