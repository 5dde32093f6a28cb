package skydns

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/kube-dns/kube-dns/internal/shares"
)

// A response is what the server has for a packet: the reply, or the start of a
// pending query. With neither no reply is due.
type response struct {
	reply []byte
	// start begins to complete the reply in the background and returns. It calls send
	// once, at once or later, with a reply that is valid until send returns.
	start func(send func(reply []byte))
	// wildcard marks a pending query that may visit every Service.
	wildcard bool
}

// A backlog bounds the pending queries, of all clients and of each one.
type backlog struct {
	forwards  *shares.Shares
	wildcards *shares.Shares
	running   sync.WaitGroup
}

// begin starts a pending query. It returns false, and has done nothing, when too many
// are pending.
func (b *backlog) begin(from netip.Addr, resp response, send func(reply []byte)) bool {
	if resp.wildcard && !b.wildcards.Take(from, 1) {
		return false
	}
	done := func() {
		if resp.wildcard {
			b.wildcards.Give(from, 1)
		}
	}
	if !b.forwards.Take(from, 1) {
		done()
		return false
	}
	b.running.Add(1)
	resp.start(func(reply []byte) {
		defer b.running.Done()
		defer done()
		defer b.forwards.Give(from, 1)
		send(reply)
	})
	return true
}

// background returns the start of a pending query whose reply f waits for. It stops
// waiting after pendingTimeout, not when the server stops.
func (b *backlog) background(f func(ctx context.Context, send func(reply []byte))) func(send func(reply []byte)) {
	return func(send func(reply []byte)) {
		b.running.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), pendingTimeout) //nolint:forbidigo // see above
			defer cancel()
			f(ctx, send)
		})
	}
}

// pendingTimeout is how long a query may be pending. Clients give up after 5 s: a
// reply at that moment is lost.
const pendingTimeout = 4200 * time.Millisecond
