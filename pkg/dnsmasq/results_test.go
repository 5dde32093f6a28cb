package dnsmasq

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// TestFailingUpstream: the only upstream replies to all queries with an error. dnsmasq passes it
// on, and the nanny names the server until it recovers. It remains in use.
func TestFailingUpstream(t *testing.T) {
	t.Parallel()
	for _, rcode := range []int{dns.RcodeServerFailure, dns.RcodeRefused} {
		for _, stub := range []bool{false, true} {
			text := dns.RcodeToString[rcode]
			t.Run(fmt.Sprintf("%s, stub %v", text, stub), func(t *testing.T) {
				t.Parallel()
				var code atomic.Int64
				code.Store(int64(rcode))
				server := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
					_ = w.WriteMsg(new(dns.Msg).SetRcode(q, int(code.Load())))
				}))
				r := startNanny(t, "", quickLoops)
				name, domain := "x.test.", ""
				if stub {
					name, domain = "x.corp.test.", "corp.test"
					r.configure(keyStubs, fmt.Sprintf(`{"corp.test":["%s"]}`, server.Addr()))
				} else {
					r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, server.Addr()))
				}
				const line = `level=WARN msg="an upstream replies to all test queries with an error"`
				r.waitLog(1, line+`.*server=`+server.Addr()+`.*rcode=`+text)
				r.waitMetric(fmt.Sprintf(`kubedns_nanny_upstream_failing{domain="%s",rcode="%s",server="%s"} 1`,
					domain, text, server.Addr()))
				want := upstreams.Server{Domain: domain, Addr: server.AddrPort()}.String()
				if got := r.nanny.State().Failing; len(got) != 1 || got[0] != (FailingServer{Server: want, Rcode: text}) {
					t.Errorf("got %v, want %s with %s", got, want, text)
				}
				r.waitAnswer(name, text)
				code.Store(dns.RcodeNameError)
				r.waitLog(1, "an upstream replies to test queries without an error again")
				r.wait("the metric to go", func() bool { return !strings.Contains(scrape(t, r.metrics), "upstream_failing{") })
				if got := r.nanny.State().Failing; len(got) != 0 {
					t.Errorf("got %v, want no server that fails", got)
				}
			})
		}
	}
}

// TestRefusedTests: a server that refuses only the names of tests does not fail.
func TestRefusedTests(t *testing.T) {
	t.Parallel()
	var tests atomic.Int64
	server := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		code := dns.RcodeNameError
		if strings.Contains(q.Question[0].Name, ".kube-dns-loop-") {
			code = dns.RcodeRefused
			tests.Add(1)
		}
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, code))
	}))
	r := startNanny(t, "", quickLoops)
	r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, server.Addr()))
	r.wait("some tests", func() bool { return tests.Load() > 2*failedTests })
	if got := r.nanny.State().Failing; len(got) != 0 || r.logged("test queries with an error") != 0 {
		t.Errorf("got %v, want no server that fails", got)
	}
}

// TestFailingResults: a single error does not count, and removed servers are dropped.
func TestFailingResults(t *testing.T) {
	r := newResults(NewMetrics(nil), testLog(t))
	list := servers(t, "192.0.2.1 /a.test/192.0.2.2")
	r.keep(list)
	for range failedTests - 1 {
		r.note(list[0], false, dns.RcodeServerFailure)
	}
	if got := r.failing(); len(got) != 0 {
		t.Errorf("got %v after %d tests, want none", got, failedTests-1)
	}
	r.note(list[0], false, dns.RcodeNameError) // starts again
	for range failedTests {
		r.note(list[0], false, dns.RcodeServerFailure)
		r.note(list[1], false, dns.RcodeRefused)
	}
	if got := r.failing(); len(got) != 2 || got[0].Rcode != "REFUSED" || got[1].Rcode != "SERVFAIL" {
		t.Errorf("got %v, want both servers, the stub server first", got)
	}
	r.keep(list[1:])
	r.note(list[0], false, dns.RcodeServerFailure)
	r.note(list[0], false, dns.RcodeServerFailure)
	if got := r.failing(); len(got) != 1 || got[0].Rcode != "REFUSED" {
		t.Errorf("got %v, want the server that is left", got)
	}
}

// TestLoopDamping: a server that repeatedly leads back takes longer each time to be used again.
func TestLoopDamping(t *testing.T) {
	var r result
	for _, want := range []int{1, 2, 4, 8, 16, 16} {
		for range 2 {
			if r.add(true, dns.RcodeSuccess); !r.loops {
				t.Fatal("a server that leads back counts as fine")
			}
		}
		fine := 0
		for ; r.loops; fine++ {
			r.add(false, dns.RcodeSuccess)
		}
		if fine != want {
			t.Errorf("used again after %d replies, want %d", fine, want)
		}
	}
}

// TestLoopResults: a server that leads back is reported and has a series until it is removed, even
// if a test ends later.
func TestLoopResults(t *testing.T) {
	reg := httpd.NewRegistry("kubedns", "dnsmasq-nanny", "")
	r := newResults(NewMetrics(reg), testLog(t))
	list := servers(t, "/a.test/192.0.2.1")
	r.keep(list)
	r.note(list[0], true, dns.RcodeSuccess)
	if report := <-r.reports; !report.looping[list[0]] {
		t.Errorf("report %v, want %v in it", report, list[0])
	}
	const series = `kubedns_nanny_upstream_loop{domain="a.test",server="192.0.2.1:53"} 1`
	if text := scrape(t, httpd.MetricsHandler(reg)); !strings.Contains(text, series) {
		t.Errorf("no %s in\n%s", series, text)
	}
	r.keep(nil)
	r.note(list[0], true, dns.RcodeSuccess)
	if report := <-r.reports; len(report.looping) != 0 {
		t.Errorf("report %v, want no server", report)
	}
	if text := scrape(t, httpd.MetricsHandler(reg)); strings.Contains(text, "upstream_loop{") {
		t.Errorf("a server leads back, want none any more:\n%s", text)
	}
}

// TestResultsOfOlderLists: a list has no effect if its tests end after those of the next list.
func TestResultsOfOlderLists(t *testing.T) {
	r := newResults(NewMetrics(nil), testLog(t))
	list := servers(t, "192.0.2.1 192.0.2.2 192.0.2.1")
	if fresh := r.keep(list[:1]); len(fresh) != 1 {
		t.Errorf("%v are new, want one server", fresh)
	}
	if fresh := r.keep(list); len(fresh) != 1 || fresh[0] != list[1] {
		t.Errorf("%v are new, want %v", fresh, list[1])
	}
	r.finish(2)
	r.finish(1)
	if report := <-r.reports; report.id != 2 {
		t.Errorf("report of list %d, want 2", report.id)
	}
}
