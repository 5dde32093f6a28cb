package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

// run is the main function. Everything continues while it drains: the platform reads the probes
// until the pod has stopped.
func run(ctx context.Context, args []string, stdout io.Writer) error {
	f, fs := newFlags()
	if err := cli.ParseGNU(fs, args, about, stdout); err != nil {
		return err
	}
	if f.version.Print(stdout) {
		return nil
	}
	if f.once {
		return cli.Failed(once(ctx, f.probes, stdout))
	}
	log := cli.Logger()
	log.Info("starting the sidecar", "version", cli.Version())
	cli.LogFlags(fs, log)

	_, ctx, release := cli.NotifyStop(ctx, f.lameduck, log)
	defer release()
	return cli.Fatal(serve(ctx, f, log))
}

// once runs each probe once and prints a line for it. It fails if a probe has no reply.
func once(ctx context.Context, probes []sidecar.Target, stdout io.Writer) error {
	if len(probes) == 0 {
		return errors.New("--once needs a --probe")
	}
	failed := 0
	for _, p := range sidecar.Once(ctx, probes) {
		if p.State == sidecar.OK {
			fmt.Fprintf(stdout, "%s: ok, %s answered in %v\n", p.Label, p.Server, p.Latency)
			continue
		}
		failed++
		fmt.Fprintf(stdout, "%s: %s: %s\n", p.Label, p.State, p.Err)
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d probes have no answer", failed, len(probes))
	}
	return nil
}

// serve runs the sidecar until ctx is done.
func serve(ctx context.Context, f *flags, log *slog.Logger) error {
	reg := httpd.NewRegistry(f.prometheusNamespace, "sidecar", cli.Version())
	options := sidecar.Options{
		Targets:      f.probes,
		PollInterval: time.Duration(f.pollMillis) * time.Millisecond,
		Metrics:      sidecar.NewMetrics(reg, f.prometheusNamespace),
		Log:          log,
	}
	dnsmasqAddr := "none"
	if f.dnsmasqPort != 0 {
		dnsmasqAddr = net.JoinHostPort(f.dnsmasqAddr, strconv.Itoa(f.dnsmasqPort))
		options.Stats = func(ctx context.Context) (chaos.Stats, error) { return chaos.QueryStats(ctx, dnsmasqAddr) }
		options.Upstreams = func(ctx context.Context) ([]chaos.Server, error) { return chaos.QueryServers(ctx, dnsmasqAddr) }
	}
	server := sidecar.New(options)
	ln, err := httpd.Listen(net.JoinHostPort(f.prometheusAddr, strconv.Itoa(f.prometheusPort)))
	if err != nil {
		return fmt.Errorf("%w (--prometheus-addr, --prometheus-port)", err)
	}
	if len(f.probes) == 0 && f.dnsmasqPort != 0 {
		log.Info("no --probe is given: exporting only the counters of dnsmasq")
	}
	log.Info("serving HTTP", "address", ln.Addr().String(), "probes", len(f.probes), "dnsmasq", dnsmasqAddr)

	group, ctx := errgroup.WithContext(ctx)
	history := newHistory(reg, f.prometheusNamespace)
	group.Go(func() error { return history.Run(ctx) })
	group.Go(func() error { return httpd.Serve(ctx, ln, handler(server, f, history, reg, log), log) })
	group.Go(func() error { return server.Run(ctx) })
	return group.Wait()
}
