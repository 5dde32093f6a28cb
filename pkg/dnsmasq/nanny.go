package dnsmasq

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// A Nanny runs dnsmasq, keeps it running, and gives it the servers that the
// configuration asks for.
type Nanny struct {
	opts   Options
	status status
	// pings carries requests of Healthz; the supervisor closes each.
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
		group.Go(func() error { return s.reaper.run(ctx) })
	}
	group.Go(func() error { return s.run(ctx) }) // its state is its own from here on
	return group.Wait()
}

// Healthz answers 200 while the nanny works: it does not depend on dnsmasq. It
// answers 503 when the nanny has not moved for two seconds.
func (n *Nanny) Healthz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	ping := make(chan struct{})
	if send(ctx, n.pings, ping) {
		select {
		case <-ping:
			reply(w, http.StatusOK, "ok")
			return
		case <-ctx.Done():
		}
	}
	reply(w, http.StatusServiceUnavailable, "the nanny does not move")
}

// Readiness answers 200 "ok" while dnsmasq answers; else, and from the moment
// the process drains, 503 and a line of text with the reason.
func (n *Nanny) Readiness(w http.ResponseWriter, _ *http.Request) {
	select {
	case <-n.opts.Draining:
		reply(w, http.StatusServiceUnavailable, "draining: about to stop")
		return
	default:
	}
	if why := n.status.reason(time.Now()); why != "" {
		reply(w, http.StatusServiceUnavailable, why)
		return
	}
	reply(w, http.StatusOK, "ok")
}

func reply(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write([]byte(text + "\n")) // the client may have gone
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
