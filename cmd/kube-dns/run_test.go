package main

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/config"
)

// A lateSource delivers its configuration some time after a query was sent.
type lateSource struct {
	sent   <-chan struct{}
	config config.Config
}

func (s lateSource) Run(ctx context.Context, apply func(config.Update)) error {
	<-s.sent
	time.Sleep(50 * time.Millisecond) // in which a server without a configuration would reply
	apply(config.Update{Config: s.config, Version: "1"})
	<-ctx.Done()
	return nil
}

// TestFirstQueryWaitsForConfiguration: a query that arrives before the configuration is not sent to
// the servers of resolv.conf.
func TestFirstQueryWaitsForConfiguration(t *testing.T) {
	server := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = dnstest.Records(t, "www.outside.example. 5 IN A 192.0.2.1")
		_ = w.WriteMsg(m)
	}))
	sent := make(chan struct{})
	p := newTestProcess(t, "--direct")
	p.inputs.config = lateSource{sent, config.Config{Upstreams: []config.Nameserver{{AddrPort: server.AddrPort()}}}}
	addr := netip.MustParseAddrPort(p.listeners.queries.Addr().String())
	runProcess(t, p)
	client, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	query, err := dnstest.Query("www.outside.example", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Write(query); err != nil {
		t.Fatal(err)
	}
	close(sent)
	_ = client.SetReadDeadline(time.Now().Add(10 * time.Second))
	buf := make([]byte, 512)
	n, err := client.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	reply := new(dns.Msg)
	if err := reply.Unpack(buf[:n]); err != nil {
		t.Fatal(err)
	}
	if want := "www.outside.example. 5 IN A 192.0.2.1"; dnstest.DiffRecords(t, want, reply.Answer) != "" {
		t.Errorf("got %v, want %s", reply, want)
	}
}
