package dnsmasq

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// A Nanny runs dnsmasq, keeps it running, and gives it the servers that the
// configuration asks for.
type Nanny struct {
	opts   Options
	status status
	// pings carries requests of Alive; the supervisor closes each.
	pings chan chan struct{}
}

// New returns a Nanny that has not started anything yet.
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
	if opts.Metrics == nil {
		opts.Metrics = NewMetrics(nil)
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	n := &Nanny{opts: opts, pings: make(chan chan struct{})}
	n.status.wait("waiting for the first configuration", time.Now())
	return n, nil
}

// Run runs dnsmasq until ctx is done, and returns nil when it has ended. It
// returns an error, with dnsmasq's last lines, when dnsmasq cannot be started,
// refuses its configuration at the start, or ends five times within a minute.
// It can be called once.
func (n *Nanny) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	s := newSupervisor(ctx, n, group)
	defer s.close()
	group.Go(func() error {
		return n.opts.Config.Run(ctx, func(u config.Update) { send(ctx, s.updates, u) })
	})
	group.Go(func() error { return followNames(ctx, s.resolver.Lookup, n.opts.NamePeriod, s.hosts, s.found) })
	if s.followsResolvConf() && !s.cmd.NoPoll {
		group.Go(func() error { return s.resolvConf.follow(ctx, s.resolvLists, n.opts.Log) })
	}
	if s.loops != nil {
		group.Go(func() error { return s.loops.run(ctx, s.loopLists, s.loopReports) })
	}
	if s.lastGood != nil {
		group.Go(func() error { return s.lastGood.Run(ctx) })
	}
	if n.opts.ReapOrphans {
		group.Go(func() error { return s.reaper.Run(ctx) })
	}
	group.Go(func() error { return s.run(ctx) }) // its state is its own from here on
	return group.Wait()
}

// Alive returns an error when the nanny has not moved for two seconds. It does not
// depend on dnsmasq.
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
	return "", errors.New("the nanny does not move")
}

// Ready returns "ok" while dnsmasq answers, else the reason as an error.
func (n *Nanny) Ready(context.Context) (string, error) {
	if why := n.status.reason(time.Now()); why != "" {
		return "", errors.New(why)
	}
	return "ok", nil
}

// send sends v unless ctx is done first. It reports whether it did.
func send[T any](ctx context.Context, ch chan<- T, v T) bool {
	select {
	case ch <- v:
		return true
	case <-ctx.Done():
		return false
	}
}

// replace puts v into a channel of capacity one in the place of what is there.
// Only one goroutine may send to ch.
func replace[T any](ch chan T, v T) {
	select {
	case <-ch:
	default:
	}
	ch <- v
}
