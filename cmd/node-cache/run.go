package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/cmd/node-cache/agent"
	"github.com/kube-dns/kube-dns/cmd/node-cache/coredns"
	"github.com/kube-dns/kube-dns/cmd/node-cache/handover"
	"github.com/kube-dns/kube-dns/cmd/node-cache/hostnet"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
	"github.com/kube-dns/kube-dns/internal/cli"
)

const about = `A DNS cache on each node. Pods query it on a link-local address, or on the ClusterIP
of kube-dns, which packet rules bring to it while it answers. CoreDNS serves; the
Corefile is made from a template and the ConfigMap kube-dns.

Usage:
  node-cache -localip=ADDRESS[,ADDRESS...] [flags]

A flag has one dash or two, and a boolean flag needs = before its value:
-setupinterface=false.

Signals: SIGTERM makes /ready return 503 and ends the agent after the time of
-lameduck; SIGINT, SIGQUIT or a second SIGTERM ends it without that time. One more
ends the process at once, with link and addresses left. SIGUSR1 loads the Corefile
again.

Exit codes: 0 after a stop, 1 for a wrong value or a failure, 2 for a flag that
cannot be parsed.

Examples:
  node-cache -localip=169.254.20.10,10.96.0.10 -conf=/etc/Corefile -upstreamsvc=kube-dns-upstream
  node-cache -check=Corefile.base`

func run(ctx context.Context, args []string, stdout io.Writer) error {
	f, fs := options.NewFlags()
	if err := cli.ParseGo(fs, args, about, stdout); err != nil {
		return err
	}
	if f.Version {
		return cli.Failed(coredns.WriteVersion(stdout, cli.Version()))
	}
	if f.Plugins {
		return cli.Failed(coredns.WritePlugins(stdout))
	}
	if f.Corefile != "" {
		return cli.Failed(check(f, stdout))
	}
	opts, err := f.Check()
	if err != nil {
		return cli.Failed(err)
	}
	log := cli.Logger()
	parts := agent.Parts{Log: log, Version: cli.Version()}
	if opts.Handover {
		peer, err := handover.Join(ctx, opts.Net.Interface, log)
		if err != nil {
			log.Warn("cannot take over from another agent", "err", err)
		} else {
			parts.Handover = peer
			name := linkName(opts, peer, log)
			parts.OwnLink = name != opts.Net.Interface
			opts.Net.Interface = name
		}
	}
	network := hostnet.New(hostnet.Config{
		Interface: opts.Net.Interface, Addrs: opts.Net.LocalIPs, Port: opts.Listen.DNSPort,
		HealthPort: opts.Listen.HealthPort, SetupInterface: opts.Net.SetupInterface,
		Rules: opts.Net.Rules, Tracked: opts.Net.Tracked, Interval: opts.Net.SyncInterval, Log: log,
	})
	if err := network.Check(); err != nil {
		return cli.Failed(err)
	}
	// CoreDNS has its metrics in the default registry.
	reg, gatherer := prometheus.DefaultRegisterer, prometheus.DefaultGatherer //nolint:forbidigo // see above
	parts.Network, parts.Metrics, parts.Gatherer = network, agent.NewMetrics(reg), gatherer
	return cli.Failed(agent.Run(ctx, opts, parts))
}

// check reports the faults of a Corefile, before a rollout.
func check(f *options.Flags, stdout io.Writer) error {
	text, err := os.ReadFile(f.Corefile)
	if err != nil {
		return fmt.Errorf("-check=%s: %w", f.Corefile, err)
	}
	if problems := coredns.Check(f.Corefile, string(text)); len(problems) > 0 {
		return fmt.Errorf("-check: CoreDNS refuses %s", strings.Join(problems, "; "))
	}
	_, err = fmt.Fprintf(stdout, "%s: no fault found\n", f.Corefile)
	return err
}

// linkName returns the name of the link. If an agent of another kind serves, the name differs: that
// agent removes its link when it exits.
func linkName(opts options.Options, peer *handover.Peer, log *slog.Logger) string {
	if peer.HasPredecessor() || !handover.Taken(opts.Addrs()) {
		return opts.Net.Interface
	}
	const longest = 15 // IFNAMSIZ, less the final zero
	name := opts.Net.Interface[:min(len(opts.Net.Interface), longest-1)] + "1"
	log.Info("another program serves at our addresses, taking over from it", "interface", name)
	return name
}
