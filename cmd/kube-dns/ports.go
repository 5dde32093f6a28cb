package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/pkg/skydns"
)

const pprofAddr = "localhost:6060"

// ports are the open ports of a process.
type ports struct {
	queries   *skydns.Sockets
	status    net.Listener
	metrics   net.Listener // nil: off
	profiling net.Listener // nil: off
}

// openPorts binds the ports. A taken metrics or profiling port must not leave a
// cluster without DNS: it is only logged.
func openPorts(ctx context.Context, o *options, metricsPort int, log *slog.Logger) (p ports, err error) {
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	addr := net.JoinHostPort(trimBrackets(o.bindAddress), strconv.Itoa(o.port))
	if p.queries, err = skydns.Listen(ctx, addr); err != nil {
		return p, cli.Listen(fmt.Errorf("--dns-bind-address=%s --dns-port=%d: %w", o.bindAddress, o.port, err))
	}
	log.Info("listening for queries", "address", p.queries.Addr().String())
	if p.status, err = httpd.Listen(o.httpAddr(o.healthzPort)); err != nil {
		return p, cli.Fatal(fmt.Errorf("--http-bind-address=%s --healthz-port=%d: %w", o.httpBindAddress, o.healthzPort, err))
	}
	var portErr error
	if metricsPort != 0 {
		if p.metrics, portErr = httpd.Listen(o.httpAddr(metricsPort)); portErr != nil {
			log.Error("cannot open the port of the metrics", "PROMETHEUS_PORT", metricsPort, "err", portErr)
		}
	}
	if o.profiling {
		if p.profiling, portErr = httpd.Listen(pprofAddr); portErr != nil {
			log.Error("cannot serve profiles", "address", pprofAddr, "err", portErr)
		}
	}
	return p, nil
}

// close releases the ports of a process that does not run.
func (p ports) close() {
	if p.queries != nil {
		_ = p.queries.Close()
	}
	for _, ln := range []net.Listener{p.status, p.metrics, p.profiling} {
		if ln != nil {
			_ = ln.Close()
		}
	}
}

// readMetricsOptions reads the environment. A mistake there must not leave a cluster
// without DNS: it turns metrics off.
func readMetricsOptions(log *slog.Logger) metricsOptions {
	m, err := metricsFromEnv(os.Getenv)
	if err != nil {
		log.Error("cannot serve metrics: PROMETHEUS_PORT is no port", "err", err)
	}
	return m
}
