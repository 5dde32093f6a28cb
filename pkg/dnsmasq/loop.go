package dnsmasq

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/pause"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

const (
	// loopPeriod is the mean time between two tests of a server. A third of it, up or down, is
	// random, so that replicas do not test in step.
	loopPeriod = 30 * time.Second
	// loopPace is the maximum number of servers tested per second, on average.
	loopPace = 10
	// loopTime is how long a server can take to reply, or to lead back.
	loopTime = time.Second
	// markerTime is how long dnsmasq can take to read a new marker.
	markerTime = 250 * time.Millisecond
	// firstPause is the time between two queries to a dnsmasq that does not reply yet.
	firstPause = 20 * time.Millisecond
	// maxLoopTests limits the servers tested at the same time.
	maxLoopTests = 64
	// loopBase is the domain of the tests of default servers. Resolvers commonly answer ".test" and
	// ".invalid" themselves, but forward ".internal".
	loopBase = "kube-dns.internal"
	// maxMarked is the longest domain with room for a test name: a random label, a marker label and
	// their dots.
	maxMarked = 253 - 17 - 31
)

// A loopTest finds servers that lead back to dnsmasq. dnsmasq has a marker for each domain: a
// subdomain with a random label. It forwards the marker's names to the loopTest. The loopTest sends
// each server a query for a random name of its domain's marker. If that query arrives at the
// loopTest, the server leads back to dnsmasq.
//
// The loopTest is also the server of domains whose servers all lead back: it refuses their names.
// Otherwise dnsmasq would send them to the default servers.
type loopTest struct {
	conn    *net.UDPConn
	self    netip.AddrPort // of conn
	label   string         // of the markers
	period  time.Duration  // mean time between two tests of a server
	dnsmasq string         // where dnsmasq can be queried
	results *results

	mu      sync.Mutex
	waiting map[string]context.CancelFunc // by name: called when a query for it arrives
}

// A loopList is the list of servers to test.
type loopList struct {
	id      int
	servers []upstreams.Server
}

// newLoopTest returns a loopTest. The caller must call run, or close.
func newLoopTest(dnsmasq string, period time.Duration, results *results) (*loopTest, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, fmt.Errorf("socket of the loop test: %w", err)
	}
	local, _ := conn.LocalAddr().(*net.UDPAddr)
	return &loopTest{
		conn: conn, self: local.AddrPort(), label: "kube-dns-loop-" + randomLabel(), dnsmasq: dnsmasq, period: period,
		results: results, waiting: map[string]context.CancelFunc{},
	}, nil
}

func randomLabel() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func (t *loopTest) close() { t.conn.Close() }

// marker returns the marker of a domain; ok is false if the domain is too long for one.
func (t *loopTest) marker(domain string) (m upstreams.Server, ok bool) {
	base := domain
	if base == "" {
		base = loopBase
	}
	return upstreams.Server{Domain: t.label + "." + base, Addr: t.self}, len(domain) <= maxMarked
}

// refusing returns the server of a domain without any other.
func (t *loopTest) refusing(domain string) upstreams.Server {
	return upstreams.Server{Domain: domain, Addr: t.self}
}

// run tests new servers of the newest list at once, and all of them from time to time, until ctx is
// done.
func (t *loopTest) run(ctx context.Context, lists <-chan loopList) error {
	group, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, t.close)()
	group.Go(func() error {
		replyTo(t.conn, t.rcode)
		return nil
	})
	group.Go(func() error { return t.follow(ctx, lists) })
	return group.Wait()
}

func (t *loopTest) follow(ctx context.Context, lists <-chan loopList) error {
	var rounds sync.WaitGroup
	defer rounds.Wait()
	var all []upstreams.Server
	again := time.NewTimer(t.pause(0))
	defer again.Stop()
	periodic := make(chan struct{}, 1)
	for {
		select {
		case <-ctx.Done():
			return nil
		case list := <-lists:
			all = list.servers
			fresh := t.results.keep(all)
			rounds.Go(func() {
				t.round(ctx, fresh)
				t.results.finish(list.id)
			})
		case <-again.C:
			round := all
			rounds.Go(func() {
				t.round(ctx, round)
				periodic <- struct{}{}
			})
		case <-periodic:
			again.Reset(t.pause(len(all)))
		}
	}
}

// pause returns the time to the next test of n servers.
func (t *loopTest) pause(n int) time.Duration {
	pause := max(t.period, time.Duration(n)*time.Second/loopPace)
	return pause - pause/3 + mathrand.N(pause*2/3)
}

// round tests servers.
func (t *loopTest) round(ctx context.Context, servers []upstreams.Server) {
	if len(servers) == 0 || !t.marked(ctx, servers[len(servers)-1].Domain) {
		return
	}
	var running errgroup.Group
	running.SetLimit(maxLoopTests)
	for _, s := range servers {
		running.Go(func() error {
			t.test(ctx, s)
			return nil
		})
	}
	_ = running.Wait() // tests return no error
}

// A verdict is the result of testing one server.
type verdict int

const (
	verdictSilent verdict = iota // no reply: no news
	verdictFine                  // it replied, and the query did not come here
	verdictLoop
)

// test tests one server.
func (t *loopTest) test(ctx context.Context, s upstreams.Server) {
	m, ok := t.marker(s.Domain)
	if !ok {
		return
	}
	v, code := t.ask(ctx, s.Addr.String(), m.Domain, loopTime)
	if v == verdictFine {
		code = confirm(ctx, s, code)
	}
	if v != verdictSilent && ctx.Err() == nil {
		t.results.note(s, v == verdictLoop, code)
	}
}

// confirm returns the response code of a server for a name that exists, if code is an error. A
// server can refuse only names of tests. Without a reply, it returns code.
func confirm(ctx context.Context, s upstreams.Server, code int) int {
	if !isError(code) {
		return code
	}
	ctx, cancel := context.WithTimeout(ctx, loopTime)
	defer cancel()
	query := new(dns.Msg).SetQuestion(dns.Fqdn(s.Domain), dns.TypeSOA)
	if confirmed, ok := replyOf(ctx, s.Addr.String(), query); ok {
		return confirmed
	}
	return code
}

// marked waits until dnsmasq has the marker of a domain, and reports whether it does.
func (t *loopTest) marked(ctx context.Context, domain string) bool {
	m, ok := t.marker(domain)
	if !ok {
		return true // its servers are not tested
	}
	for deadline := time.Now().Add(markerTime); time.Now().Before(deadline); {
		if v, _ := t.ask(ctx, t.dnsmasq, m.Domain, markerTime); v == verdictLoop {
			return true
		}
		if !pause.For(ctx, firstPause) {
			return false
		}
	}
	return false
}

// ask sends a query for a random name of a domain to addr. It waits until the query arrives here,
// or has a reply, or the time is over. code is that of the reply.
func (t *loopTest) ask(ctx context.Context, addr, domain string, timeout time.Duration) (v verdict, code int) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	name := dns.Fqdn(randomLabel() + "." + domain)
	t.mu.Lock()
	t.waiting[name] = cancel
	t.mu.Unlock()
	code, replied := replyOf(ctx, addr, new(dns.Msg).SetQuestion(name, dns.TypeA))
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting[name] == nil { // it arrived, even if there is a reply
		return verdictLoop, dns.RcodeSuccess
	}
	delete(t.waiting, name)
	if replied {
		return verdictFine, code
	}
	return verdictSilent, 0
}

// rcode returns the response code for an incoming query. Names of tests do not exist; all other
// names are refused.
func (t *loopTest) rcode(query *dns.Msg) int {
	if len(query.Question) != 1 {
		return dns.RcodeRefused
	}
	name := strings.ToLower(query.Question[0].Name)
	if !strings.Contains(name, "."+t.label+".") {
		return dns.RcodeRefused
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if arrived := t.waiting[name]; arrived != nil {
		arrived()
		delete(t.waiting, name)
	}
	return dns.RcodeNameError
}
