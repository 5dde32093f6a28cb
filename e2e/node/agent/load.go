package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/miekg/dns"
)

// maxRate limits a load, so that the servers under test get enough of the machine.
const maxRate = 1000

// LoadOptions are the options of a load.
type LoadOptions struct {
	// Server is "ip:port".
	Server string
	// Rate is in queries a second, 1 to 1000; over TCP, 0 for none.
	Rate, TCPRate int
	// Questions are sent in turn.
	Questions []Question
	// Limit is the maximum duration, in seconds; 0: 900.
	Limit int
}

// A Question has one right reply.
type Question struct {
	Name, Type string
	// Rcode is the right response code; empty: NOERROR.
	Rcode string
	// Record must be in the answer section ("A 192.0.2.1"); empty: not checked.
	Record string
}

// Account has the results of a load's queries. Each was sent once, from its own socket, and waited
// five seconds for its reply.
type Account struct {
	Sent, Right int
	// Lost got no reply. Refused found no socket at the port.
	Lost, Refused int
	// LostOf is the number of lost queries by name.
	LostOf map[string]int
	// Wrong counts the wrong replies by content.
	Wrong map[string]int
	// Gap is the longest time without a right reply, Slowest the longest wait for one; in
	// milliseconds.
	Gap, Slowest int64
	// Failures are the first twenty queries without a right reply: send time since the start,
	// source, question, and result.
	Failures []string
}

// Bad is the number of queries without a right reply.
func (a *Account) Bad() int { return a.Sent - a.Right }

func (a *Account) String() string {
	s := fmt.Sprintf("%d queries, %d right, %d lost, %d refused, longest gap %d ms, slowest %d ms",
		a.Sent, a.Right, a.Lost, a.Refused, a.Gap, a.Slowest)
	if len(a.Wrong) > 0 {
		s += fmt.Sprintf(", wrong %v", a.Wrong)
	}
	return strings.Join(append([]string{s}, a.Failures...), "\n\t")
}

// A load sends at a fixed pace, regardless of replies.
type load struct {
	opts  LoadOptions
	wire  [][]byte
	begun time.Time
	stop  context.CancelFunc
	work  sync.WaitGroup

	mu      sync.Mutex
	account Account
	last    time.Duration // of the last right reply
}

// newLoad starts a load that runs until finish, its limit, or the end of ctx.
func newLoad(ctx context.Context, opts LoadOptions) (*load, error) {
	if opts.Rate < 1 || opts.Rate > maxRate || opts.TCPRate < 0 || opts.TCPRate > maxRate {
		return nil, fmt.Errorf("rate %d, TCP rate %d: want 1 to %d and 0 to %d", opts.Rate, opts.TCPRate, maxRate, maxRate)
	}
	if len(opts.Questions) == 0 {
		return nil, errors.New("no questions")
	}
	if opts.Limit == 0 {
		opts.Limit = 900
	}
	l := &load{opts: opts, begun: time.Now()}
	for _, q := range opts.Questions {
		m := new(dns.Msg).SetQuestion(dns.Fqdn(q.Name), dns.StringToType[q.Type])
		b, err := m.Pack()
		if err != nil {
			return nil, fmt.Errorf("question %s %s: %w", q.Name, q.Type, err)
		}
		l.wire = append(l.wire, b)
	}
	ctx, stop := context.WithTimeout(ctx, time.Duration(opts.Limit)*time.Second)
	l.stop = stop
	l.work.Go(func() { l.send(ctx, "udp", opts.Rate) })
	if opts.TCPRate > 0 {
		l.work.Go(func() { l.send(ctx, "tcp", opts.TCPRate) })
	}
	return l, nil
}

// finish stops sending, waits for pending queries, and returns the account.
func (l *load) finish() Account {
	l.stop()
	l.work.Wait()
	return l.account
}

func (l *load) send(ctx context.Context, network string, rate int) {
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	defer ticker.Stop()
	var waiting sync.WaitGroup
	defer waiting.Wait()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		waiting.Go(func() { l.ask(network, n) })
	}
}

func (l *load) ask(network string, n int) {
	i := n % len(l.wire)
	began := time.Since(l.begun)
	from, what := l.exchange(network, uint16(n), i)
	now := time.Since(l.begun)

	l.mu.Lock()
	defer l.mu.Unlock()
	a := &l.account
	a.Sent++
	switch what {
	case "":
		a.Right++
		a.Gap = max(a.Gap, (now - l.last).Milliseconds())
		a.Slowest = max(a.Slowest, (now - began).Milliseconds())
		l.last = max(l.last, now)
		return
	case "lost":
		a.Lost++
		if a.LostOf == nil {
			a.LostOf = map[string]int{}
		}
		a.LostOf[l.opts.Questions[i].Name]++
	case "refused":
		a.Refused++
	default:
		if a.Wrong == nil {
			a.Wrong = map[string]int{}
		}
		a.Wrong[what]++
	}
	if len(a.Failures) < 20 {
		q := l.opts.Questions[i]
		a.Failures = append(a.Failures, fmt.Sprintf("%d ms: %s %s over %s from %s: %s",
			began.Milliseconds(), q.Name, q.Type, network, from, what))
	}
}

// exchange returns the source of a query, and its failure, or "" for a right reply.
func (l *load) exchange(network string, id uint16, i int) (from, what string) {
	conn, err := net.DialTimeout(network, l.opts.Server, askTimeout)
	if err != nil {
		return "nowhere", kind(err)
	}
	defer conn.Close()
	return conn.LocalAddr().String(), l.exchangeOver(conn, id, i)
}

func (l *load) exchangeOver(conn net.Conn, id uint16, i int) string {
	if err := conn.SetDeadline(time.Now().Add(askTimeout)); err != nil {
		return err.Error()
	}
	query := slices.Clone(l.wire[i])
	query[0], query[1] = byte(id>>8), byte(id)
	c := &dns.Conn{Conn: conn, UDPSize: 4096}
	if _, err := c.Write(query); err != nil {
		return kind(err)
	}
	for {
		m, err := c.ReadMsg()
		if err != nil {
			return kind(err)
		}
		if m.Id == id {
			return l.opts.Questions[i].judge(m)
		}
	}
}

func kind(err error) string {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) {
		return "refused"
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return "lost"
	}
	return err.Error()
}

func (q Question) judge(m *dns.Msg) string {
	want := q.Rcode
	if want == "" {
		want = "NOERROR"
	}
	if got := dns.RcodeToString[m.Rcode]; got != want {
		return fmt.Sprintf("%s %s: %s", q.Name, q.Type, got)
	}
	if q.Record == "" {
		return ""
	}
	for _, rr := range m.Answer {
		if record(rr) == q.Record {
			return ""
		}
	}
	return fmt.Sprintf("%s %s: without %s", q.Name, q.Type, q.Record)
}
