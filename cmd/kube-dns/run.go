package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/pkg/config"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/snapshot"
	"github.com/kube-dns/kube-dns/pkg/skydns"
)

const (
	pprofAddr = "localhost:6060"
	// startHold is how long names of the cluster wait for the first lists, or
	// for the snapshot, before they are SERVFAIL.
	startHold = 1500 * time.Millisecond
)

// run is the whole command: it builds the graph and waits for it.
//
//	source ─► zone ─► server ─► clients
//	configuration ─► forwarder, federations
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parseFlags(args, stdout, stderr)
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
	log.Info("kube-dns", "version", cli.Version())
	cli.LogFlags(o.flags, log)
	if words := o.flags.Args(); len(words) > 0 {
		log.Warn("ignoring arguments that are no flags", "arguments", words)
	}
	tuneMemory(log)
	o.warn(log)
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
	options  *options
	log      *slog.Logger
	registry *prometheus.Registry
	zone     *kubedns.Zone
	source   source
	settings *settings
	server   *skydns.Server
	sockets  *skydns.Sockets
	status   *status
	keeper   *snapshot.Keeper // nil: no snapshot

	metrics     metricsOptions
	statusLn    net.Listener
	metricsLn   net.Listener // nil: metrics are off
	profilingLn net.Listener // nil: profiling is off
}

// newProcess builds the graph and binds the ports. An error carries the exit
// code.
func newProcess(ctx context.Context, o *options, draining <-chan struct{}, log *slog.Logger) (*process, error) {
	p := &process{options: o, log: log, registry: httpd.NewRegistry(), zone: kubedns.NewZone(kubedns.Options{Domain: o.domain})}
	var err error
	if p.source, err = newSource(o, p.registry, log); err != nil {
		return nil, cli.Fatal(err)
	}
	forwarder := skydns.NewForwarder(o.forward)
	if _, err := config.ReadResolvConf(resolvConf); err != nil {
		return nil, cli.Fatal(err)
	}
	p.settings = newSettings(&settings{
		source: p.source.config, zone: p.zone, forwarder: forwarder, domain: o.domain, lastGood: p.lastGood(), log: log,
	}, p.registry)
	p.settings.current.UseDefault()
	if o.snapshot != "" {
		if p.keeper, err = p.newKeeper(); err != nil {
			return nil, cli.Fatal(err)
		}
	}
	p.openMetrics()
	registerBuildInfo(p.registry)
	p.server, err = skydns.New(skydns.Options{
		Domain: o.domain, Backend: p.zone, Forwarder: forwarder, Version: cli.Version(), Registerer: p.registry,
		MetricsNamespace: p.metrics.namespace, MetricsSubsystem: p.metrics.subsystem,
		NoFastPath: !o.fastPath, Hold: startHold, Logger: log,
	})
	if err != nil {
		return nil, cli.Fatal(err)
	}
	p.status = &status{
		zone: p.zone, settings: p.settings, draining: draining, waitingFor: p.source.waitingFor, trouble: p.source.trouble, alive: p.alive,
		version: cli.Version(), source: p.source.name, start: time.Now(), log: log, keeper: p.keeper,
	}
	if err := p.listen(ctx); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// alive returns nil while queries are answered and changes get through. It
// depends neither on the API server nor on upstreams.
func (p *process) alive(ctx context.Context) error {
	if p.source.alive != nil {
		if err := p.source.alive(time.Now()); err != nil {
			return err
		}
	}
	return p.server.Alive(ctx)
}

func (p *process) newKeeper() (*snapshot.Keeper, error) {
	return snapshot.New(snapshot.Options{
		Path: p.options.snapshot, Zone: p.zone, Domain: p.options.domain, MaxAge: p.options.snapshotMaxAge,
		Failing: p.source.failing, Confirmed: p.source.confirmed, Log: p.log, Metrics: snapshot.NewMetrics(p.registry),
	})
}

// lastGood returns the file for the last valid configuration, if there is one.
func (p *process) lastGood() *config.LastGood {
	if p.options.snapshot == "" {
		return nil
	}
	return config.NewLastGood(p.options.snapshot+".config", "", p.log)
}

// registerBuildInfo registers a metric that is always 1.
func registerBuildInfo(reg prometheus.Registerer) {
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "kubedns_build_info", Help: "Always 1. The version of kube-dns, and the Go version that it is built with.",
		ConstLabels: prometheus.Labels{"version": cli.Version(), "goversion": runtime.Version()},
	}, func() float64 { return 1 }))
}

// openMetrics binds the metrics port, if the environment names one. Trouble
// with it is no reason to leave a cluster without DNS.
func (p *process) openMetrics() {
	var err error
	if p.metrics, err = metricsFromEnv(os.Getenv); err != nil {
		p.log.Error("cannot serve metrics: PROMETHEUS_PORT is no port", "err", err)
		return
	}
	if p.metrics.port == 0 {
		return
	}
	if p.metricsLn, err = httpd.Listen(p.options.httpAddr(p.metrics.port)); err != nil {
		p.log.Error("cannot open the port of the metrics", "PROMETHEUS_PORT", p.metrics.port, "err", err)
	}
}

func (p *process) listen(ctx context.Context) error {
	o := p.options
	var err error
	addr := net.JoinHostPort(trimBrackets(o.bindAddress), strconv.Itoa(o.port))
	if p.sockets, err = skydns.Listen(ctx, addr); err != nil {
		return cli.Listen(fmt.Errorf("--dns-bind-address=%s --dns-port=%d: %w", o.bindAddress, o.port, err))
	}
	p.log.Info("listening for queries", "address", p.sockets.Addr().String())
	if p.statusLn, err = httpd.Listen(o.httpAddr(o.healthzPort)); err != nil {
		return cli.Fatal(fmt.Errorf("--http-bind-address=%s --healthz-port=%d: %w", o.httpBindAddress, o.healthzPort, err))
	}
	if o.profiling {
		if p.profilingLn, err = httpd.Listen(pprofAddr); err != nil {
			p.log.Error("cannot serve profiles", "address", pprofAddr, "err", err)
		}
	}
	return nil
}

// trimBrackets takes an IPv6 address as it had to be given to kube-dns, which
// put the port behind it without further ado.
func trimBrackets(addr string) string {
	if n := len(addr); n > 2 && addr[0] == '[' && addr[n-1] == ']' {
		return addr[1 : n-1]
	}
	return addr
}

// close lets go of the ports of a process that does not run.
func (p *process) close() {
	if p.sockets != nil {
		_ = p.sockets.Close()
	}
	for _, ln := range []net.Listener{p.statusLn, p.metricsLn, p.profilingLn} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

// Run works until ctx is done, or until one of its parts can not go on.
func (p *process) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return cli.Fatal(p.source.Run(ctx, p.zone)) })
	g.Go(func() error { return cli.Fatal(p.settings.Run(ctx)) })
	if p.keeper != nil {
		g.Go(func() error { return cli.Fatal(p.keeper.Run(ctx)) })
	}
	g.Go(func() error { return cli.Fatal(p.server.Run(ctx, p.sockets)) })
	g.Go(func() error { return p.status.warnOfSlowSync(ctx, p.options.syncTimeout, p.registry) })
	g.Go(func() error { return returnMemory(ctx, p.zone) })
	var metrics http.Handler
	if p.metrics.port != 0 {
		metrics = httpd.MetricsHandler(p.registry)
	}
	serve := func(ln net.Listener, handler http.Handler) {
		g.Go(func() error { return cli.Fatal(httpd.Serve(ctx, ln, handler, p.log)) })
	}
	serve(p.statusLn, p.status.handler(metrics, p.metrics.path))
	if p.metricsLn != nil {
		mux := http.NewServeMux()
		mux.Handle(p.metrics.path, metrics)
		if p.metrics.path != "/" {
			mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
				reply(w, fmt.Sprintf("kube-dns %s\n\n%s  metrics; the state is at port %d", cli.Version(), p.metrics.path, p.options.healthzPort), nil)
			})
		}
		serve(p.metricsLn, mux)
	}
	if p.profilingLn != nil {
		serve(p.profilingLn, httpd.PprofHandler())
	}
	return g.Wait()
}
