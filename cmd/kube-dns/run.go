package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/pkg/config"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/snapshot"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// startHold is how long queries for cluster names wait for the first lists or the snapshot before
// they get SERVFAIL.
const startHold = 1500 * time.Millisecond

// configHold is how long the server waits for its first configuration before it answers. Without
// one, names outside the cluster would go to the servers of resolv.conf. A directory takes no time.
// A ConfigMap can be out of reach, and cluster names do not need it.
const configHold = 500 * time.Millisecond

// run is the main function: it builds the graph and runs it.
//
//	source ─► zone ─► server ─► clients
//	configuration ─► forwarder, federations
func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parseFlags(args, stdout)
	if err != nil {
		return err
	}
	if o.version.Print(stdout) {
		return nil
	}
	if err := o.check(); err != nil {
		return cli.Fatal(err)
	}
	log := cli.Logger()
	log.Info("starting kube-dns", "version", cli.Version())
	cli.LogFlags(o.flags, log)
	if words := o.flags.Args(); len(words) > 0 {
		log.Warn("ignoring arguments that are not flags", "arguments", words)
	}
	o.warn(log)
	tuneMemory(log)
	draining, stop, release := cli.NotifyStop(ctx, o.lameduck, log)
	defer release()
	p, err := newProcess(stop, o, draining, log)
	if err != nil {
		return err
	}
	return p.Run(stop)
}

// process is the graph of one kube-dns.
type process struct {
	status
	options   *options
	registry  *prometheus.Registry
	metrics   metricsOptions
	listeners listeners
}

// newProcess builds the graph and binds the ports. Its errors carry the exit code.
func newProcess(ctx context.Context, o *options, draining <-chan struct{}, log *slog.Logger) (*process, error) {
	metrics, err := metricsFromEnv(os.Getenv)
	if err != nil { // this must not leave a cluster without DNS
		log.Error("cannot serve metrics: PROMETHEUS_PORT is not a port", "err", err)
	}
	p := &process{
		status: status{
			zone: kubedns.NewZone(kubedns.Options{Domain: o.domain}), draining: draining, start: time.Now(), log: log,
		},
		options: o, registry: httpd.NewRegistry("kubedns", "kube-dns", cli.Version()), metrics: metrics,
	}
	forwarder := upstream.NewForwarder(upstream.Options{All: o.forward, Direct: o.direct, CacheSize: o.cacheSize})
	if err := p.addInputs(forwarder); err != nil {
		return nil, cli.Fatal(err)
	}
	p.queries = newQueryLog(o.queryLog, p.registry, log)
	p.server, err = skydns.New(skydns.Options{
		Domain: o.domain, Backend: p.zone, Forwarder: forwarder, Version: cli.Version(), Registerer: p.registry,
		MetricsNamespace: p.metrics.namespace, MetricsSubsystem: p.metrics.subsystem,
		Autopath: o.autopath, SearchDomains: o.search, NoFastPath: !o.fastPath, Hold: startHold, Tap: p.queries.Tap(),
		Logger: log,
	})
	if err != nil {
		return nil, cli.Fatal(err)
	}
	p.history = newHistory(p.registry)
	p.registerMetrics(ctx, p.registry)
	p.listeners, err = openListeners(ctx, o, p.metrics.port, log)
	return p, err
}

// addInputs adds the sources of objects and of the configuration.
func (p *process) addInputs(forwarder *upstream.Forwarder) (err error) {
	o := p.options
	if p.inputs, err = newInputs(o, p.registry, p.log); err != nil {
		return err
	}
	p.settings, err = newSettings(&settings{
		zone: p.zone, forwarder: forwarder, domain: o.domain,
		lastGood: lastGoodFile(o, p.log), log: p.log,
	}, p.registry)
	if err != nil || o.snapshot == "" {
		return err
	}
	p.keeper, err = snapshot.New(snapshot.Options{
		Path: o.snapshot, Zone: p.zone, Domain: o.domain, MaxAge: o.snapshotMaxAge,
		Failing: p.inputs.failing, Confirmed: p.inputs.confirmed, Log: p.log, Metrics: snapshot.NewMetrics(p.registry),
	})
	return err
}

// Run works until ctx is done or a part fails.
func (p *process) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	start := func(run func(context.Context) error) { g.Go(func() error { return cli.Fatal(run(ctx)) }) }
	start(func(ctx context.Context) error { return p.inputs.objects.Run(ctx, p.zone) })
	if p.settings.lastGood != nil {
		start(p.settings.lastGood.Run)
	}
	if p.keeper != nil {
		start(p.keeper.Run)
	}
	start(p.answer)
	start(func(ctx context.Context) error { return p.warnOfSlowSync(ctx, p.options.syncTimeout, p.registry) })
	start(func(ctx context.Context) error { return returnMemory(ctx, p.zone) })
	start(p.history.Run)
	start(p.queries.Run)

	serve := func(ln net.Listener, handler http.Handler) {
		start(func(ctx context.Context) error { return httpd.Serve(ctx, ln, handler, p.log) })
	}
	status := p.handler()
	metrics := httpd.At(p.metrics.path, httpd.MetricsHandler(p.registry))
	if p.metrics.port != 0 {
		status.Handle("/", metrics)
	}
	serve(p.listeners.status, status)
	if p.listeners.metrics != nil {
		serve(p.listeners.metrics, metrics)
	}
	if p.listeners.profiling != nil {
		serve(p.listeners.profiling, httpd.PprofHandler())
	}
	return g.Wait()
}

// answer follows the configuration and answers queries until ctx is done.
func (p *process) answer(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	configured := make(chan struct{})
	begin := sync.OnceFunc(func() { close(configured) })
	g.Go(func() error {
		return p.inputs.config.Run(ctx, func(u config.Update) {
			p.settings.current.Apply(u)
			begin()
		})
	})
	g.Go(func() error {
		defer p.settings.forwarder.Close()
		select {
		case <-configured:
		case <-time.After(configHold):
		case <-ctx.Done():
		}
		return p.server.Run(ctx, p.listeners.queries)
	})
	return g.Wait()
}
