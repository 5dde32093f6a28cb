package upstream

import (
	"context"
	"time"
)

// ForwardUDP sends a client's query to its servers as it is. done is called once,
// immediately or later by another goroutine, with the reply as it came but for the ID,
// which is the query's. It must not panic, and the reply is valid until it returns.
func (f *Forwarder) ForwardUDP(query []byte, done func(reply []byte, err error)) {
	w := f.wayOf(query)
	done = f.keeping(w, query, done)
	until := time.Now().Add(exchangeTimeout)
	if servers, ok := f.resolved(w); ok && !f.secure.any(servers) {
		f.udp.ask(servers, query, until, done)
		return
	}
	f.background.Go(func() {
		ctx, cancel := context.WithDeadline(context.Background(), until) //nolint:forbidigo // it is bounded
		defer cancel()
		servers := f.resolve(ctx, w)
		if f.secure.any(servers) {
			done(f.exchangeTCP(ctx, servers, query))
			return
		}
		f.udp.ask(servers, query, until, done)
	})
}

// ForwardTCP sends a client's query to its servers as it is, over TCP, and returns the reply
// as it came but for the ID, which is the query's.
func (f *Forwarder) ForwardTCP(ctx context.Context, query []byte) ([]byte, error) {
	w := f.wayOf(query)
	return f.waitFor(w, query, func() ([]byte, error) { return f.exchangeTCP(ctx, f.resolve(ctx, w), query) })
}
