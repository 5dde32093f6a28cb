package sockets_test

import (
	"context"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/kube-dns/kube-dns/cmd/node-cache/sockets"
	"github.com/kube-dns/kube-dns/internal/dnstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answering is a server with one address. It calls wait before each reply.
func answering(t *testing.T, addr, ip string, wait func()) *dnsserver.Server {
	t.Helper()
	cfg := &dnsserver.Config{Zone: ".", Transport: "dns"}
	cfg.AddPlugin(func(plugin.Handler) plugin.Handler {
		return plugin.HandlerFunc(func(_ context.Context, w dns.ResponseWriter, q *dns.Msg) (int, error) {
			wait()
			m := new(dns.Msg).SetReply(q)
			m.Answer = dnstest.Records(t, q.Question[0].Name+" 5 A "+ip)
			return dns.RcodeSuccess, w.WriteMsg(m)
		})
	})
	server, err := dnsserver.NewServer("dns://"+addr, []*dnsserver.Config{cfg})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// A pending query gets the reply of the server that received it, over each transport. New queries
// get replies of the new server.
func TestUseWaitsForPending(t *testing.T) {
	for _, network := range []string{"tcp", "udp"} {
		t.Run(network, func(t *testing.T) {
			addr := dnstest.FreeAddr(t).String()
			set := sockets.New(sockets.NewMetrics(prometheus.NewRegistry()))
			t.Cleanup(func() { set.Close(context.Background()) })
			use := func(server *dnsserver.Server) {
				next, err := set.Prepare([]*dnsserver.Server{server})
				if err != nil {
					t.Error(err)
					return
				}
				next.Use()
			}
			asked, release := make(chan struct{}), make(chan struct{})
			use(answering(t, addr, "192.0.2.1", func() {
				asked <- struct{}{}
				<-release
			}))
			conn, err := dns.Dial(network, addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			query := dnstest.Query("name.example.", dns.TypeA)
			if err := conn.WriteMsg(query); err != nil {
				t.Fatal(err)
			}
			<-asked
			swapping, used := make(chan struct{}), make(chan struct{})
			second := answering(t, addr, "192.0.2.2", func() {})
			go func() {
				defer close(used)
				close(swapping)
				use(second)
			}()
			<-swapping
			go func() { // a query that is faster than the change
				for range asked {
				}
			}()
			for got := ""; got != "192.0.2.2"; {
				reply, err := dnstest.TryExchange(t.Context(), addr, query, network == "tcp")
				if err == nil {
					got = reply.Answer[0].(*dns.A).A.String()
				}
			}
			close(release)
			reply, err := conn.ReadMsg()
			if err != nil || reply.Answer[0].(*dns.A).A.String() != "192.0.2.1" {
				t.Errorf("got %v, %v", reply, err)
			}
			<-used
			close(asked)
		})
	}
}
