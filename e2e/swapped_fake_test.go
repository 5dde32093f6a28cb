package e2e

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"
)

// A stockFake replies like upstream's kube-dns: REFUSED to everything until it has its data, no
// EDNS, NXDOMAIN without AA and RA, and in class CHAOS only its version.
type stockFake struct {
	addr   string
	synced atomic.Bool
}

// stockRecords are its records, by name and type.
var stockRecords = map[string]string{
	"kubernetes.default.svc.cluster.local. A": "30 IN A 10.96.0.1",
	"kubernetes.default.svc.cluster.local. SRV": "30 IN SRV 10 100 0 " +
		"3730373435633866.kubernetes.default.svc.cluster.local.",
	"1.0.96.10.in-addr.arpa. PTR":  "30 IN PTR kubernetes.default.svc.cluster.local.",
	"ns.corp.svc.cluster.local. A": "30 IN A 127.0.0.99",
}

// startStockFake runs a stockFake without data at a free loopback port for the duration of the
// test.
func startStockFake(t *testing.T) *stockFake {
	t.Helper()
	s := &stockFake{addr: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
	udp, err := net.ListenPacket("udp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	tcp, err := net.Listen("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	servers := []*dns.Server{{PacketConn: udp, Handler: s}, {Listener: tcp, Handler: s}}
	var serving sync.WaitGroup
	for _, server := range servers {
		started := make(chan struct{}) // closed by the server
		server.NotifyStartedFunc = func() { close(started) }
		serving.Go(func() { _ = server.ActivateAndServe() }) // returns on Shutdown
		<-started
	}
	t.Cleanup(func() {
		for _, server := range servers {
			if err := server.Shutdown(); err != nil {
				t.Errorf("stop the stand-in for upstream's kube-dns: %v", err)
			}
		}
		serving.Wait()
	})
	return s
}

// ServeDNS implements dns.Handler.
func (s *stockFake) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	q := query.Question[0]
	reply := new(dns.Msg).SetReply(query)
	switch {
	case !s.synced.Load() || q.Qtype == dns.TypeANY:
		reply.Rcode, reply.RecursionDesired = dns.RcodeRefused, false
	case q.Qclass == dns.ClassCHAOS:
		reply.Rcode = dns.RcodeServerFailure
		if q.Qtype == dns.TypeTXT && strings.EqualFold(q.Name, "version.bind.") {
			reply.Rcode, reply.Authoritative, reply.RecursionAvailable = dns.RcodeSuccess, true, true
			reply.Answer = []dns.RR{&dns.TXT{
				Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeTXT, Class: dns.ClassCHAOS}, Txt: []string{"2.5.3a"},
			}}
		}
	default:
		s.answer(reply, q)
	}
	// A disconnected client needs no reply.
	_ = w.WriteMsg(reply)
}

// answer looks a question up, and adds the SOA to a negative reply.
func (s *stockFake) answer(reply *dns.Msg, q dns.Question) {
	name := strings.ToLower(q.Name)
	if rdata, ok := stockRecords[name+" "+dns.TypeToString[q.Qtype]]; ok {
		if rr, err := dns.NewRR(q.Name + " " + rdata); err == nil {
			reply.Answer = []dns.RR{rr}
		}
		reply.Authoritative, reply.RecursionAvailable = q.Qtype != dns.TypePTR, true
		return
	}
	reply.Rcode = dns.RcodeNameError
	for owner := range stockRecords {
		if strings.HasPrefix(owner, name+" ") {
			reply.Rcode, reply.Authoritative, reply.RecursionAvailable = dns.RcodeSuccess, true, true
		}
	}
	if soa, err := dns.NewRR("cluster.local. 60 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 28800 7200 " +
		"604800 60"); err == nil {
		reply.Ns = []dns.RR{soa}
	}
}
