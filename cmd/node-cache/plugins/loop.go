package plugins

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/pause"
)

const (
	probeTimeout  = 2 * time.Second
	probeInterval = time.Second      // until the first reply
	probeAgain    = 30 * time.Second // while a zone is a loop
	maxProbes     = 30               // without a reply
	enoughReplies = 2                // consecutive replies without a loop
)

// A loop detects a zone that is forwarded back to us. It sends a query with a unique name, and
// counts how often that query arrives. While the zone is a loop, it answers SERVFAIL.
type loop struct {
	next    plugin.Handler
	zone    string
	addr    string // of our own server
	metrics *Metrics

	probe  atomic.Pointer[probe]
	looped atomic.Bool
}

// A probe is a name that was sent once, with the number of its arrivals.
type probe struct {
	name string
	seen atomic.Int32
}

// back reports whether the probe arrived repeatedly.
func (p *probe) back() bool { return p.seen.Load() > 2 }

func setupLoop(c *caddy.Controller, m *Metrics) error {
	for c.Next() {
		if c.NextArg() {
			return plugin.Error("loop", c.ArgErr())
		}
	}
	cfg := dnsserver.GetConfig(c)
	l := &loop{zone: cfg.Zone, metrics: m}
	add(c, func(next plugin.Handler) plugin.Handler {
		l.next = next
		return l
	})
	var stop context.CancelFunc
	var running sync.WaitGroup
	c.OnStartup(func() error {
		l.addr = ownAddress(cfg.ListenHosts, cfg.Port) // bind has filled the list before
		var ctx context.Context
		ctx, stop = context.WithCancel(context.Background()) //nolint:forbidigo // CoreDNS's callbacks have no context
		running.Go(func() { l.run(ctx) })
		return nil
	})
	c.OnShutdown(func() error {
		if stop != nil {
			stop()
			running.Wait()
		}
		return nil
	})
	return nil
}

// ownAddress returns an address of our own server.
func ownAddress(hosts []string, port string) string {
	host := ""
	if len(hosts) > 0 {
		host = hosts[0]
	}
	if addr, err := netip.ParseAddr(host); host == "" || err == nil && addr.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

// Name implements plugin.Handler.
func (*loop) Name() string { return "loop" }

// ServeDNS implements plugin.Handler.
func (l *loop) ServeDNS(ctx context.Context, w dns.ResponseWriter, query *dns.Msg) (int, error) {
	if p := l.probe.Load(); p != nil && len(query.Question) == 1 && strings.EqualFold(query.Question[0].Name, p.name) {
		p.seen.Add(1)
		if p.back() {
			l.found(w)
			return fail(w, query, dns.ExtendedErrorCodeNoReachableAuthority, "the query came back")
		}
	} else if l.looped.Load() {
		return fail(w, query, dns.ExtendedErrorCodeNoReachableAuthority, "the upstream of "+l.zone+" leads back here")
	}
	return plugin.NextOrFailure(l.Name(), l.next, ctx, w, query)
}

// found records a loop, and logs the first.
func (l *loop) found(w dns.ResponseWriter) {
	if l.looped.Swap(true) {
		return
	}
	l.metrics.setLoop(l, 1)
	clog.NewWithPlugin("loop").Errorf("Loop (%s -> %s) detected for zone %q: it answers SERVFAIL until its "+
		"upstream changes", w.RemoteAddr(), l.addr, l.zone)
}

// run sends probes until two in a row are answered, and while the zone is a loop. The first probe
// of a loop can still reach the server of the previous Corefile.
func (l *loop) run(ctx context.Context) {
	defer l.metrics.endLoop(l)
	replies := 0
	for round := 0; ctx.Err() == nil; round++ {
		looped, answered := l.ask(ctx)
		switch {
		case answered && !looped:
			if l.looped.Swap(false) {
				l.metrics.setLoop(l, 0)
				clog.NewWithPlugin("loop").Infof("zone %q is no longer a loop", l.zone)
			}
			if replies++; replies == enoughReplies {
				return
			}
			pause.For(ctx, probeInterval)
		case looped:
			replies = 0
			pause.For(ctx, probeAgain)
		case round >= maxProbes && !l.looped.Load():
			return
		default:
			replies = 0
			pause.For(ctx, probeInterval)
		}
	}
}

// ask sends one probe. Answered is false without a reply, and if the probe did not arrive here:
// during a reload the previous server also replies.
func (l *loop) ask(ctx context.Context) (looped, answered bool) {
	p := &probe{name: probeName(l.zone)}
	l.probe.Store(p)
	defer l.probe.Store(nil)
	client := dns.Client{Timeout: probeTimeout}
	conn, err := client.DialContext(ctx, l.addr)
	if err != nil {
		return false, false
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })() // do not wait for the reply on stop
	_, _, err = client.ExchangeWithConn(new(dns.Msg).SetQuestion(p.name, dns.TypeHINFO), conn)
	return p.back(), err == nil && p.seen.Load() > 0
}

// probeName returns an unguessable name in zone.
func probeName(zone string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return dns.Fqdn(fmt.Sprintf("%x.%x.%s", b[:8], b[8:], strings.TrimPrefix(zone, ".")))
}
