package skydns_test

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// fake is a backend of a few names. Its fields must not change during queries.
type fake struct {
	status  backend.Status
	names   map[string][]backend.Record // by name without the zone; an empty list is NODATA
	reverse map[netip.Addr]string
	err     error
	panics  bool
}

func (f *fake) Status() backend.Status { return f.status }

func (f *fake) Records(_ context.Context, q backend.Query) (backend.Answer, error) {
	if f.panics {
		panic("a bug")
	}
	if f.err != nil {
		return backend.Answer{}, f.err
	}
	rs, ok := f.names[strings.TrimSuffix(q.Name, ".cluster.local.")]
	if !ok {
		return backend.Answer{}, backend.ErrNotFound
	}
	a := backend.Answer{}
	for _, r := range rs {
		if r.Type == q.Type || r.Type == backend.TypeCNAME {
			if a.Total++; len(a.Records) < q.Limit {
				a.Records = append(a.Records, r)
			}
		}
	}
	return a, nil
}

func (f *fake) ReverseRecords(addr netip.Addr) ([]backend.Record, error) {
	name, ok := f.reverse[addr]
	if !ok {
		return nil, backend.ErrNotFound
	}
	return []backend.Record{{Type: backend.TypePTR, TTL: 30, Host: name}}, nil
}

func (f *fake) ReverseBelow(prefix netip.Prefix) error {
	for addr := range f.reverse {
		if prefix.Contains(addr) {
			return nil
		}
	}
	return backend.ErrNotFound
}

func a(addr string) backend.Record {
	return backend.Record{Type: backend.TypeA, TTL: 30, Addr: netip.MustParseAddr(addr)}
}

func alias(host string) backend.Record {
	return backend.Record{Type: backend.TypeCNAME, TTL: 30, Host: host}
}

func srv(host string, port uint16, addrs ...string) backend.Record {
	r := backend.Record{Type: backend.TypeSRV, TTL: 30, Host: host, Port: port}
	for _, addr := range addrs {
		r.Addrs = append(r.Addrs, netip.MustParseAddr(addr))
	}
	return r
}

// newServer makes a server of cluster.local that does not run. By default it has no upstreams.
func newServer(t testing.TB, opts skydns.Options) *skydns.Server {
	t.Helper()
	opts.Domain = "cluster.local."
	if opts.Forwarder == nil {
		opts.Forwarder = newForwarder(t, netip.AddrPort{})
	}
	s, err := skydns.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// serve runs a server on a free port and returns its address.
func serve(t testing.TB, opts skydns.Options) string {
	t.Helper()
	s := newServer(t, opts)
	sockets, err := skydns.Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Run(ctx, sockets) }()
	t.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	return sockets.Addr().String()
}

// newForwarder returns a forwarder that is closed at the end of the test.
func newForwarder(t testing.TB, all netip.AddrPort) *upstream.Forwarder {
	t.Helper()
	f := upstream.New(all)
	t.Cleanup(f.Close)
	return f
}

// forwarderTo runs another server, and returns a forwarder to it.
func forwarderTo(t testing.TB, handler dns.HandlerFunc) *upstream.Forwarder {
	t.Helper()
	f := newForwarder(t, netip.AddrPort{})
	f.SetRoutes([]netip.AddrPort{dnstest.NewServer(t, handler).AddrPort()}, nil)
	return f
}

// answerWith makes a handler that answers every question with zone text.
func answerWith(t testing.TB, zone string) dns.HandlerFunc {
	rrs := dnstest.Records(t, zone)
	return func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = rrs
		_ = w.WriteMsg(m)
	}
}

func rcode(code int) dns.HandlerFunc {
	return func(w dns.ResponseWriter, q *dns.Msg) { _ = w.WriteMsg(new(dns.Msg).SetRcode(q, code)) }
}

// forward sends a query through f, over UDP or TCP.
func forward(ctx context.Context, f *upstream.Forwarder, query []byte, tcp bool) ([]byte, error) {
	if tcp {
		return f.ForwardTCP(ctx, query)
	}
	return forwardUDP(ctx, f, query)
}

func forwardUDP(ctx context.Context, f *upstream.Forwarder, query []byte) (reply []byte, err error) {
	done := make(chan struct{})
	f.ForwardUDP(query, func(r []byte, e error) {
		reply, err = bytes.Clone(r), e
		close(done)
	})
	select {
	case <-done:
		return reply, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
