package upstream

import (
	"context"
	"sync"
	"time"
)

// ForwardUDP sends a client's query to its servers as it is. done is called once,
// immediately or later by another goroutine, with the reply as it came but for the ID,
// which is the query's. It must not panic, and the reply is valid until it returns.
func (f *Forwarder) ForwardUDP(query []byte, done func(reply []byte, err error)) {
	w := f.wayOf(query)
	f.send(w, query, time.Now().Add(exchangeTimeout), keeping(f.replies, w, query, done))
}

// send sends a query its way: over UDP, or over connections if one of its servers is a
// server over TLS. done is called once, immediately or later by another goroutine.
func (f *Forwarder) send(w way, query []byte, until time.Time, done func(reply []byte, err error)) {
	if servers, ok := f.resolved(w); ok && !f.secure.any(servers) {
		f.udp.ask(servers, query, until, done)
		return
	}
	background(&f.background, until, func(ctx context.Context) {
		servers := f.resolve(ctx, w)
		if f.secure.any(servers) {
			done(f.exchangeTCP(ctx, servers, query))
			return
		}
		f.udp.ask(servers, query, until, done)
	})
}

// background calls work in a goroutine, with a context that ends at a time.
func background(running *sync.WaitGroup, until time.Time, work func(ctx context.Context)) {
	running.Go(func() {
		ctx, cancel := context.WithDeadline(context.Background(), until) //nolint:forbidigo // it is bounded
		defer cancel()
		work(ctx)
	})
}

// ForwardTCP sends a client's query to its servers as it is, over TCP, and returns the reply
// as it came but for the ID, which is the query's.
func (f *Forwarder) ForwardTCP(ctx context.Context, query []byte) ([]byte, error) {
	w := f.wayOf(query)
	exchange := func() ([]byte, error) { return f.exchangeTCP(ctx, f.resolve(ctx, w), query) }
	q, ok := cacheable(f.replies, w, query)
	if !ok {
		return exchange()
	}
	stale := f.replies.Stale(q, time.Now())
	if stale == nil {
		reply, err := exchange()
		f.replies.Set(q, reply, time.Now())
		return reply, err
	}
	result := make(chan exchanged, 1)
	done := orStale(f.replies, q, stale, func(reply []byte, err error) { result <- exchanged{reply, err} })
	f.background.Go(func() { done(exchange()) })
	r := <-result
	return r.reply, r.err
}
