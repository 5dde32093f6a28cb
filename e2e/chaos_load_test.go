//go:build chaos

package e2e

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

const (
	// clientTimeout is the timeout of a client. glibc has the same, but then retries, which a load
	// does not.
	clientTimeout = 5 * time.Second
	// tick is the interval at which queries are sent.
	tick = 2 * time.Millisecond
)

// A load queries a DNS server at a fixed pace, regardless of replies, and tracks each query: it has
// an ID, a time and a right reply.
type load struct {
	opts  loadOptions
	to    netip.AddrPort
	conn  *net.UDPConn
	raw   syscall.RawConn
	begun time.Time
	stop  context.CancelFunc
	// sending stops after the last query, reading with the socket.
	sending, reading sync.WaitGroup

	mu    sync.Mutex
	slots [1 << 16]slot
	next  uint16
	open  int
	score *score
	// err is the error that prevented sending.
	err error
}

// loadOptions configure a load. Rates are queries a second.
type loadOptions struct {
	server string
	rate   int
	mix    []share
	// tcp queries, each over its own connection; 0: none.
	tcp int
	// search is for names that are looked up through a search list; 0: none.
	search int
	// limit is the maximum duration; 0: an hour.
	limit time.Duration
}

// A slot is a pending query. Its index is the query's ID.
type slot struct {
	*asked
	at   time.Duration // since the start of the load
	open bool
}

// startLoad sends queries until finish is called.
func startLoad(t *testing.T, opts loadOptions) *load {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	// The client itself must not lose replies.
	if err := conn.SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}
	// The kernel returns each query without a listening socket, with its ID.
	control := func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_RECVERR, 1) }
	if controlErr := raw.Control(control); controlErr != nil || err != nil {
		t.Fatalf("ask the kernel for ICMP errors: %v, %v", controlErr, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), cmp.Or(opts.limit, time.Hour))
	l := &load{
		opts: opts, to: netip.MustParseAddrPort(opts.server), conn: conn, raw: raw,
		begun: time.Now(), stop: cancel, score: newScore(),
	}
	l.score.begun = l.begun
	l.reading.Go(l.read)
	l.sending.Go(func() { l.send(ctx) })
	if opts.tcp > 0 {
		l.sending.Go(func() { l.each(ctx, opts.tcp, l.askTCP) })
	}
	if opts.search > 0 {
		l.sending.Go(func() { l.each(ctx, opts.search, l.search) })
	}
	t.Cleanup(func() { cancel(); conn.Close(); l.sending.Wait(); l.reading.Wait() })
	return l
}

// finish stops sending, waits for pending queries and returns the score.
func (l *load) finish(t *testing.T) *score {
	t.Helper()
	l.stop()
	l.sending.Wait()
	last := time.Now()
	for time.Since(last) < clientTimeout {
		l.mu.Lock()
		open := l.open
		l.mu.Unlock()
		if open == 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	l.conn.Close()
	l.reading.Wait()
	for i := range l.slots {
		if s := &l.slots[i]; s.open {
			l.score.add(s.asked, s.at, clientTimeout, lost, "")
		}
	}
	l.score.close()
	if l.err != nil {
		t.Errorf("the load could not send: %v", l.err)
	}
	return l.score
}

// send sends due queries, tick by tick. After a pause of our own, it skips the overdue queries,
// which would be a burst that no client sends.
func (l *load) send(ctx context.Context) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	rng := rand.New(rand.NewPCG(1, uint64(l.opts.rate)))
	var sent float64
	last := l.begun
	buf := make([]byte, 512)
	for {
		select {
		case <-ctx.Done():
			l.score.ended = time.Since(l.begun)
			return
		case <-ticker.C:
		}
		now := time.Now()
		pause := now.Sub(last)
		last = now
		l.mu.Lock()
		l.score.stall = max(l.score.stall, pause)
		l.mu.Unlock()
		due := float64(l.opts.rate) * now.Sub(l.begun).Seconds()
		if burst := max(1, float64(l.opts.rate)*0.02); due-sent > burst {
			sent = due - burst
		}
		for ; sent+1 <= due; sent++ {
			if err := l.sendOne(pick(rng, l.opts.mix), buf); err != nil {
				l.mu.Lock()
				l.err = err
				l.mu.Unlock()
			}
		}
	}
}

func (l *load) sendOne(q *asked, buf []byte) error {
	packet := buf[:copy(buf, q.wire)]
	l.mu.Lock()
	id := l.next
	l.next++
	s := &l.slots[id]
	if s.open { // 65,536 queries old
		l.score.add(s.asked, s.at, clientTimeout, lost, "")
		l.open--
	}
	*s = slot{q, time.Since(l.begun), true}
	l.open++
	l.mu.Unlock()
	packet[0], packet[1] = byte(id>>8), byte(id)
	var err error
	for range 10 {
		_, err = l.conn.WriteToUDPAddrPort(packet, l.to)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
		l.unreachable() // the error is of an earlier query
	}
	return err
}

// read reads replies until the socket is closed.
func (l *load) read() {
	buf := make([]byte, 4096)
	var m dns.Msg
	for {
		n, _, err := l.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			l.unreachable()
			continue
		}
		if n < 12 {
			continue
		}
		l.resolve(uint16(buf[0])<<8|uint16(buf[1]), func(q *asked) (outcome, string) {
			return q.judge(&m, buf[:n])
		})
	}
}

// resolve closes the query with this ID.
func (l *load) resolve(id uint16, judge func(*asked) (outcome, string)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.slots[id]
	if !s.open {
		return
	}
	s.open = false
	l.open--
	took := time.Since(l.begun) - s.at
	if took > clientTimeout {
		l.score.add(s.asked, s.at, took, lost, "later than the client waits")
		return
	}
	out, why := judge(s.asked)
	l.score.add(s.asked, s.at, took, out, why)
}

// unreachable closes the queries that the kernel returned: nothing listened on the port.
func (l *load) unreachable() {
	var ids []uint16
	payload, oob := make([]byte, 512), make([]byte, 512)
	// An error means that the socket is closed.
	_ = l.raw.Control(func(fd uintptr) {
		for {
			n, _, _, _, err := unix.Recvmsg(int(fd), payload, oob, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
			if err != nil {
				return
			}
			if n >= 12 {
				ids = append(ids, uint16(payload[0])<<8|uint16(payload[1]))
			}
		}
	})
	for _, id := range ids {
		l.resolve(id, func(*asked) (outcome, string) { return noSocket, "" })
	}
}

// each calls ask at a rate, in goroutines that it waits for. At most 500 run at a time.
func (l *load) each(ctx context.Context, rate int, ask func(n int)) {
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, 500)
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		slots <- struct{}{}
		running.Go(func() {
			ask(n)
			<-slots
		})
	}
}

// note adds a query with its own socket to the score.
func (l *load) note(q *asked, began time.Time, out outcome, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.score.add(q, began.Sub(l.begun), time.Since(began), out, why)
}
