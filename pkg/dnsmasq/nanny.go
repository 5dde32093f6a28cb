package dnsmasq

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// A Nanny runs dnsmasq, keeps it running, and configures its servers from the configuration.
type Nanny struct {
	opts   Options
	status status
	// pings carries requests of Alive; the supervisor closes each.
	pings chan chan struct{}
}

// New returns a Nanny that has not started yet.
func New(opts Options) (*Nanny, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	if opts.NamePeriod <= 0 {
		opts.NamePeriod = defaultNamePeriod
	}
	if opts.LoopPeriod <= 0 {
		opts.LoopPeriod = loopPeriod
	}
	opts.Metrics = cmp.Or(opts.Metrics, NewMetrics(nil))
	opts.Log = cmp.Or(opts.Log, slog.New(slog.DiscardHandler))
	n := &Nanny{opts: opts, pings: make(chan chan struct{})}
	n.status.results = newResults(opts.Metrics, opts.Log)
	n.status.wait("waiting for the first configuration", time.Now())
	return n, nil
}

// Run runs dnsmasq until ctx is done, and returns nil after its exit. It returns an error, with
// dnsmasq's last lines, if dnsmasq cannot be started, refuses its configuration at startup, or
// exits five times within a minute. Call it only once.
func (n *Nanny) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	s := newSupervisor(ctx, n.opts, &n.status, n.pings, group)
	defer s.close()
	group.Go(func() error {
		return n.opts.Config.Run(ctx, func(u config.Update) { send(ctx, s.in.updates, u) })
	})
	group.Go(func() error {
		return followNames(ctx, s.in.resolver.Lookup, n.opts.NamePeriod, s.in.hosts, s.in.found)
	})
	if s.want.fromResolvConf && !s.life.cmd.NoPoll {
		group.Go(func() error { return s.in.resolvConf.follow(ctx, s.in.resolvLists, n.opts.Log) })
	}
	if s.want.loops != nil {
		group.Go(func() error { return s.want.loops.run(ctx, s.want.loopLists) })
	}
	if s.in.lastGood != nil {
		group.Go(func() error { return s.in.lastGood.Run(ctx) })
	}
	if n.opts.ReapOrphans {
		group.Go(func() error { return s.life.reaper.Run(ctx) })
	}
	group.Go(func() error { return s.run(ctx) }) // only this goroutine uses its state from here on
	return group.Wait()
}

// Alive returns an error if the nanny has not moved for two seconds. It does not depend on dnsmasq.
func (n *Nanny) Alive(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	ping := make(chan struct{})
	if send(ctx, n.pings, ping) {
		select {
		case <-ping:
			return "ok", nil
		case <-ctx.Done():
		}
	}
	return "", errors.New("the nanny is stuck")
}

// Ready returns "ok" while dnsmasq replies, else the reason as an error.
func (n *Nanny) Ready(context.Context) (string, error) {
	if why := n.status.reason(time.Now()); why != "" {
		return "", errors.New(why)
	}
	return "ok", nil
}

// State returns the state. Any goroutine may call it.
func (n *Nanny) State() State { return n.status.state() }
