// Package agent runs node-cache: link and rules, CoreDNS, configuration, and the handover from one
// agent to the next.
package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/cmd/node-cache/coredns"
	"github.com/kube-dns/kube-dns/cmd/node-cache/corefile"
	"github.com/kube-dns/kube-dns/cmd/node-cache/handover"
	"github.com/kube-dns/kube-dns/cmd/node-cache/hostnet"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
	"github.com/kube-dns/kube-dns/cmd/node-cache/sources"
	"github.com/kube-dns/kube-dns/internal/cli"
)

// Parts are the dependencies of an agent.
type Parts struct {
	Network  *hostnet.Network
	Handover *handover.Peer // nil: no handover
	Log      *slog.Logger
	Version  string
	Metrics  *Metrics
	OwnLink  bool                // another program serves at our addresses: use our own link
	Gatherer prometheus.Gatherer // for the second metrics listener
	Period   time.Duration       // between two file checks; 0: one second
}

// agent is one run.
type agent struct {
	Parts
	opts     options.Options
	upstream []netip.Addr // of the cluster; empty: unknown
	draining <-chan struct{}
	server   *server
	watch    *watch
	faults   sources.Faults
	linkErr  error         // at startup
	tookOver chan struct{} // closed when new queries arrive here
}

// Run serves until ctx is done or a signal stops it.
func Run(ctx context.Context, opts options.Options, parts Parts) error {
	a := &agent{opts: opts, Parts: parts, tookOver: make(chan struct{})}
	line(a.Log, "Starting node-cache image: "+a.Version)
	line(a.Log, "Using Corefile "+opts.Config.Corefile)
	draining, stop, release := cli.NotifyStop(ctx, opts.Lameduck, a.Log, syscall.SIGQUIT)
	defer release()
	stops := followStops(ctx)
	defer stops.release()
	ctx, end := a.linger(stop, stops.hurry)
	defer end()
	signal.Ignore(syscall.SIGHUP, syscall.SIGUSR2)
	a.draining = draining
	a.findUpstream()
	a.watch = newWatch(a.opts.Addrs(), a.Metrics)
	a.server = &server{
		opts: coredns.Options{Path: opts.Config.Corefile, Port: opts.Listen.DNSPort, Quiet: opts.Quiet},
		emergency: func(reason string) string {
			return corefile.Emergency(a.values(), opts.Listen.HealthPort, reason)
		},
		announce: opts.Config.ReloadWithSignal,
		started:  make(chan struct{}), failed: a.Metrics.configFailed, log: a.Log,
	}
	group, ctx := errgroup.WithContext(ctx)
	_, a.linkErr = a.Network.EnsureAddresses()
	a.linkChecked(a.linkErr)
	if a.opts.Listen.Metrics != "" {
		group.Go(func() error { return a.serveMetrics(ctx) })
	}
	if a.opts.Listen.Health != "" {
		group.Go(func() error { return a.serveHealth(ctx) })
	}
	stopNetwork := a.keepNetwork(ctx)
	group.Go(func() error { return a.configure(ctx) })
	group.Go(func() error { return a.serve(ctx) })
	if a.Handover != nil {
		group.Go(func() error { return a.Handover.Run(ctx) })
	}
	err := errors.Join(group.Wait(), stopNetwork())
	if cli.StoppedBy(stop) == syscall.SIGTERM {
		line(a.Log, "SIGTERM: Shutting down servers then terminating")
	}
	return errors.Join(err, a.close(context.WithoutCancel(ctx)))
}

// findUpstream reads the addresses of the cluster upstream from the environment.
func (a *agent) findUpstream() {
	for _, service := range a.opts.Config.UpstreamServices {
		name := options.UpstreamVariable(service)
		addrs, err := parseUpstream(os.Getenv(name))
		if err != nil {
			a.Log.Warn("Unable to lookup IP address of Upstream service", "service", service, "variable", name,
				"err", err)
			continue
		}
		a.upstream = append(a.upstream, addrs...)
	}
}

// parseUpstream parses the value of a variable. Kubernetes sets one address. A DaemonSet can set
// one per family, separated by commas or blanks.
func parseUpstream(text string) ([]netip.Addr, error) {
	parts := strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	if len(parts) == 0 {
		return nil, errors.New("the variable is not set, or empty")
	}
	addrs := make([]netip.Addr, len(parts))
	for i, part := range parts {
		var err error
		if addrs[i], err = netip.ParseAddr(part); err != nil {
			return nil, err
		}
	}
	return addrs, nil
}

func (a *agent) values() corefile.Values {
	return corefile.Values{
		LocalIPs: a.opts.Net.LocalIPs, DNSPort: a.opts.Listen.DNSPort, ClusterUpstream: a.upstream,
		Prometheus: a.opts.Listen.Prometheus,
	}
}

// configure applies configuration changes until ctx is done.
func (a *agent) configure(ctx context.Context) error {
	o := sources.Options{
		Config: a.opts.Config, Values: a.values(), Failed: a.Metrics.configFailed, Log: a.Log,
		Period: a.Period,
	}
	for _, addr := range a.upstream {
		o.ClusterUpstream = append(o.ClusterUpstream, netip.AddrPortFrom(addr, 53))
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.explain(sources.New(o).Run(ctx, a.server.apply)) })
	group.Go(func() error {
		again := make(chan os.Signal, 1)
		signal.Notify(again, syscall.SIGUSR1)
		defer signal.Stop(again)
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-again:
				a.server.again()
			}
		}
	})
	return group.Wait()
}

// explain adds the flags and the remedy to a startup error.
func (a *agent) explain(err error) error {
	localIPs := corefile.Join(a.opts.Net.LocalIPs, ",")
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), syscall.EADDRNOTAVAIL.Error()) && a.linkErr != nil:
		return a.linkErr // the addresses are missing
	case strings.Contains(err.Error(), syscall.EADDRNOTAVAIL.Error()):
		return fmt.Errorf("-localip=%s: %w: no link of this node has the address", localIPs, err)
	case isTaken(err):
		setting := fmt.Sprintf("-localip=%s -dns.port=%d", localIPs, a.opts.Listen.DNSPort)
		if !strings.Contains(err.Error(), fmt.Sprintf(":%d: ", a.opts.Listen.DNSPort)) {
			setting = "health of the Corefile and -health-port"
		}
		return fmt.Errorf("%s: %w: another program has this port and does not share it; \"ss -lnp\" "+
			"on the node names it", setting, err)
	case strings.Contains(err.Error(), syscall.EACCES.Error()):
		return fmt.Errorf("-dns.port=%d: %w: give the container the capability NET_BIND_SERVICE",
			a.opts.Listen.DNSPort, err)
	}
	return err
}

// serve waits for CoreDNS, takes over from another agent, and maintains rules, link and addresses
// until ctx is done. Then it drains the plugins, with the rules still in place.
func (a *agent) serve(ctx context.Context) error {
	if a.opts.PIDFile != "" {
		line(a.Log, "waiting for coredns pidfile")
	}
	select {
	case <-ctx.Done():
		return nil
	case <-a.server.started:
	}
	if err := a.writePID(); err != nil {
		a.Log.Error("cannot write the pidfile", "err", err)
	}
	if err := a.takeOver(); err != nil {
		a.Log.Warn("cannot take over from another agent", "err", err)
	}
	close(a.tookOver)
	drained, drain := make(chan struct{}), a.server.drain
	var draining errgroup.Group
	draining.Go(func() error {
		defer close(drained)
		<-ctx.Done()
		return drain()
	})
	a.keep(ctx, drained)
	line(a.Log, "Exiting iptables/interface check goroutine")
	return draining.Wait()
}

func (a *agent) writePID() error {
	if a.opts.PIDFile == "" {
		return nil
	}
	return os.WriteFile(a.opts.PIDFile, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644) //nolint:gosec // others read it
}

// takeOver steers new queries here and away from a running agent.
func (a *agent) takeOver() error {
	if a.Handover == nil {
		return nil
	}
	// In a pod network no link has the addresses, and no other agent shares them.
	local := slices.DeleteFunc(a.opts.Addrs(), func(addr netip.AddrPort) bool { return !isLocal(addr.Addr()) })
	err := errors.Join(a.Handover.Steer(local), a.Handover.Serving(a.opts.Net.Interface))
	switch {
	case err != nil:
		a.Metrics.handover.WithLabelValues(handoverFailed).Inc()
	case a.Handover.HasPredecessor():
		a.Metrics.handover.WithLabelValues(handoverDone).Inc()
		a.Log.Info("took over from the previous agent")
	}
	return err
}

// drainTime is how long arrived queries are still answered on shutdown, when new queries go
// elsewhere. It is long enough for an overloaded node.
const drainTime = 500 * time.Millisecond

// stopTime is the time for pending queries after that. With a dead upstream they would take 5 s,
// and no server would have the link-local address.
const stopTime = time.Second

// close removes rules, stops DNS, and removes the link, in this order: no query arrives at an
// unserved address.
func (a *agent) close(ctx context.Context) error {
	a.Log.Info("Tearing down")
	signal.Reset(os.Interrupt, syscall.SIGTERM) // one more signal exits at once
	var errs []error
	link, succeeded := a.succeeded()
	if !a.opts.Net.SkipTeardown && !succeeded { // otherwise the rules belong to the successor
		errs = append(errs, a.Network.Withdraw())
	}
	if a.opts.PIDFile != "" {
		_ = os.Remove(a.opts.PIDFile) // it might never have been written
	}
	shared := !succeeded && a.shared()
	<-time.After(drainTime)
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	errs = append(errs, a.server.stop(ctx))
	if !a.opts.Net.SkipTeardown {
		leave := hostnet.Leave{Link: shared || succeeded && link == a.opts.Net.Interface, Rules: succeeded}
		errs = append(errs, a.Network.Close(leave))
	}
	return errors.Join(errs...)
}

// shared reports whether an agent of another kind serves at our addresses and needs the link.
func (a *agent) shared() bool {
	if a.Handover == nil || a.OwnLink {
		return false
	}
	shared, err := a.Handover.Shared(a.opts.Addrs())
	if err != nil {
		a.Log.Warn("cannot find other programs at our addresses", "err", err)
	}
	if shared {
		a.Log.Info("another program serves at our addresses, leaving the link", "interface", a.opts.Net.Interface)
	}
	return shared
}

// succeeded reports whether a successor serves, and returns its link.
func (a *agent) succeeded() (link string, ok bool) {
	if a.Handover == nil {
		return "", false
	}
	return a.Handover.Succeeded()
}
