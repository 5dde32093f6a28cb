package sidecar_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

// A probe repeats a query and reports the state of its server over HTTP. Options
// without Exchange send the query over the network.
func Example() {
	target, err := sidecar.ParseTarget("kubedns,127.0.0.1:10053,kubernetes.default.svc.cluster.local,5,A")
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	server := sidecar.New(sidecar.Options{
		Targets: []sidecar.Target{target},
		Exchange: func(_ context.Context, t sidecar.Target) (*dns.Msg, time.Duration, error) {
			query := new(dns.Msg).SetQuestion(t.Name, dns.TypeA)
			answer, err := dns.NewRR(t.Name + " 30 IN A 10.96.0.1")
			reply := new(dns.Msg).SetReply(query)
			reply.Answer = []dns.RR{answer}
			return reply, time.Millisecond, err
		},
		Metrics: sidecar.NewMetrics(nil, ""),
		Log:     slog.New(slog.DiscardHandler),
	})
	var running errgroup.Group
	running.Go(func() error { return server.Run(ctx) })

	request := httptest.NewRequestWithContext(ctx, "GET", "/healthcheck/kubedns", nil)
	w := httptest.NewRecorder()
	for server.ServeHTTP(w, request); w.Code == http.StatusServiceUnavailable; server.ServeHTTP(w, request) {
		w = httptest.NewRecorder() // the probe is pending
		runtime.Gosched()
	}
	fmt.Println(w.Code)
	stop()
	fmt.Println(running.Wait())
	// Output:
	// 200
	// <nil>
}
