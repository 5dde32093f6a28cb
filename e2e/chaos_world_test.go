//go:build chaos

package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const (
	// outsideNames is the number of names of the world that loads query.
	outsideNames = 1000
	// worldTTL is longer than any case, so that no cached reply expires.
	worldTTL = 600
	// farDelay is the delay of the world.
	farDelay = 50 * time.Millisecond
)

// A mode is the behaviour of a server of the world.
type mode int32

const (
	answers mode = iota
	silent
	servfails
)

// A farServer is a name server of the world. All have the same names: below any domain n0 to n999,
// and f followed by a number, for names that are queried once.
type farServer struct {
	addr    netip.AddrPort
	mode    atomic.Int32
	queries atomic.Int64
	ttl     atomic.Uint32 // 0: worldTTL
	// hosts, if set, returns the addresses of other names.
	hosts func(name string) []netip.Addr

	conn    *net.UDPConn
	delay   time.Duration
	late    chan lateReply
	running sync.WaitGroup
	once    sync.Once
}

type lateReply struct {
	due  time.Time
	to   netip.AddrPort
	wire []byte
}

// startFarServer starts a server at an address, for example "127.0.0.1:0", that
// answers after a delay.
func startFarServer(t *testing.T, addr string, delay time.Duration) *farServer {
	t.Helper()
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(addr)))
	if err != nil {
		t.Fatalf("listen for a server of the world: %v", err)
	}
	_ = conn.SetReadBuffer(4 << 20) // a smaller buffer only makes it a worse server
	s := &farServer{
		conn: conn, delay: delay, late: make(chan lateReply, 1<<15),
		addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(),
	}
	s.running.Go(s.read)
	s.running.Go(s.write)
	t.Cleanup(s.close)
	return s
}

// close frees the port: clients get an ICMP error.
func (s *farServer) close() {
	s.once.Do(func() { s.conn.Close() })
	s.running.Wait()
}

func (s *farServer) set(m mode) { s.mode.Store(int32(m)) }

func (s *farServer) read() {
	defer close(s.late)
	buf := make([]byte, 4096)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		s.queries.Add(1)
		if mode(s.mode.Load()) == silent {
			continue
		}
		if wire := s.reply(buf[:n]); wire != nil {
			s.late <- lateReply{time.Now().Add(s.delay), from, wire}
		}
	}
}

// write sends replies when they are due. All have the same delay, so the oldest is always the next.
func (s *farServer) write() {
	for r := range s.late {
		time.Sleep(time.Until(r.due))
		_, _ = s.conn.WriteToUDPAddrPort(r.wire, r.to) // the client might be gone
	}
}

func (s *farServer) reply(query []byte) []byte {
	var m dns.Msg
	if err := m.Unpack(query); err != nil || len(m.Question) != 1 {
		return nil
	}
	q := m.Question[0]
	r := new(dns.Msg).SetReply(&m)
	r.RecursionAvailable = true
	if mode(s.mode.Load()) == servfails {
		r.Rcode = dns.RcodeServerFailure
	} else if addrs, ok := s.addresses(q.Name); !ok {
		r.Rcode = dns.RcodeNameError
	} else if q.Qtype == dns.TypeA {
		for _, a := range addrs {
			r.Answer = append(r.Answer, &dns.A{Hdr: s.header(q.Name, dns.TypeA), A: a.AsSlice()})
		}
	}
	if r.Rcode != dns.RcodeServerFailure && len(r.Answer) == 0 {
		r.Ns = []dns.RR{&dns.SOA{Hdr: s.header("example.", dns.TypeSOA), Ns: "ns.example.", Mbox: "host.example.",
			Minttl: worldTTL}}
	}
	wire, err := r.Pack()
	if err != nil {
		return nil
	}
	return wire
}

func (s *farServer) header(name string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: rrtype, Class: dns.ClassINET, Ttl: cmp.Or(s.ttl.Load(), worldTTL)}
}

func (s *farServer) addresses(name string) ([]netip.Addr, bool) {
	label, _, _ := strings.Cut(name, ".")
	if len(label) > 1 && (label[0] == 'n' || label[0] == 'f') {
		if n, err := strconv.Atoi(label[1:]); err == nil {
			return []netip.Addr{worldAddr(n)}, true
		}
	}
	if s.hosts != nil {
		if addrs := s.hosts(strings.ToLower(name)); addrs != nil {
			return addrs, true
		}
	}
	return nil, false
}

// worldAddr is the address of name n, of the range for benchmarks (RFC 2544).
func worldAddr(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18 + byte(n>>16&1), byte(n >> 8), byte(n)})
}

// outsideQuestion is one of the names of the world that loads query. Each tenth is below
// partner.example, which sometimes has its own servers.
func outsideQuestion(n int) *asked {
	domain := "outside.example"
	if n%10 == 0 {
		domain = "partner.example"
	}
	return newAsked(classOutside, fmt.Sprintf("n%d.%s", n, domain), dns.TypeA, dns.RcodeSuccess, worldAddr(n).String())
}
