package dnstest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"go.uber.org/goleak"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers every question with one TXT record that names the transport.
func echo(w dns.ResponseWriter, query *dns.Msg) {
	reply := new(dns.Msg).SetReply(query)
	reply.Answer = append(reply.Answer, &dns.TXT{
		Hdr: dns.RR_Header{Name: query.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 30},
		Txt: []string{w.RemoteAddr().Network()},
	})
	_ = w.WriteMsg(reply)
}

func TestServerAnswersOnBothTransports(t *testing.T) {
	server := dnstest.NewServer(t, dns.HandlerFunc(echo))
	for transport, tcp := range map[string]bool{"udp": false, "tcp": true} {
		t.Run(transport, func(t *testing.T) {
			reply := dnstest.Exchange(t, server.Addr(), dnstest.Query("WEB.test", dns.TypeTXT), tcp)
			want := "WEB.test. 30 IN TXT \"" + transport + "\"\n"
			if diff := cmp.Diff(want, dnstest.Text(reply.Answer)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestServerCloseAndReopen(t *testing.T) {
	server := dnstest.NewServer(t, dns.HandlerFunc(echo))
	addr := server.AddrPort()
	conn, err := net.Dial("tcp", addr.String()) // an idle connection must not hold the stop up
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	dnstest.Exchange(t, server.Addr(), dnstest.Query("a.test", dns.TypeTXT), true)
	server.Close()
	for _, tcp := range []bool{false, true} {
		if reply, err := dnstest.TryExchange(t.Context(), addr.String(), dnstest.Query("a.test", dns.TypeTXT),
			tcp); err == nil {
			t.Errorf("a closed server answered:\n%s", reply)
		}
	}
	again := dnstest.NewServerAt(t, addr, dns.HandlerFunc(echo))
	dnstest.Exchange(t, again.Addr(), dnstest.Query("a.test", dns.TypeTXT), false)
	server.Close() // twice is harmless
}

func TestFreeAddr(t *testing.T) {
	addr := dnstest.FreeAddr(t)
	server := dnstest.NewServerAt(t, addr, dns.HandlerFunc(echo))
	if got := server.AddrPort(); got != addr {
		t.Errorf("server is at %s, want %s", got, addr)
	}
}

func TestTryExchangeRefusesOtherReplies(t *testing.T) {
	tests := map[string]func(reply *dns.Msg){
		"other question":    func(m *dns.Msg) { m.Question[0].Name = "b.test." },
		"other letter case": func(m *dns.Msg) { m.Question[0].Name = "A.test." },
		"no question":       func(m *dns.Msg) { m.Question = nil },
		"other ID":          func(m *dns.Msg) { m.Id++ },
		"a query":           func(m *dns.Msg) { m.Response = false },
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			server := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
				reply := new(dns.Msg).SetReply(query)
				change(reply)
				_ = w.WriteMsg(reply)
			}))
			if reply, err := dnstest.TryExchange(t.Context(), server.Addr(), dnstest.Query("a.test", dns.TypeA),
				false); err == nil {
				t.Errorf("accepted:\n%s", reply)
			}
		})
	}
}

func TestTryExchangeEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := dnstest.NewServer(t, dns.HandlerFunc(func(dns.ResponseWriter, *dns.Msg) { cancel() })) // never answers
	if reply, err := dnstest.TryExchange(ctx, server.Addr(), dnstest.Query("a.test", dns.TypeA), false); err == nil {
		t.Errorf("got a reply:\n%s", reply)
	}
}

func TestLargeReplyIsReadWhole(t *testing.T) {
	const n = 200 // about 3 kB, far above the 512 bytes a plain query allows
	server := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply := new(dns.Msg).SetReply(query)
		reply.Compress = true
		for i := range n {
			reply.Answer = append(reply.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: query.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET},
				A:   net.IPv4(10, 0, 0, byte(i)),
			})
		}
		_ = w.WriteMsg(reply)
	}))
	reply := dnstest.Exchange(t, server.Addr(), dnstest.Query("a.test", dns.TypeA), false)
	if got := len(reply.Answer); got != n {
		t.Errorf("got %d records, want %d", got, n)
	}
}

func TestRecordsAndText(t *testing.T) {
	const zone = `
; a comment
web.test 30 IN A 10.0.0.1
_http._tcp.web.test.   30 IN SRV 10 50 80 Web.test
web.test TXT "two words" more
web.test 0 IN A 10.0.0.2
`
	const want = `web.test. 30 IN A 10.0.0.1
_http._tcp.web.test. 30 IN SRV 10 50 80 Web.test.
web.test. 30 IN TXT "two words" "more"
web.test. 0 IN A 10.0.0.2
`
	if diff := cmp.Diff(want, dnstest.Text(dnstest.Records(t, zone))); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestDiffRecords(t *testing.T) {
	const zone = "a.test. 30 IN A 10.0.0.1\na.test. 30 IN A 10.0.0.2\n"
	tests := map[string]struct {
		got  string
		same bool
	}{
		"equal":             {zone, true},
		"other order":       {"a.test. 30 IN A 10.0.0.2\na.test. 30 IN A 10.0.0.1\n", true},
		"one missing":       {"a.test. 30 IN A 10.0.0.1\n", false},
		"one too many":      {zone + "a.test. 30 IN A 10.0.0.2\n", false},
		"other TTL":         {"a.test. 30 IN A 10.0.0.1\na.test. 31 IN A 10.0.0.2\n", false},
		"other letter case": {"A.test. 30 IN A 10.0.0.1\na.test. 30 IN A 10.0.0.2\n", false},
		"nothing":           {"", false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			diff := dnstest.DiffRecords(t, zone, dnstest.Records(t, tt.got))
			if same := diff == ""; same != tt.same {
				t.Errorf("same = %v, want %v:\n%s", same, tt.same, diff)
			}
		})
	}
	if diff := dnstest.DiffRecords(t, "", nil); diff != "" {
		t.Errorf("nothing differs from nothing:\n%s", diff)
	}
}

func TestMessageText(t *testing.T) {
	reply := new(dns.Msg).SetReply(dnstest.Query("web.test", dns.TypeSRV))
	reply.Authoritative, reply.RecursionAvailable, reply.Rcode = true, true, dns.RcodeNameError
	reply.Answer = dnstest.Records(t, "web.test 30 SRV 10 50 80 a.test")
	reply.Ns = dnstest.Records(t, "test 60 SOA ns.test root.test 1 2 3 4 60")
	reply.SetEdns0(1232, true)
	reply.IsEdns0().Option = []dns.EDNS0{
		&dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeNotReady, ExtraText: "no data"},
		&dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "24a5ac"},
	}
	reply.Extra = append(reply.Extra, dnstest.Records(t, "a.test 30 A 10.0.0.1")...)
	const want = `NXDOMAIN aa rd ra
answer:
web.test. 30 IN SRV 10 50 80 a.test.
authority:
test. 60 IN SOA ns.test. root.test. 1 2 3 4 60
additional:
a.test. 30 IN A 10.0.0.1
opt: version 0 size 1232 do
extended error: 14 "no data"
option 10: 24a5ac
`
	if diff := cmp.Diff(want, dnstest.MessageText(reply)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}

func TestMessageTextRcodes(t *testing.T) {
	for rcode, want := range map[int]string{0: "NOERROR\n", 2: "SERVFAIL\n", 16: "BADVERS\n", 3000: "RCODE3000\n"} {
		if got := dnstest.MessageText(&dns.Msg{MsgHdr: dns.MsgHdr{Rcode: rcode}}); got != want {
			t.Errorf("rcode %d = %q, want %q", rcode, got, want)
		}
	}
}

// A fatalCall is a testing.TB that records the failure of a helper.
type fatalCall struct {
	testing.TB
	message string
}

func (f *fatalCall) Helper()                           {}
func (f *fatalCall) Fatal(args ...any)                 { f.message = args[0].(error).Error(); panic(f) }
func (f *fatalCall) Fatalf(format string, args ...any) { panic(f) }

func TestBadZoneTextFailsTheTest(t *testing.T) {
	fake := &fatalCall{TB: t}
	func() {
		defer func() { _ = recover() }()
		dnstest.Records(fake, "web.test 30 IN A not-an-address")
	}()
	if !strings.Contains(fake.message, "not-an-address") {
		t.Errorf("failure = %q, want it to quote the bad field", fake.message)
	}
}

// A client that trusts the server's certificate gets replies under its name and its address.
func TestTLSServer(t *testing.T) {
	server, root := dnstest.NewTLSServer(t, "dns.example.com", dns.HandlerFunc(echo))
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		t.Fatalf("no certificate:\n%s", root)
	}
	for name, trusted := range map[string]bool{"dns.example.com": true, "127.0.0.1": true, "other.example.com": false} {
		client := &dns.Client{Net: "tcp-tls", TLSConfig: &tls.Config{ServerName: name, RootCAs: roots,
			MinVersion: tls.VersionTLS12}}
		reply, _, err := client.ExchangeContext(t.Context(), dnstest.Query("www.example.com", dns.TypeA), server.Addr())
		if trusted != (err == nil) || trusted && !reply.Response {
			t.Errorf("%s: %v, %v", name, reply, err)
		}
	}
}
