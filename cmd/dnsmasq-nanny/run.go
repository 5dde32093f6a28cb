package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/internal/statuspage"
	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq"
)

// run is the main function.
//
// SIGCONT has no effect, and never had one: images that send it to stop have dnsmasq answer until
// SIGKILL. SIGHUP rereads the configuration directory at once.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	f, fs := newFlags()
	own, forDnsmasq := split(args)
	if err := cli.ParseGo(fs, own, about, stdout); err != nil {
		return err
	}
	f.Args = forDnsmasq
	if f.version {
		fmt.Fprintf(stdout, "Kube-DNS %s\n", cli.Version())
		return nil
	}
	log := cli.Logger()
	log.Info("starting dnsmasq-nanny", "version", cli.Version(), "arguments", args)
	if fs.NArg() > 0 {
		// Compat: these arguments have always been accepted and never had an effect.
		log.Warn("ignoring non-flag arguments before --, and everything after them; boolean flags need '=' "+
			"(-restartDnsmasq=true)", "arguments", fs.Args())
	}
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	// Without SIGQUIT here, dnsmasq would outlive the nanny.
	draining, ctx, release := cli.NotifyStop(ctx, f.lameduck, log, syscall.SIGQUIT)
	defer release()
	f.Config = config.Dir{Path: f.configDir, Period: f.syncInterval, Reread: hangups}
	f.NamePeriod, f.ReapOrphans, f.Log = f.syncInterval, true, log
	return cli.Fatal(serve(ctx, f, draining))
}

// serve runs the nanny, and its HTTP server if configured, until ctx is done.
func serve(ctx context.Context, f *flags, draining <-chan struct{}) error {
	reg := httpd.NewRegistry("kubedns", "dnsmasq-nanny", cli.Version())
	f.Metrics = dnsmasq.NewMetrics(reg)
	nanny, err := dnsmasq.New(f.Options)
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	if f.httpAddr != "" {
		ln, err := httpd.Listen(f.httpAddr)
		if err != nil {
			return fmt.Errorf("%w (-httpAddr)", err)
		}
		mux := http.NewServeMux()
		ready, history := httpd.UntilDraining(draining, nanny.Ready), newHistory(reg)
		group.Go(func() error { return history.Run(groupCtx) })
		mux.Handle("/{$}", statuspage.Handler(page(nanny, history, time.Now(), ready)))
		mux.Handle("/readiness", ready)
		mux.Handle("/healthz", httpd.Check(nanny.Alive))
		mux.Handle(cli.LevelPath, httpd.Loopback.Guard(httpd.OnlyLoopback, cli.LevelHandler(f.Log)))
		mux.Handle("/metrics", httpd.MetricsHandler(reg))
		f.Log.Info("serving HTTP", "address", ln.Addr().String())
		group.Go(func() error { return httpd.Serve(groupCtx, ln, mux, f.Log) })
	}
	group.Go(func() error { return nanny.Run(groupCtx) })
	return group.Wait()
}
