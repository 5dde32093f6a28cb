package agent

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/cmd/node-cache/hostnet"
)

// renewal is the longest time between renewals of rules and addresses.
const renewal = time.Second

// keepNetwork restores missing links, addresses and rules, until stop is called.
func (a *agent) keepNetwork(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var group errgroup.Group
	group.Go(func() error { return a.Network.Run(ctx, a.linkChecked, a.rulesChecked) })
	return func() error {
		cancel()
		return group.Wait()
	}
}

// keep renews the rules while our own queries are answered, until drained is closed, after ctx. The
// first rules wait for the cluster upstream, except those of a successor.
func (a *agent) keep(ctx context.Context, drained <-chan struct{}) {
	ticker := time.NewTicker(min(renewal, a.opts.Net.SyncInterval))
	defer ticker.Stop()
	if a.Handover == nil || !a.Handover.HasPredecessor() {
		a.watch.await(ctx, a.server.clusterZone(a.upstream))
	}
	ctx = context.WithoutCancel(ctx)
	for {
		a.renew(ctx)
		select {
		case <-drained:
			a.watch.set(false)
			return
		case <-ticker.C:
		}
	}
}

// linkChecked counts and logs an error of the link or its addresses.
func (a *agent) linkChecked(err error) {
	a.count(err)
	if a.faults.News("link", err) {
		a.Log.Error("cannot make the link or its addresses", "err", err)
	}
}

// rulesChecked counts and logs an error of the rules.
func (a *agent) rulesChecked(err error) {
	a.count(err)
	if a.faults.News("rules", err) {
		a.Log.Error("Error checking/adding iptables rule", "err", err)
	}
}

func (a *agent) count(err error) {
	for _, kind := range hostnet.Kinds(err) {
		a.Metrics.failed(string(kind))
	}
}

// renew keeps the rules in place for the next seconds.
func (a *agent) renew(ctx context.Context) {
	if !a.watch.ask(ctx) {
		a.fallBack()
		return
	}
	a.watch.silent = 0
	if !a.server.usable.Load() {
		a.watch.set(false) // kube-dns replies instead
		a.withdraw()
		return
	}
	err := a.Network.Serve()
	a.count(err)
	if a.faults.News("serve", err) {
		a.Metrics.fallback.WithLabelValues(noRules).Inc()
		a.Log.Error("Error checking/adding iptables rule", "err", err)
	}
	if err == nil && !a.watch.serving.Load() {
		a.Log.Info("this agent is ready: queries for its addresses are answered here", "addresses", a.opts.Net.LocalIPs)
	}
	a.watch.set(err == nil)
}

// fallBack removes the rules after repeated silence.
func (a *agent) fallBack() {
	a.watch.silent++
	if a.watch.silent < maxSilent {
		return
	}
	a.watch.set(false)
	if a.watch.silent == maxSilent {
		a.Metrics.fallback.WithLabelValues(noReply).Inc()
		a.Log.Error("our own queries are not answered, pods reach kube-dns instead", "seconds", maxSilent)
	}
	a.withdraw()
}

func (a *agent) withdraw() {
	err := a.Network.Withdraw()
	a.count(err)
	if a.faults.News("withdraw", err) {
		a.Log.Error("cannot remove the rules", "err", err)
	}
}
