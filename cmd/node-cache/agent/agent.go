// Package agent runs node-cache: link and rules, CoreDNS, configuration, and the change
// from one agent to the next.
package agent

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"syscall"
	"time"

	"github.com/kube-dns/kube-dns/cmd/node-cache/coredns"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
	"github.com/kube-dns/kube-dns/internal/cli"
)

// A Network is the link with our addresses, and the packet rules.
type Network interface {
	// EnsureAddresses makes the link and the addresses that are missing.
	EnsureAddresses() (changed []string, err error)
	// Serve puts the rules in place for the next seconds. It is called each second.
	Serve() error
	// Withdraw removes the rules: pods reach kube-dns again.
	Withdraw() error
	// Close is Withdraw. It then removes link and addresses, unless leaveLink.
	Close(leaveLink bool) error
}

// A Handover is the change from one agent to the next.
type Handover interface {
	// Steer sends all new packets and connections for addrs to our sockets.
	Steer(addrs []netip.AddrPort) error
	// Serving tells a predecessor that we serve.
	Serving() error
	// Succeeded is closed when a successor serves.
	Succeeded() <-chan struct{}
}

// Parts are what an agent is made of. A nil Network or Handover is not used.
type Parts struct {
	Network  Network
	Handover Handover
	Log      *slog.Logger
	Version  string
}

// renewal is the time between two renewals of the rules.
const renewal = time.Second

// Run serves until ctx is done.
func Run(ctx context.Context, opts options.Options, parts Parts) error {
	a := &agent{opts: opts, Parts: parts}
	_, ctx, release := cli.NotifyStop(ctx, opts.Lameduck, a.Log, syscall.SIGQUIT)
	defer release()
	path := opts.Config.Corefile
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := a.ensureAddresses(); err != nil {
		return err
	}
	server, err := coredns.Start(coredns.Options{Path: path, Port: opts.Listen.DNSPort, Quiet: opts.Quiet}, string(text))
	if err != nil {
		return errors.Join(err, a.closeNetwork())
	}
	if err := a.takeOver(); err != nil {
		a.Log.Warn("cannot take over from another agent", "err", err)
	}
	a.serve(ctx)
	return errors.Join(a.closeNetwork(), server.Stop())
}

type agent struct {
	Parts
	opts options.Options
}

func (a *agent) ensureAddresses() error {
	if a.Network == nil {
		return nil
	}
	_, err := a.Network.EnsureAddresses()
	return err
}

// takeOver makes new queries arrive here instead of at an agent that already runs.
func (a *agent) takeOver() error {
	if a.Handover == nil {
		return nil
	}
	addrs := make([]netip.AddrPort, len(a.opts.Net.LocalIPs))
	for i, addr := range a.opts.Net.LocalIPs {
		addrs[i] = netip.AddrPortFrom(addr, a.opts.Listen.DNSPort)
	}
	return errors.Join(a.Handover.Steer(addrs), a.Handover.Serving())
}

// serve renews the rules until ctx is done.
func (a *agent) serve(ctx context.Context) {
	ticker := time.NewTicker(renewal)
	defer ticker.Stop()
	for {
		if a.Network != nil {
			if err := a.Network.Serve(); err != nil {
				a.Log.Error("cannot make the rules", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// closeNetwork removes rules and link, as far as no successor uses them.
func (a *agent) closeNetwork() error {
	if a.Network == nil || a.opts.Net.SkipTeardown {
		return nil
	}
	leaveLink := false
	if a.Handover != nil {
		select {
		case <-a.Handover.Succeeded():
			leaveLink = true
		default:
		}
	}
	return a.Network.Close(leaveLink)
}
