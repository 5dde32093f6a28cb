package main

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kube-dns/kube-dns/internal/clitest"
	"github.com/kube-dns/kube-dns/internal/dnstest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sidecar": main})
}

// TestScripts runs the stories in testdata against the real command. They use these variables:
//
//   - DNS and DNSPORT: a name server, see [answer]
//   - CLOSED: an address without a listener
//   - HTTP and HTTPPORT: a free address for the sidecar
func TestScripts(t *testing.T) {
	server := dnstest.NewServer(t, dns.HandlerFunc(answer))
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			http := dnstest.FreeAddr(t)
			env.Setenv("DNS", server.Addr())
			env.Setenv("DNSPORT", strconv.Itoa(int(server.AddrPort().Port())))
			env.Setenv("CLOSED", dnstest.FreeAddr(t).String())
			env.Setenv("HTTP", http.String())
			env.Setenv("HTTPPORT", strconv.Itoa(int(http.Port())))
			return nil
		},
		Cmds: clitest.Commands(testdata),
	})
}

// answer plays kube-dns and dnsmasq. Every name has an SRV record, except names that start with
// waiting (no data yet), broken (SERVFAIL) and silent. It also serves dnsmasq's counters.
func answer(w dns.ResponseWriter, q *dns.Msg) {
	name := q.Question[0].Name
	m := new(dns.Msg).SetReply(q)
	switch label, _, _ := strings.Cut(name, "."); {
	case q.Question[0].Qclass == dns.ClassCHAOS:
		m.Answer = append(m.Answer, &dns.TXT{
			Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassCHAOS},
			Txt: []string{map[string]string{
				"hits": "11", "misses": "22", "evictions": "33", "insertions": "44", "cachesize": "1000",
				"servers": "192.0.2.1#53 7 1",
			}[label]},
		})
	case label == "silent":
		return
	case label == "broken":
		m.Rcode = dns.RcodeServerFailure
	case label == "waiting":
		m.Rcode = dns.RcodeServerFailure
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeNotReady})
	default:
		m.Answer = append(m.Answer, &dns.SRV{
			Hdr:    dns.RR_Header{Name: name, Rrtype: dns.TypeSRV, Class: dns.ClassINET, Ttl: 30},
			Target: "a." + name,
		})
	}
	_ = w.WriteMsg(m)
}
