package sidecar_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

// nameserver starts a server that replies with the result of answer; nil means no reply.
func nameserver(t *testing.T, answer func(w dns.ResponseWriter, q *dns.Msg) *dns.Msg) *dnstest.Server {
	t.Helper()
	return dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		if m := answer(w, q); m != nil {
			_ = w.WriteMsg(m)
		}
	}))
}

// record answers a query of type SRV with one record.
func record(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Answer = []dns.RR{&dns.SRV{
		Hdr:    dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeSRV, Class: dns.ClassINET, Ttl: 30},
		Target: "a.test.",
	}}
	return m
}

func TestExchangeQuestion(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			questions := make(chan *dns.Msg, 1) // from the handler
			via := make(chan string, 1)         // from the handler
			server := nameserver(t, func(w dns.ResponseWriter, q *dns.Msg) *dns.Msg {
				questions <- q
				via <- w.LocalAddr().Network()
				return record(q)
			})
			prefix := map[string]string{"udp": "", "tcp": "tcp://"}[network]
			reply, rtt, err := sidecar.ExchangeOverNetwork(t.Context(), target(t, "a,"+prefix+server.Addr()+",web.test,5,SRV"))
			if err != nil {
				t.Fatal(err)
			}
			if len(reply.Answer) != 1 || rtt <= 0 {
				t.Errorf("got %d records after %v", len(reply.Answer), rtt)
			}
			if got := <-via; got != network {
				t.Errorf("asked over %s, want %s", got, network)
			}
			got := <-questions
			if opt := got.IsEdns0(); opt == nil || opt.UDPSize() != 1232 || opt.Version() != 0 {
				t.Errorf("OPT is %v, want version 0 and size 1232", opt)
			}
			want := dns.Question{Name: "web.test.", Qtype: dns.TypeSRV, Qclass: dns.ClassINET}
			if !got.RecursionDesired || len(got.Question) != 1 || got.Question[0] != want {
				t.Errorf("question is\n%s", got)
			}
		})
	}
}

// The reason of a SERVFAIL must survive the wire.
func TestExchangeExtendedError(t *testing.T) {
	server := nameserver(t, func(_ dns.ResponseWriter, q *dns.Msg) *dns.Msg {
		m := reply(dns.RcodeServerFailure, 0, waiting("services not listed"))
		m.Id, m.Question = q.Id, q.Question
		return m
	})
	reply, _, err := sidecar.ExchangeOverNetwork(t.Context(), target(t, "a,"+server.Addr()+",web.test,5,SRV"))
	if err != nil {
		t.Fatal(err)
	}
	options := reply.IsEdns0().Option
	if ede, ok := options[0].(*dns.EDNS0_EDE); !ok || *ede != *waiting("services not listed") {
		t.Errorf("options are %v", options)
	}
}

// A server from before EDNS replies to the OPT with FORMERR or NOTIMP. From a server with EDNS they
// are errors.
func TestExchangeWithoutEDNS(t *testing.T) {
	tests := []struct {
		name      string
		rcode     int
		opt       bool // the refusal carries an OPT
		wantRcode int
	}{
		{"FORMERR", dns.RcodeFormatError, false, dns.RcodeSuccess},
		{"NOTIMP", dns.RcodeNotImplemented, false, dns.RcodeSuccess},
		{"FORMERR with OPT", dns.RcodeFormatError, true, dns.RcodeFormatError},
		{"REFUSED", dns.RcodeRefused, false, dns.RcodeRefused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := nameserver(t, func(_ dns.ResponseWriter, q *dns.Msg) *dns.Msg {
				if q.IsEdns0() == nil {
					return record(q)
				}
				m := new(dns.Msg).SetRcode(q, tt.rcode)
				if tt.opt {
					m.SetEdns0(1232, false)
				}
				return m
			})
			reply, _, err := sidecar.ExchangeOverNetwork(t.Context(), target(t, "a,"+server.Addr()+",web.test,5,SRV"))
			if err != nil {
				t.Fatal(err)
			}
			if reply.Rcode != tt.wantRcode {
				t.Errorf("rcode is %s, want %s", dns.RcodeToString[reply.Rcode], dns.RcodeToString[tt.wantRcode])
			}
		})
	}
}

func TestExchangeRefusedConnection(t *testing.T) {
	addr := dnstest.FreeAddr(t).String()
	for _, server := range []string{addr, "tcp://" + addr} {
		if reply, _, err := sidecar.ExchangeOverNetwork(t.Context(), target(t, "a,"+server+",web.test")); err == nil {
			t.Errorf("%s: got\n%s\nfrom a closed port", server, reply)
		}
	}
}

// A stop does not wait for the timeout of a silent server.
func TestExchangeStops(t *testing.T) {
	silent, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1) // from the goroutine below
	go func() {
		_, _, err := sidecar.ExchangeOverNetwork(ctx, target(t, "a,"+silent.LocalAddr().String()+",web.test"))
		done <- err
	}()
	if _, _, err := silent.ReadFrom(make([]byte, 512)); err != nil {
		t.Fatal(err)
	}
	cancel()
	err = <-done
	if timeout, ok := errors.AsType[net.Error](err); err == nil || ok && timeout.Timeout() {
		t.Errorf("got %v, want the end of the connection before its timeout", err)
	}
}
