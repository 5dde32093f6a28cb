package skydns_test

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// hosts is a Backend over a map from names to addresses.
type hosts map[string]netip.Addr

func (hosts) Status() backend.Status { return backend.Ready }

func (h hosts) Records(_ context.Context, q backend.Query) (backend.Answer, error) {
	addr, ok := h[q.Name]
	switch {
	case !ok:
		return backend.Answer{}, backend.ErrNotFound
	case q.Type != backend.TypeA:
		return backend.Answer{}, nil // the name has no such records
	}
	record := backend.Record{Type: backend.TypeA, TTL: 30, Addr: addr}
	return backend.Answer{Records: []backend.Record{record}, Total: 1}, nil
}

func (hosts) ReverseRecords(netip.Addr) ([]backend.Record, error) {
	return nil, backend.ErrNotFound
}

func (hosts) ReverseBelow(netip.Prefix) error { return backend.ErrNotFound }

// A server answers from any Backend.
func Example() {
	forwarder := upstream.New(netip.AddrPort{}) // no upstreams
	defer forwarder.Close()
	server, err := skydns.New(skydns.Options{
		Domain:    "example.test.",
		Backend:   hosts{"www.example.test.": netip.MustParseAddr("192.0.2.1")},
		Forwarder: forwarder,
	})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	sockets, err := skydns.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	var running errgroup.Group
	running.Go(func() error { return server.Run(ctx, sockets) })

	for _, name := range []string{"www.example.test.", "mail.example.test."} {
		query := new(dns.Msg).SetQuestion(name, dns.TypeA)
		reply, err := dns.Exchange(query, sockets.Addr().String())
		if err != nil {
			panic(err)
		}
		fmt.Println(dns.RcodeToString[reply.Rcode], reply.Answer)
	}
	stop()
	fmt.Println(running.Wait())
	// Output:
	// NOERROR [www.example.test.	30	IN	A	192.0.2.1]
	// NXDOMAIN []
	// <nil>
}
