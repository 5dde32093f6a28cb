package plugins

import (
	"context"
	"net"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
)

// A writer is the writer of a query from an address.
type writer struct {
	dns.ResponseWriter
	from string
}

func (w writer) LocalAddr() net.Addr  { return &net.UDPAddr{IP: net.IPv4(169, 254, 20, 10), Port: 53} }
func (w writer) RemoteAddr() net.Addr { return &net.UDPAddr{IP: net.ParseIP(w.from), Port: 4242} }

// TestClients: a client has half of the pending queries of all forwards of a zone. Other clients,
// and the node itself, are not refused.
func TestClients(t *testing.T) {
	c := caddy.NewTestController("dns", "clients 4\nclients 2\n")
	if err := setupClients(c, NewMetrics(prometheus.NewRegistry())); err != nil {
		t.Fatal(err)
	}
	arrived, release := make(chan struct{}), make(chan struct{})
	slow := func(context.Context, dns.ResponseWriter, *dns.Msg) (int, error) {
		arrived <- struct{}{}
		<-release
		return dns.RcodeSuccess, nil
	}
	handler := dnsserver.GetConfig(c).Plugin[0](plugin.HandlerFunc(slow))
	replies := make(chan int)
	ask := func(from string) {
		rcode, _ := handler.ServeDNS(t.Context(), writer{from: from}, new(dns.Msg))
		replies <- rcode
	}
	pending := 0
	for _, from := range []string{"10.0.0.1", "2001:db8::1", "2001:db8::2"} {
		for range 3 {
			go ask(from)
			<-arrived
			pending++
		}
		go ask(from)
		if rcode := <-replies; rcode != dns.RcodeRefused {
			t.Errorf("%s has more than half: got %s", from, dns.RcodeToString[rcode])
		}
	}
	for _, from := range []string{"127.0.0.1", "169.254.20.10"} {
		for range 7 {
			go ask(from)
			<-arrived
			pending++
		}
	}
	close(release)
	for range pending {
		if rcode := <-replies; rcode != dns.RcodeSuccess {
			t.Errorf("got %s", dns.RcodeToString[rcode])
		}
	}
	go ask("10.0.0.1")
	<-arrived
	if rcode := <-replies; rcode != dns.RcodeSuccess {
		t.Errorf("a client that has its replies: got %s", dns.RcodeToString[rcode])
	}
}
