package dnsmasq

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// TestFailingUpstream: the only upstream replies to all queries with an error. dnsmasq passes
// it on, and the nanny names the server until that is over. It stays in use.
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
				r.waitMetric(fmt.Sprintf(`kubedns_nanny_upstream_failing{domain="%s",rcode="%s",server="%s"} 1`, domain, text, server.Addr()))
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

// TestRefusedTests: a server that refuses the names of tests, and no others, does not fail.
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

// TestFaults: one error is none, and servers that are removed are dropped.
func TestFaults(t *testing.T) {
	f := newFaults(NewMetrics(nil), testLog(t))
	list := servers(t, "192.0.2.1 /a.test/192.0.2.2")
	f.keep(map[upstreams.Server]bool{list[0]: true, list[1]: true})
	for range failedTests - 1 {
		f.note(list[0], dns.RcodeServerFailure)
	}
	if got := f.list(); len(got) != 0 {
		t.Errorf("got %v after %d tests, want none", got, failedTests-1)
	}
	f.note(list[0], dns.RcodeNameError) // begins again
	for range failedTests {
		f.note(list[0], dns.RcodeServerFailure)
		f.note(list[1], dns.RcodeRefused)
	}
	if got := f.list(); len(got) != 2 || got[0].Rcode != "REFUSED" || got[1].Rcode != "SERVFAIL" {
		t.Errorf("got %v, want both servers, the stub server first", got)
	}
	f.keep(map[upstreams.Server]bool{list[1]: true})
	f.note(list[0], dns.RcodeServerFailure)
	f.note(list[0], dns.RcodeServerFailure)
	if got := f.list(); len(got) != 1 || got[0].Rcode != "REFUSED" {
		t.Errorf("got %v, want the server that is left", got)
	}
}
