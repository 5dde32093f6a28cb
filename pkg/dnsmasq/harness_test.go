package dnsmasq

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// patience is the maximum wait of a test.
const patience = 30 * time.Second

// A feed is a config.Source fed by a test.
type feed chan config.Update

func (f feed) Run(ctx context.Context, apply func(config.Update)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case u := <-f:
			apply(u)
		}
	}
}

// A logBuffer keeps the log of a nanny.
type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A running is a running nanny.
type running struct {
	t       *testing.T
	nanny   *Nanny
	addr    netip.AddrPort // dnsmasq's
	dir     string         // of the servers file
	feed    feed
	log     *logBuffer
	metrics http.Handler
	cancel  context.CancelFunc
	ended   chan struct{}
	err     error // of Run, when ended is closed
}

// startNanny runs a nanny with the real dnsmasq and args until the end of the test. change can
// change its options.
func startNanny(t *testing.T, args string, change func(o *Options)) *running {
	t.Helper()
	r := &running{t: t, addr: dnstest.FreeAddr(t), feed: make(feed), log: &logBuffer{}, ended: make(chan struct{})}
	memory := publicDir(t)
	r.dir = filepath.Join(memory, "dnsmasq-nanny-"+strconv.Itoa(int(r.addr.Port())))
	reg := httpd.NewRegistry("kubedns", "dnsmasq-nanny", "")
	r.metrics = httpd.MetricsHandler(reg)
	empty := filepath.Join(publicDir(t), "resolv.conf")
	if err := os.WriteFile(empty, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	opts := Options{
		Exec: "/usr/sbin/dnsmasq",
		Args: append([]string{
			"-k", "--no-hosts", "--pid-file=", "--log-facility=-", "--bind-interfaces", "--listen-address=127.0.0.1",
			"--port=" + strconv.Itoa(int(r.addr.Port())), "--resolv-file=" + empty,
		}, strings.Fields(args)...),
		Config:    r.feed,
		Restart:   true,
		KubeDNS:   "127.0.0.1:1",
		StateDir:  filepath.Join(publicDir(t), "state"),
		MemoryDir: memory,
		Metrics:   NewMetrics(reg),
		Log:       slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	if change != nil {
		change(&opts)
	}
	if opts.Exec == "/usr/sbin/dnsmasq" {
		dnsmasqPath(t)
	}
	var err error
	if r.nanny, err = New(opts); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.ended)
		r.err = r.nanny.Run(ctx)
	}()
	t.Cleanup(func() {
		_ = r.stop()
		if t.Failed() {
			t.Logf("log of the nanny:\n%s", r.log)
		}
	})
	return r
}

// stop stops the nanny and returns the result of Run.
func (r *running) stop() error {
	r.cancel()
	<-r.ended
	return r.err
}

// configure passes a configuration to the nanny.
func (r *running) configure(keys ...string) {
	r.t.Helper()
	r.update(config.Update{Config: parse(r.t, keys...), Version: strings.Join(keys, " ")})
}

func (r *running) update(u config.Update) {
	r.t.Helper()
	select {
	case r.feed <- u:
	case <-r.ended:
		r.t.Fatalf("the nanny ended: %v", r.err)
	}
}

// wait waits until ok holds.
func (r *running) wait(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-r.ended:
			if !ok() {
				r.t.Fatalf("waiting for %s: the nanny ended: %v", what, r.err)
			}
		default:
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("still waiting for %s after %v", what, patience)
		}
	}
}

// waitLog waits until the log has n matches of a pattern.
func (r *running) waitLog(n int, pattern string) {
	r.t.Helper()
	re := regexp.MustCompile(pattern)
	r.wait(fmt.Sprintf("%d times %q in the log", n, pattern),
		func() bool { return len(re.FindAllString(r.log.String(), -1)) >= n })
}

// waitMetric waits until the metrics have a line.
func (r *running) waitMetric(line string) {
	r.t.Helper()
	r.wait("the metric "+line, func() bool { return strings.Contains(scrape(r.t, r.metrics), "\n"+line+"\n") })
}

// logged counts the matches of a pattern in the log.
func (r *running) logged(pattern string) int {
	return len(regexp.MustCompile(pattern).FindAllString(r.log.String(), -1))
}

// answer returns the address in dnsmasq's reply for name, the rcode without an address, or "no
// reply".
func (r *running) answer(name string) string { return r.answerWithin(name, 5*time.Second) }

func (r *running) answerWithin(name string, timeout time.Duration) string {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	reply, err := dnstest.TryExchange(ctx, r.addr.String(), dnstest.Query(name, dns.TypeA), false)
	if err != nil {
		return "no reply"
	}
	for _, rr := range reply.Answer {
		if a, ok := rr.(*dns.A); ok {
			return a.A.String()
		}
	}
	return dns.RcodeToString[reply.Rcode]
}

// waitAnswer queries repeatedly until name has an answer.
func (r *running) waitAnswer(name, want string) {
	r.t.Helper()
	r.wait(want+" for "+name, func() bool { return r.answerWithin(name, time.Second) == want })
}

// serversFile returns the content of the servers file, without comments and markers.
func (r *running) serversFile() string {
	b, err := os.ReadFile(filepath.Join(r.dir, serversName))
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "#") && !strings.Contains(line, "/kube-dns-loop-") {
			lines = append(lines, strings.TrimSuffix(strings.TrimPrefix(line, "server="), "\n"))
		}
	}
	return strings.Join(lines, " ")
}

// pids returns dnsmasq's process IDs so far.
func (r *running) pids() []string {
	var pids []string
	for _, m := range regexp.MustCompile(`msg="dnsmasq started" pid=(\d+)`).FindAllStringSubmatch(r.log.String(), -1) {
		pids = append(pids, m[1])
	}
	return pids
}

// upstream is a name server that answers every A query with one address and TTL 0.
type upstream struct {
	*dnstest.Server
	mu    sync.Mutex
	asked map[string]int
}

func newUpstream(t *testing.T, address string) *upstream {
	t.Helper()
	return newSlowUpstream(t, address, 0)
}

// newSlowUpstream returns an upstream that replies after a delay.
func newSlowUpstream(t *testing.T, address string, delay time.Duration) *upstream {
	t.Helper()
	u := &upstream{asked: map[string]int{}}
	u.Server = dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		u.mu.Lock()
		u.asked[q.Question[0].Name]++
		u.mu.Unlock()
		time.Sleep(delay)
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET},
				A:   netip.MustParseAddr(address).AsSlice(),
			})
		}
		_ = w.WriteMsg(m)
	}))
	return u
}

// count returns the number of queries for a name.
func (u *upstream) count(name string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.asked[name]
}

// text returns the server in the form of --server.
func (u *upstream) text() string { return upstreams.Server{Addr: u.AddrPort()}.String() }

// scrape returns the metrics.
func scrape(t testing.TB, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// get returns the status and body of h's reply.
