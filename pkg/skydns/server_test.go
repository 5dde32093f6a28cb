package skydns_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/goleak"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

func TestMain(m *testing.M) {
	if options := os.Getenv(peersEnv); options != "" {
		if err := runPeers(options); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func zone() *fake {
	reverse := map[netip.Addr]string{netip.MustParseAddr("10.0.0.1"): "web.cluster.local."}
	f := &fake{status: backend.Ready, reverse: reverse}
	f.names = map[string][]backend.Record{
		"web":     {a("10.0.0.1")},
		"empty":   nil,
		"two":     {a("10.0.0.1"), a("10.0.0.2")},
		"in":      {alias("web.cluster.local.")},
		"out":     {alias("www.outside.example.")},
		"short":   {alias("outside.")},
		"srv":     {srv("web.cluster.local.", 80, "10.0.0.1"), srv("db.cluster.local.", 90, "10.0.0.2", "fd00::2")},
		"missing": {alias("nowhere.cluster.local.")},
	}
	for i := range 12 {
		f.names[fmt.Sprint("hop", i)] = []backend.Record{alias(fmt.Sprintf("hop%d.cluster.local.", i+1))}
	}
	return f
}

// TestReplies compares replies as text: rcode, flags and sections.
func TestReplies(t *testing.T) {
	f := forwarderTo(t, answerWith(t, "www.outside.example. 300 IN A 192.0.2.1"))
	addr := serve(t, skydns.Options{Backend: zone(), Version: "v1", Forwarder: f})
	tests := []struct {
		name, question string
		qtype, class   uint16
		want           string
	}{
		{"an address", "WEB.cluster.local", dns.TypeA, 1, "NOERROR aa ra | WEB.cluster.local. 30 IN A 10.0.0.1 | |"},
		{"no such type", "web.cluster.local", dns.TypeMX, 1, "NOERROR aa ra | | SOA 60 |"},
		{"only names below", "empty.cluster.local", dns.TypeA, 1, "NOERROR aa ra | | SOA 60 |"},
		{"no such name", "no.cluster.local", dns.TypeA, 1, "NXDOMAIN aa ra | | SOA 60 |"},
		{"targets share the weight", "srv.cluster.local", dns.TypeSRV, 1, "NOERROR aa ra | " +
			"srv.cluster.local. 30 IN SRV 10 50 80 web.cluster.local.; " +
			"srv.cluster.local. 30 IN SRV 10 50 90 db.cluster.local. | | " +
			"web.cluster.local. 30 IN A 10.0.0.1; db.cluster.local. 30 IN A 10.0.0.2; db.cluster.local. 30 IN AAAA fd00::2"},
		{
			"alias inside", "in.cluster.local", dns.TypeA, 1,
			"NOERROR aa ra | in.cluster.local. 30 IN CNAME web.cluster.local.; web.cluster.local. 30 IN A 10.0.0.1 | |",
		},
		{
			"alias of a missing name", "missing.cluster.local", dns.TypeA, 1,
			"NXDOMAIN aa ra | missing.cluster.local. 30 IN CNAME nowhere.cluster.local. | SOA 60 |",
		},
		{
			"alias outside", "out.cluster.local", dns.TypeA, 1,
			"NOERROR aa ra | out.cluster.local. 30 IN CNAME www.outside.example.; www.outside.example. 30 IN A 192.0.2.1 | |",
		},
		{
			"alias outside, its own question", "out.cluster.local", dns.TypeCNAME, 1,
			"NOERROR aa ra | out.cluster.local. 30 IN CNAME www.outside.example. | |",
		},
		{
			"alias of one label", "short.cluster.local", dns.TypeA, 1,
			"NOERROR aa ra | short.cluster.local. 30 IN CNAME outside. | |",
		},
		{
			"alias as a target", "in.cluster.local", dns.TypeSRV, 1,
			"NOERROR aa ra | in.cluster.local. 30 IN SRV 10 100 0 web.cluster.local. | | web.cluster.local. 30 IN A 10.0.0.1",
		},
		{"above a reverse name", "0.10.in-addr.arpa", dns.TypeNS, 1, "NOERROR ra | | |"},
		{"other type at a reverse name", "1.0.0.10.in-addr.arpa", dns.TypeA, 1, "NOERROR ra | | |"},
		{
			"PTR above a reverse name", "10.in-addr.arpa", dns.TypePTR, 1,
			"NOERROR | www.outside.example. 300 IN A 192.0.2.1 | |",
		},
		{
			"TXT at a reverse name", "1.0.0.10.in-addr.arpa", dns.TypeTXT, 1,
			"NOERROR | www.outside.example. 300 IN A 192.0.2.1 | |",
		},
		{
			"reverse", "1.0.0.10.in-addr.arpa", dns.TypePTR, 1,
			"NOERROR ra | 1.0.0.10.in-addr.arpa. 30 IN PTR web.cluster.local. | |",
		},
		{
			"class ANY", "web.cluster.local", dns.TypeA, dns.ClassANY,
			"NOERROR aa ra | web.cluster.local. 30 IN A 10.0.0.1 | |",
		},
		{"class HESIOD", "web.cluster.local", dns.TypeA, dns.ClassHESIOD, "REFUSED | | |"},
		{"type ANY", "www.outside.example", dns.TypeANY, 1, "REFUSED | | |"},
		{"version", "version.bind", dns.TypeTXT, dns.ClassCHAOS, `NOERROR aa ra | version.bind. 0 CH TXT "v1" | |`},
		{"authors", "authors.bind", dns.TypeTXT, dns.ClassCHAOS, "SERVFAIL | | |"},
		{"outside", "www.outside.example", dns.TypeA, 1, "NOERROR | www.outside.example. 300 IN A 192.0.2.1 | |"},
		{"one label outside", "localhost", dns.TypeA, 1, "SERVFAIL ra | | |"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, tcp := range []bool{false, true} {
				q := dnstest.Query(tt.question, tt.qtype)
				q.Question[0].Qclass = tt.class
				got := summary(dnstest.Exchange(t, addr, q, tcp))
				want := tt.want
				if tcp && tt.qtype == dns.TypeA && (tt.question == "out.cluster.local" || tt.question == "short.cluster.local") {
					want = strings.ReplaceAll(want, ". 30 IN ", ". 0 IN ") // so that dnsmasq does not cache it
				}
				if sortAnswers(got) != sortAnswers(want) {
					t.Errorf("tcp %v:\ngot  %s\nwant %s", tcp, got, want)
				}
			}
		})
	}
}

// summary is "RCODE flags | answer | authority | additional".
func summary(m *dns.Msg) string {
	head := dns.RcodeToString[m.Rcode]
	for _, flag := range []struct {
		on   bool
		name string
	}{{m.Authoritative, " aa"}, {m.RecursionAvailable, " ra"}, {m.Truncated, " tc"}} {
		if flag.on {
			head += flag.name
		}
	}
	section := func(rrs []dns.RR) string {
		var lines []string
		for _, rr := range rrs {
			if soa, ok := rr.(*dns.SOA); ok {
				lines = append(lines, fmt.Sprint("SOA ", soa.Hdr.Ttl))
				continue
			}
			lines = append(lines, strings.ReplaceAll(rr.String(), "\t", " "))
		}
		return strings.Join(lines, "; ")
	}
	return strings.TrimRight(head+" | "+section(m.Answer)+" | "+section(m.Ns)+" | "+section(m.Extra), " ")
}

// sortAnswers makes two summaries with shuffled answers comparable.
func sortAnswers(s string) string {
	parts := strings.Split(strings.Join(strings.Fields(s), " "), " |")
	if len(parts) > 1 && !strings.Contains(parts[1], "CNAME") {
		rrs := strings.Split(strings.TrimSpace(parts[1]), "; ")
		if len(rrs) == 2 && rrs[0] > rrs[1] {
			rrs[0], rrs[1] = rrs[1], rrs[0]
		}
		parts[1] = strings.Join(rrs, "; ")
	}
	return strings.Join(parts, "|")
}

func TestAliasesAreFollowedSoFar(t *testing.T) {
	addr := serve(t, skydns.Options{Backend: zone()})
	m := dnstest.Exchange(t, addr, dnstest.Query("hop0.cluster.local", dns.TypeA), false)
	if m.Rcode != dns.RcodeSuccess || len(m.Answer) != 8 {
		t.Errorf("%s with %d aliases", dns.RcodeToString[m.Rcode], len(m.Answer))
	}
}

func TestNotReady(t *testing.T) {
	f := forwarderTo(t, answerWith(t, "www.outside.example. 300 IN A 192.0.2.1"))
	addr := serve(t, skydns.Options{Backend: &fake{status: backend.NotReady}, Forwarder: f})
	for _, name := range []string{"web.cluster.local", "cluster.local", "1.0.0.10.in-addr.arpa"} {
		q := dnstest.Query(name, dns.TypePTR)
		q.SetEdns0(1232, false)
		m := dnstest.Exchange(t, addr, q, false)
		ede := -1
		for _, option := range m.IsEdns0().Option {
			if e, ok := option.(*dns.EDNS0_EDE); ok {
				ede = int(e.InfoCode)
			}
		}
		if m.Rcode != dns.RcodeServerFailure || ede != int(dns.ExtendedErrorCodeNotReady) {
			t.Errorf("%s: %s with error code %d", name, dns.RcodeToString[m.Rcode], ede)
		}
	}
	if m := dnstest.Exchange(t, addr, dnstest.Query("www.outside.example", dns.TypeA), false); len(m.Answer) != 1 {
		t.Errorf("an outside name: %v", m)
	}
}

// TestHold: a query that arrives while the server starts waits for the data, unless the start takes
// too long.
func TestHold(t *testing.T) {
	for _, tt := range []struct {
		name  string
		hold  time.Duration
		ready bool
		rcode int
	}{
		{"data comes", time.Minute, true, dns.RcodeSuccess},
		{"no data comes", 50 * time.Millisecond, false, dns.RcodeServerFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &starting{fake: *zone()}
			addr := serve(t, skydns.Options{Backend: b, Hold: tt.hold})
			replies := make(chan *dns.Msg, 2)
			for _, q := range []*dns.Msg{
				dnstest.Query("web.cluster.local", dns.TypeA), dnstest.Query("1.0.0.10.in-addr.arpa", dns.TypePTR),
			} {
				go func() {
					m, err := dnstest.TryExchange(context.Background(), addr, q, false)
					if err != nil {
						m = new(dns.Msg)
						m.Rcode = -1
					}
					replies <- m
				}()
			}
			for tt.ready && !b.asked.Load() {
				time.Sleep(time.Millisecond)
			}
			b.ready.Store(tt.ready)
			for range 2 {
				if m := <-replies; m.Rcode != tt.rcode {
					t.Errorf("got %v", m)
				}
			}
		})
	}
}

// starting is a backend that gets its data later.
type starting struct {
	fake
	ready, asked atomic.Bool
}

func (s *starting) Status() backend.Status {
	s.asked.Store(true)
	if s.ready.Load() {
		return backend.Ready
	}
	return backend.NotReady
}

func TestStaleAnswers(t *testing.T) {
	b := zone()
	b.status = backend.Stale
	addr := serve(t, skydns.Options{Backend: b})
	for name, qtype := range map[string]uint16{
		"web.cluster.local": dns.TypeA, "no.cluster.local": dns.TypeA, "1.0.0.10.in-addr.arpa": dns.TypePTR,
	} {
		q := dnstest.Query(name, qtype)
		q.SetEdns0(1232, false)
		m := dnstest.Exchange(t, addr, q, false)
		for _, rr := range append(m.Answer, m.Ns...) {
			if rr.Header().Ttl > 5 {
				t.Errorf("%s: %v", name, rr)
			}
		}
		options := m.IsEdns0().Option
		if len(options) != 1 || options[0].(*dns.EDNS0_EDE).InfoCode != dns.ExtendedErrorCodeStaleAnswer {
			t.Errorf("%s: options %v", name, options)
		}
	}
}

func TestPanicIsAnswered(t *testing.T) {
	reg := prometheus.NewRegistry()
	addr := serve(t, skydns.Options{Backend: &fake{status: backend.Ready, panics: true}, Registerer: reg})
	for range 2 {
		m := dnstest.Exchange(t, addr, dnstest.Query("web.cluster.local", dns.TypeA), false)
		if m.Rcode != dns.RcodeServerFailure {
			t.Errorf("got %s", dns.RcodeToString[m.Rcode])
		}
	}
	if n := value(t, reg, "kubedns_dns_panics_total"); n != 2 {
		t.Errorf("%v panics counted", n)
	}
}

// buggy is a backend with a bug in the fast path.
type buggy struct{ *fake }

func (buggy) PlainRecords(string, uint16) backend.Plain { panic("a bug") }

func (buggy) PlainReverse(netip.Addr) backend.Plain { panic("a bug") }

// TestPanicOfTheFastPath: after a panic of the fast path, the slow path answers the queries of the
// batch.
func TestPanicOfTheFastPath(t *testing.T) {
	reg := prometheus.NewRegistry()
	names := map[string][]backend.Record{"web": {a("10.0.0.1")}}
	addr := serve(t, skydns.Options{Backend: buggy{&fake{status: backend.Ready, names: names}}, Registerer: reg})
	m := dnstest.Exchange(t, addr, dnstest.Query("web.cluster.local", dns.TypeA), false)
	if m.Rcode != dns.RcodeSuccess || len(m.Answer) != 1 {
		t.Errorf("got %v", m)
	}
	if n := value(t, reg, "kubedns_dns_panics_total"); runtime.GOOS == "linux" && n != 1 {
		t.Errorf("%v panics counted", n)
	}
}

func value(t *testing.T, reg prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var sum float64
	for _, f := range families {
		if f.GetName() == name {
			for _, m := range f.GetMetric() {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func TestBackendErrorIsServfail(t *testing.T) {
	addr := serve(t, skydns.Options{Backend: &fake{status: backend.Ready, err: errors.New("no location")}})
	m := dnstest.Exchange(t, addr, dnstest.Query("web.cluster.local", dns.TypeA), false)
	if m.Rcode != dns.RcodeServerFailure || m.Authoritative {
		t.Error(m)
	}
}

func TestForwardingToTheNextServer(t *testing.T) {
	good := answerWith(t, "www.outside.example. 300 IN A 192.0.2.1")
	var asked atomic.Int32
	counted := func(h dns.HandlerFunc) dns.HandlerFunc {
		return func(w dns.ResponseWriter, q *dns.Msg) { asked.Add(1); h(w, q) }
	}
	closed := dnstest.FreeAddr(t)
	tests := []struct {
		name    string
		servers []dns.HandlerFunc // nil: a closed port
		rcode   int
		asked   int32
	}{
		{"SERVFAIL, then good", []dns.HandlerFunc{rcode(dns.RcodeServerFailure), good}, dns.RcodeSuccess, 2},
		{"REFUSED, then good", []dns.HandlerFunc{rcode(dns.RcodeRefused), good}, dns.RcodeSuccess, 2},
		{"closed, then good", []dns.HandlerFunc{nil, good}, dns.RcodeSuccess, 1},
		{"NXDOMAIN counts", []dns.HandlerFunc{rcode(dns.RcodeNameError), good}, dns.RcodeNameError, 1},
		{
			"each is asked once, the last word counts",
			[]dns.HandlerFunc{rcode(dns.RcodeServerFailure), rcode(dns.RcodeRefused)}, dns.RcodeRefused, 2,
		},
		{"all closed", []dns.HandlerFunc{nil, nil}, dns.RcodeServerFailure, 0},
		{"none", nil, dns.RcodeServerFailure, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var servers []netip.AddrPort
			for _, handler := range tt.servers {
				if handler == nil {
					servers = append(servers, closed)
					continue
				}
				servers = append(servers, dnstest.NewServer(t, counted(handler)).AddrPort())
			}
			f := newForwarder(t, netip.AddrPort{})
			f.SetRoutes(servers, nil)
			addr := serve(t, skydns.Options{Backend: zone(), Forwarder: f})
			for _, tcp := range []bool{false, true} {
				asked.Store(0)
				m := dnstest.Exchange(t, addr, dnstest.Query("www.outside.example", dns.TypeA), tcp)
				if m.Rcode != tt.rcode || asked.Load() != tt.asked {
					t.Errorf("tcp %v: %s after %d servers were asked", tcp, dns.RcodeToString[m.Rcode], asked.Load())
				}
			}
		})
	}
}

// TestForgedRepliesAreIgnored: replies to another question, or with another ID, are
// ignored.
func TestForgedRepliesAreIgnored(t *testing.T) {
	f := forwarderTo(t, func(w dns.ResponseWriter, q *dns.Msg) {
		for _, forge := range []func(*dns.Msg){
			func(m *dns.Msg) { m.Id++ },
			func(m *dns.Msg) { m.Question[0].Name = "other.example." },
			func(m *dns.Msg) { m.Question[0].Qtype++ },
			func(m *dns.Msg) { m.Response = false },
		} {
			m := new(dns.Msg).SetReply(q)
			m.Rcode = dns.RcodeNameError
			forge(m)
			_ = w.WriteMsg(m)
		}
		_ = w.WriteMsg(new(dns.Msg).SetReply(q))
	})
	addr := serve(t, skydns.Options{Backend: zone(), Forwarder: f})
	m := dnstest.Exchange(t, addr, dnstest.Query("www.outside.example", dns.TypeA), false)
	if m.Rcode != dns.RcodeSuccess {
		t.Errorf("got %s", dns.RcodeToString[m.Rcode])
	}
}

func TestForwardingLeavesTheMessageAlone(t *testing.T) {
	queries := make(chan *dns.Msg, 1)
	f := forwarderTo(t, func(w dns.ResponseWriter, q *dns.Msg) {
		queries <- q
		m := new(dns.Msg).SetReply(q)
		m.AuthenticatedData, m.Authoritative = true, true
		m.SetEdns0(1400, true)
		_ = w.WriteMsg(m)
	})
	addr := serve(t, skydns.Options{Backend: zone(), Forwarder: f})
	q := dnstest.Query("WwW.outside.example", dns.TypeA)
	q.RecursionDesired, q.CheckingDisabled = false, true
	q.SetEdns0(4000, true)
	q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}}
	m := dnstest.Exchange(t, addr, q, false)
	if !m.AuthenticatedData || !m.Authoritative || m.IsEdns0().UDPSize() != 1400 {
		t.Errorf("the reply was changed:\n%v", m)
	}
	seen := <-queries
	if seen.Question[0].Name != "WwW.outside.example." || seen.RecursionDesired || !seen.CheckingDisabled ||
		len(seen.IsEdns0().Option) != 1 {
		t.Errorf("the query was changed:\n%v", seen)
	}
}

func TestEverythingElseGoesToOneServer(t *testing.T) {
	behind := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		h := dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: q.Question[0].Qclass}
		m.Answer = []dns.RR{&dns.TXT{Hdr: h, Txt: []string{"behind"}}}
		_ = w.WriteMsg(m)
	}))
	addr := serve(t, skydns.Options{Backend: zone(), Forwarder: newForwarder(t, behind.AddrPort())})
	for _, tt := range []struct {
		name  string
		class uint16
		want  bool
	}{
		{"localhost", 1, true}, {".", 1, true}, {"www.outside.example", 1, true}, {"9.9.9.9.in-addr.arpa", 1, true},
		{"version.bind", dns.ClassCHAOS, true}, {"hits.bind", dns.ClassCHAOS, true}, {"id.server", dns.ClassCHAOS, false},
		{"web.cluster.local", 1, false},
	} {
		q := dnstest.Query(tt.name, dns.TypeTXT)
		q.Question[0].Qclass = tt.class
		m := dnstest.Exchange(t, addr, q, false)
		got := len(m.Answer) == 1 && strings.Contains(m.Answer[0].String(), "behind")
		if got != tt.want {
			t.Errorf("%s: forwarded %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestStubDomainsOfAliases(t *testing.T) {
	stub := dnstest.NewServer(t, answerWith(t, "www.outside.example. 300 IN A 192.0.2.7"))
	f := forwarderTo(t, rcode(dns.RcodeNameError))
	up := dnstest.NewServer(t, rcode(dns.RcodeNameError)).AddrPort()
	f.SetRoutes([]netip.AddrPort{up}, map[string][]upstream.StubServer{
		"outside.example": {{Addr: stub.AddrPort()}}, "other.example": {{Addr: up}},
	})
	addr := serve(t, skydns.Options{Backend: zone(), Forwarder: f})
	m := dnstest.Exchange(t, addr, dnstest.Query("out.cluster.local", dns.TypeA), false)
	if len(m.Answer) != 2 || !strings.Contains(m.Answer[1].String(), "192.0.2.7") {
		t.Errorf("got %v", m.Answer)
	}
	// Compat: queries of clients go to the upstreams; dnsmasq serves stub domains.
	m = dnstest.Exchange(t, addr, dnstest.Query("www.outside.example", dns.TypeA), false)
	if m.Rcode != dns.RcodeNameError {
		t.Errorf("got %s", dns.RcodeToString[m.Rcode])
	}
}

func TestOverload(t *testing.T) {
	release := make(chan struct{})
	f := forwarderTo(t, func(w dns.ResponseWriter, q *dns.Msg) {
		<-release
		_ = w.WriteMsg(new(dns.Msg).SetReply(q))
	})
	reg := prometheus.NewRegistry()
	addr := serve(t, skydns.Options{Backend: zone(), Forwarder: f, MaxForwards: 2, Registerer: reg})
	first := make(chan int, 2)
	for range 2 {
		go func() {
			m, err := dnstest.TryExchange(context.Background(), addr, dnstest.Query("www.outside.example", dns.TypeA), false)
			if err != nil {
				first <- -1
				return
			}
			first <- m.Rcode
		}()
	}
	// An additional query is refused at once, as soon as the two are pending.
	for range 1000 {
		if value(t, reg, "kubedns_dns_overload_total") > 0 {
			break
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, _ = dnstest.TryExchange(ctx, addr, dnstest.Query("www.outside.example", dns.TypeA), false)
		cancel()
	}
	if n := value(t, reg, "kubedns_dns_waiting_queries"); n != 2 {
		t.Errorf("%v queries wait, want 2", n)
	}
	m := dnstest.Exchange(t, addr, dnstest.Query("web.cluster.local", dns.TypeA), false)
	if len(m.Answer) != 1 {
		t.Error("names of the zone are not answered while forwards wait")
	}
	close(release)
	for range 2 {
		<-first
	}
	if value(t, reg, "kubedns_dns_overload_total") == 0 {
		t.Error("nothing was refused")
	}
}

// TestPipelining: on one connection with many queries, pending ones do not delay the rest. More
// than the library's limit of 128 are answered.
func TestPipelining(t *testing.T) {
	release := make(chan struct{})
	f := forwarderTo(t, func(w dns.ResponseWriter, q *dns.Msg) {
		<-release
		_ = w.WriteMsg(new(dns.Msg).SetReply(q))
	})
	conn, err := net.Dial("tcp", serve(t, skydns.Options{Backend: zone(), Forwarder: f}))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var stream []byte
	const n = 300
	for i := range n {
		q := dnstest.Query("web.cluster.local", dns.TypeA)
		if i == 0 {
			q = dnstest.Query("www.outside.example", dns.TypeA)
		}
		q.Id = uint16(i)
		raw, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		stream = append(binary.BigEndian.AppendUint16(stream, uint16(len(raw))), raw...)
	}
	if _, err := conn.Write(stream); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for i := 1; i <= n; i++ {
		if i == n {
			close(release)
		}
		if id := readID(t, r); id != uint16(i%n) {
			t.Fatalf("reply %d has the ID %d", i, id)
		}
	}
}

func readID(t *testing.T, r io.Reader) uint16 {
	t.Helper()
	var size [2]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(r, reply); err != nil {
		t.Fatal(err)
	}
	return binary.BigEndian.Uint16(reply)
}

func TestTooManyConnections(t *testing.T) {
	reg := prometheus.NewRegistry()
	addr := serve(t, skydns.Options{Backend: zone(), MaxTCPConns: 1, Registerer: reg})
	first, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	second, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := second.Read(make([]byte, 1)); err == nil {
		t.Error("the second connection was not closed")
	}
	_ = second.Close()
	_ = first.Close()
	if n := value(t, reg, "kubedns_dns_tcp_connections_refused_total"); n != 1 {
		t.Errorf("%v refused", n)
	}
}

// TestStopWaitsForWhatIsInFlight: a server that stops answers the queries that it has read.
func TestStopWaitsForWhatIsInFlight(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	f := forwarderTo(t, func(w dns.ResponseWriter, q *dns.Msg) {
		close(asked)
		<-release
		_ = w.WriteMsg(new(dns.Msg).SetReply(q))
	})
	s, err := skydns.New(skydns.Options{Domain: "cluster.local.", Backend: zone(), Forwarder: f})
	if err != nil {
		t.Fatal(err)
	}
	sockets, err := skydns.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped, replied := make(chan error, 1), make(chan error, 1)
	go func() { stopped <- s.Run(ctx, sockets) }()
	go func() {
		q := dnstest.Query("www.outside.example", dns.TypeA)
		_, err := dnstest.TryExchange(context.Background(), sockets.Addr().String(), q, false)
		replied <- err
	}()
	<-asked
	cancel()
	close(release)
	if err := <-replied; err != nil {
		t.Errorf("the query in flight: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestListenOnATakenPort(t *testing.T) {
	taken := dnstest.NewServer(t, rcode(0))
	if _, err := skydns.Listen(t.Context(), taken.Addr()); err == nil || !strings.Contains(err.Error(), taken.Addr()) {
		t.Errorf("got %v", err)
	}
}

// TestLegacyMetrics: names, types, labels and values of the metrics that dashboards use.
func TestLegacyMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	f := forwarderTo(t, rcode(dns.RcodeNameError))
	addr := serve(t, skydns.Options{Backend: zone(), Registerer: reg, Forwarder: f})
	for _, name := range []string{"web.cluster.local", "no.cluster.local", "no.cluster.local", "www.outside.example"} {
		dnstest.Exchange(t, addr, dnstest.Query(name, dns.TypeA), false)
	}
	dnstest.Exchange(t, addr, dnstest.Query("1.0.0.10.in-addr.arpa", dns.TypePTR), false)
	dnstest.Exchange(t, addr, dnstest.Query("web.cluster.local", dns.TypeANY), false)
	want := `
# HELP skydns_skydns_dns_error_count_total Counter of DNS requests resulting in an error.
# TYPE skydns_skydns_dns_error_count_total counter
skydns_skydns_dns_error_count_total{cause="nxdomain",system="auth"} 2
skydns_skydns_dns_error_count_total{cause="nxdomain",system="recursive"} 1
skydns_skydns_dns_error_count_total{cause="refused",system="auth"} 1
# HELP skydns_skydns_dns_request_count_total Counter of DNS requests made.
# TYPE skydns_skydns_dns_request_count_total counter
skydns_skydns_dns_request_count_total{system="auth"} 4
skydns_skydns_dns_request_count_total{system="recursive"} 1
skydns_skydns_dns_request_count_total{system="reverse"} 1
# HELP skydns_skydns_dns_cachemiss_count_total Counter of DNS requests about the zone. ` +
		`There is no cache of responses, so each of them is a miss.
# TYPE skydns_skydns_dns_cachemiss_count_total counter
skydns_skydns_dns_cachemiss_count_total{cache="response"} 3
`
	err := testutil.GatherAndCompare(reg, strings.NewReader(want), "skydns_skydns_dns_error_count_total",
		"skydns_skydns_dns_request_count_total", "skydns_skydns_dns_cachemiss_count_total")
	if err != nil {
		t.Error(err)
	}
}

func TestAlive(t *testing.T) {
	s := newServer(t, skydns.Options{Backend: zone()})
	if s.Alive(t.Context()) == nil {
		t.Error("alive before it runs")
	}
	for _, host := range []string{"127.0.0.1", "0.0.0.0", "::1"} {
		sockets, err := skydns.Listen(t.Context(), net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- s.Run(ctx, sockets) }()
		for err = s.Alive(ctx); err != nil && t.Context().Err() == nil; err = s.Alive(ctx) {
			time.Sleep(time.Millisecond)
		}
		cancel()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
		if s.Alive(t.Context()) == nil {
			t.Error("alive after the end")
		}
	}
}

// TestReplyComesFromTheAddressAsked: a socket bound to all addresses replies from the address of
// the query.
func TestReplyComesFromTheAddressAsked(t *testing.T) {
	s := newServer(t, skydns.Options{Backend: zone()})
	sockets, err := skydns.Listen(t.Context(), "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx, sockets) }()
	_, port, err := net.SplitHostPort(sockets.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "127.1.2.3", "::1"} {
		// A connected socket accepts replies from no other address.
		m := dnstest.Exchange(t, net.JoinHostPort(host, port), dnstest.Query("web.cluster.local", dns.TypeA), false)
		if len(m.Answer) != 1 {
			t.Errorf("%s: %v", host, m)
		}
	}
	cancel()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// blocking is a zone whose wildcards block until release is closed.
type blocking struct {
	*fake
	release chan struct{}
}

func (b blocking) Records(ctx context.Context, q backend.Query) (backend.Answer, error) {
	if strings.Contains(q.Name, "*") {
		<-b.release
	}
	return b.fake.Records(ctx, q)
}

// TestTooManyWildcards: a wildcard query above the limit gets SERVFAIL at once. Other
// queries do not wait for wildcards.
func TestTooManyWildcards(t *testing.T) {
	release := make(chan struct{})
	reg := prometheus.NewRegistry()
	addr := serve(t, skydns.Options{Backend: blocking{zone(), release}, MaxWildcards: 1, Registerer: reg})
	first := make(chan error, 1)
	go func() {
		_, err := dnstest.TryExchange(t.Context(), addr, dnstest.Query("*.cluster.local", dns.TypeA), true)
		first <- err
	}()
	for value(t, reg, "kubedns_dns_waiting_queries") == 0 {
		time.Sleep(time.Millisecond)
	}
	for _, tcp := range []bool{false, true} {
		m := dnstest.Exchange(t, addr, dnstest.Query("*.cluster.local", dns.TypeA), tcp)
		if m.Rcode != dns.RcodeServerFailure {
			t.Errorf("a wildcard too many over TCP %v: got %s, want SERVFAIL", tcp, dns.RcodeToString[m.Rcode])
		}
		if m := dnstest.Exchange(t, addr, dnstest.Query("web.cluster.local", dns.TypeA), tcp); len(m.Answer) != 1 {
			t.Errorf("an address over TCP %v: got %v", tcp, m)
		}
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}
