package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/pkg/skydns"
)

const pprofAddr = "localhost:6060"

// listeners are the open ports of a process.
type listeners struct {
	queries   *skydns.Sockets
	status    net.Listener
	metrics   net.Listener // nil: off
	profiling net.Listener // nil: off
}

// openListeners opens the ports. After an error, the process exits and closes them. A metrics or
// profiling port in use must not take down the cluster's DNS: it is only logged.
func openListeners(ctx context.Context, o *options, metricsPort int, log *slog.Logger) (l listeners, err error) {
	addr := net.JoinHostPort(o.bindAddress, strconv.Itoa(o.port))
	if l.queries, err = skydns.Listen(ctx, addr); err != nil {
		return l, cli.Failed(fmt.Errorf("--dns-bind-address=%s --dns-port=%d: %w", o.bindAddress, o.port, err))
	}
	log.Info("listening for queries", "address", l.queries.Addr().String())
	if l.status, err = httpd.Listen(o.httpAddr(o.healthzPort)); err != nil {
		return l, cli.Fatal(fmt.Errorf("--http-bind-address=%s --healthz-port=%d: %w", o.httpBindAddress, o.healthzPort, err))
	}
	var portErr error
	if metricsPort != 0 {
		if l.metrics, portErr = httpd.Listen(o.httpAddr(metricsPort)); portErr != nil {
			log.Error("cannot open the port of the metrics", "PROMETHEUS_PORT", metricsPort, "err", portErr)
		}
	}
	if o.profiling {
		if l.profiling, portErr = httpd.Listen(pprofAddr); portErr != nil {
			log.Error("cannot serve profiles", "address", pprofAddr, "err", portErr)
		}
	}
	return l, nil
}
