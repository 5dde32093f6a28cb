package upstream

import (
	"bytes"
	"context"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/kube-dns/kube-dns/pkg/skydns/internal/wire"
)

// An exchanger sends queries to servers, and records their behaviour.
type exchanger struct {
	health healthTable
	udp    *mux
	pool   pool // of TCP connections
	// overTCP are the pending queries over TCP, so that equal queries are sent once.
	overTCP singleflight.Group
	secure  tlsTable
	probes  sync.WaitGroup // over TLS
}

// exchanged is the result of an exchange.
type exchanged struct {
	reply []byte
	err   error
}

// Malformed returns the number of unreadable replies, by reason: short, name or data.
func (x *exchanger) Malformed() map[string]uint64 { return x.udp.malformed.byReason() }

// exchange queries the servers over UDP, and over TCP if the reply is truncated. If one of them
// uses TLS, it queries all of them over connections.
func (x *exchanger) exchange(
	ctx context.Context, servers []netip.AddrPort, query []byte, until time.Time,
) ([]byte, error) {
	if x.secure.any(servers) {
		return x.exchangeTCP(ctx, servers, query)
	}
	reply, err := x.askUDP(ctx, servers, query, until)
	if err == nil && reply[2]&2 != 0 {
		return x.exchangeTCP(ctx, servers, query)
	}
	return reply, err
}

// askUDP is ask for callers that block.
func (x *exchanger) askUDP(
	ctx context.Context, servers []netip.AddrPort, query []byte, until time.Time,
) ([]byte, error) {
	results := make(chan exchanged, 1) // from done, which is called once
	done := func(reply []byte, err error) { results <- exchanged{bytes.Clone(reply), err} }
	x.udp.ask(servers, query, until, nil, done)
	select {
	case r := <-results:
		return r.reply, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// exchangeTCP queries the servers one after the other. Equal queries are sent once. A query that
// joined late, and got only the remaining time, is sent again.
func (x *exchanger) exchangeTCP(ctx context.Context, servers []netip.AddrPort, query []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	key := shareKey(servers, query)
	for {
		asked := false
		shared, err, _ := x.overTCP.Do(key, func() (any, error) {
			asked = true
			return x.roundsTCP(ctx, servers, query)
		})
		switch {
		case err == nil:
			reply := bytes.Clone(shared.([]byte))
			copy(reply, query[:2])
			return reply, nil
		case asked || ctx.Err() != nil:
			return nil, err
		}
	}
}

// probe sends a copy of a query to a server, if the server is valid. The reply only updates its
// health.
func (x *exchanger) probe(server netip.AddrPort, query []byte) {
	switch {
	case !server.IsValid():
	case x.secure.get(server) == nil:
		x.udp.probe(server, query)
	default:
		x.probes.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), tryTimeout) //nolint:forbidigo // it is bounded
			defer cancel()
			if _, err := x.pool.exchange(ctx, server, query, tryTimeout); err == nil {
				x.health.replied(server, 0)
			}
		})
	}
}

func (x *exchanger) roundsTCP(ctx context.Context, servers []netip.AddrPort, query []byte) ([]byte, error) {
	ordered, probe := x.health.order(servers, time.Now())
	x.probe(probe, query)
	p := plan{servers: ordered}
	for ctx.Err() == nil {
		i, ok := p.next()
		if !ok || p.n > len(ordered)+1 {
			break
		}
		until, _ := ctx.Deadline()
		share := time.Until(until) / time.Duration(max(1, len(ordered)-i))
		begin := time.Now()
		reply, err := x.pool.exchange(ctx, ordered[i], query, min(tryTimeout, share))
		if err != nil {
			x.health.failed(ordered[i])
			p.failed(i, err)
			continue
		}
		x.health.replied(ordered[i], 0)
		x.health.observe(ordered[i], time.Since(begin))
		if _, defect := wire.Check(reply); defect != wire.Sound {
			x.udp.malformed.count(defect)
			x.health.fault(ordered[i], Malformed)
			p.malformed(i, defect)
			continue
		}
		if p.accept(i, reply) {
			return reply, nil
		}
		x.health.fault(ordered[i], failureOf(reply))
	}
	return p.result()
}
