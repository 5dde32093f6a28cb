package agent

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/cmd/node-cache/hostnet"
	"github.com/kube-dns/kube-dns/internal/pause"
)

const (
	selfTimeout = time.Second
	selfPause   = 200 * time.Millisecond
	maxSilent   = 3               // unanswered own queries in a row before the rules are removed
	firstAnswer = 5 * time.Second // upper bound of the wait before the first rules
)

// A watch probes our own addresses.
type watch struct {
	addrs   []netip.AddrPort
	metrics *Metrics

	silent  int // consecutive rounds with a silent address
	serving atomic.Bool
	alive   atomic.Bool // the last round got all replies
}

func newWatch(addrs []netip.AddrPort, m *Metrics) *watch {
	for _, addr := range addrs {
		m.setServing(addr.Addr(), false)
	}
	return &watch{addrs: addrs, metrics: m}
}

// ask sends a query to each address at once and reports whether all were answered. Its opcode is
// STATUS: the server itself replies NOTIMP, independent of the Corefile, without an upstream.
func (w *watch) ask(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, selfTimeout)
	defer cancel()
	own := make([]netip.Addr, len(w.addrs))
	for i, addr := range w.addrs {
		own[i] = addr.Addr()
	}
	var missing atomic.Int32
	var asking sync.WaitGroup
	for _, addr := range w.addrs {
		asking.Go(func() {
			source := hostnet.SelfSource(own, addr.Addr())
			// In a pod network, the addresses are not on its links. The server then listens on all
			// addresses.
			if !isLocal(addr.Addr()) {
				source = loopback(addr.Addr())
				addr = netip.AddrPortFrom(source, addr.Port())
			}
			if !answers(ctx, source, addr) {
				missing.Add(1)
			}
		})
	}
	asking.Wait()
	w.alive.Store(missing.Load() == 0)
	return w.alive.Load()
}

// answers reports whether a server replies to a query from source.
func answers(ctx context.Context, source netip.Addr, server netip.AddrPort) bool {
	query := new(dns.Msg).SetQuestion(".", dns.TypeSOA)
	query.Opcode = dns.OpcodeStatus
	local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(source, 0))
	client := dns.Client{Timeout: selfTimeout, Dialer: &net.Dialer{LocalAddr: local}}
	_, _, err := client.ExchangeContext(ctx, query, server.String())
	return err == nil
}

// loopback returns the loopback address of the same family.
func loopback(addr netip.Addr) netip.Addr {
	if addr.Is4() {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	return netip.IPv6Loopback()
}

// isLocal reports whether a link has the address.
func isLocal(addr netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	return err != nil || slices.ContainsFunc(addrs, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr() == addr
	})
}

// set records whether the rules are in place.
func (w *watch) set(serving bool) {
	w.serving.Store(serving)
	for _, addr := range w.addrs {
		w.metrics.setServing(addr.Addr(), serving)
	}
}

// await waits until the cluster upstream has answered for zone through our own server, or for
// firstAnswer. Without a zone it does not wait.
func (w *watch) await(ctx context.Context, zone string) {
	if zone == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, firstAnswer)
	defer cancel()
	client := dns.Client{Timeout: firstAnswer}
	for ctx.Err() == nil {
		query := new(dns.Msg).SetQuestion("kubernetes.default.svc."+zone, dns.TypeA)
		reply, _, err := client.ExchangeContext(ctx, query, w.addrs[0].String())
		if err == nil && reply.Rcode != dns.RcodeServerFailure {
			return
		}
		pause.For(ctx, selfPause)
	}
}
