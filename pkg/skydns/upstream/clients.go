package upstream

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// ForwardUDP sends a client's query unchanged to its servers. It calls done once, immediately or
// later from another goroutine, with the unchanged reply, except for the ID, which is the query's.
// done must not panic, and the reply is valid until it returns.
func (f *Forwarder) ForwardUDP(query []byte, done func(reply []byte, err error)) {
	w := f.wayOf(query)
	f.send(w, query, time.Now().Add(exchangeTimeout), orStale(f.replies, w, query, done))
}

// send sends a query its way: over UDP, or over connections if one of its servers uses TLS. The
// cache stores the reply. done is called once, immediately or later by another goroutine.
func (f *Forwarder) send(w way, query []byte, until time.Time, done func(reply []byte, err error)) {
	kept := func(reply []byte) { keep(f.replies, w, query, reply) }
	if servers, ok := f.resolved(w); ok && !f.secure.any(servers) {
		f.udp.ask(servers, query, until, kept, done)
		return
	}
	background(&f.background, until, func(ctx context.Context) {
		servers := f.resolve(ctx, w)
		if f.secure.any(servers) {
			done(f.connect(ctx, w, servers, query))
			return
		}
		f.udp.ask(servers, query, until, kept, done)
	})
}

// connect sends a query to servers over connections. The cache stores the reply.
func (f *Forwarder) connect(ctx context.Context, w way, servers []netip.AddrPort, query []byte) ([]byte, error) {
	reply, err := f.exchangeTCP(ctx, servers, query)
	keep(f.replies, w, query, reply)
	return reply, err
}

// background calls work in a goroutine, with a deadline.
func background(running *sync.WaitGroup, until time.Time, work func(ctx context.Context)) {
	running.Go(func() {
		ctx, cancel := context.WithDeadline(context.Background(), until) //nolint:forbidigo // it is bounded
		defer cancel()
		work(ctx)
	})
}

// ForwardTCP sends a client's query unchanged to its servers, over TCP. It returns the unchanged
// reply, except for the ID, which is the query's.
func (f *Forwarder) ForwardTCP(ctx context.Context, query []byte) ([]byte, error) {
	w, result := f.wayOf(query), make(chan exchanged, 1)
	done := orStale(f.replies, w, query, func(reply []byte, err error) { result <- exchanged{reply, err} })
	f.background.Go(func() { done(f.connect(ctx, w, f.resolve(ctx, w), query)) })
	r := <-result
	return r.reply, r.err
}
