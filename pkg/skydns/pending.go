package skydns

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/kube-dns/kube-dns/internal/shares"
)

// A response is the result for a packet: the reply, or the start of a pending query. If neither is
// set, no reply is due.
type response struct {
	reply []byte
	// start starts to complete the reply in the background and returns. It calls send once,
	// immediately or later, with a reply that is valid until send returns.
	start func(send func(reply []byte))
	// wildcard marks a pending query that can visit every Service.
	wildcard bool
}

// A backlog limits the pending queries, in total and per client.
type backlog struct {
	forwards  *shares.Shares
	wildcards *shares.Shares
	running   sync.WaitGroup
}

// begin starts a pending query. If too many are pending, it does nothing and returns false.
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

// background returns the start of a pending query that f completes. The context of f ends after
// pendingTimeout, not when the server stops.
func (b *backlog) background(f func(ctx context.Context, send func(reply []byte))) func(send func(reply []byte)) {
	return func(send func(reply []byte)) {
		b.running.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), pendingTimeout) //nolint:forbidigo // see above
			defer cancel()
			f(ctx, send)
		})
	}
}

// pendingTimeout limits the time of a pending query. Clients give up after 5 s: a reply at that
// moment is lost.
const pendingTimeout = 4200 * time.Millisecond
