package agent

import (
	"context"
	"time"

	"github.com/kube-dns/kube-dns/cmd/node-cache/hostnet"
)

// renewal is the longest time between two renewals of rules and addresses.
const renewal = time.Second

// keep repairs link and addresses, and renews the rules while our own queries are
// answered, until drained is closed.
func (a *agent) keep(drained <-chan struct{}) {
	ticker := time.NewTicker(min(renewal, a.opts.Net.SyncInterval))
	defer ticker.Stop()
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // it goes on while ctx of Run is done
	defer cancel()
	for {
		a.repair()
		a.renew(ctx)
		select {
		case <-drained:
			a.watch.set(false)
			return
		case <-ticker.C:
		}
	}
}

// repair makes what is missing of link and addresses.
func (a *agent) repair() {
	if err := a.ensureAddresses(hostnet.KindInterfaceCheck); a.news("link", err) {
		a.Log.Error("cannot repair the link or its addresses", "err", err)
	}
}

// renew puts the rules in place for the next seconds.
func (a *agent) renew(ctx context.Context) {
	if !a.watch.ask(ctx) {
		a.fallBack()
		return
	}
	a.watch.silent = 0
	if !a.server.usable.Load() {
		a.watch.set(false) // kube-dns answers better
		return
	}
	var err error
	if a.Network != nil {
		err = a.counted(a.Network.Serve(), hostnet.KindIPTables)
	}
	if a.news("rules", err) {
		a.Metrics.fallback.WithLabelValues(noRules).Inc()
		a.Log.Error("cannot make the rules", "err", err)
	}
	a.watch.set(err == nil)
}

// fallBack removes the rules after some silence.
func (a *agent) fallBack() {
	a.watch.silent++
	if a.watch.silent != maxSilent {
		return
	}
	a.watch.set(false)
	a.Metrics.fallback.WithLabelValues(noReply).Inc()
	a.Log.Error("our own queries are not answered, pods reach kube-dns instead", "seconds", maxSilent)
	if a.Network != nil {
		if err := a.Network.Withdraw(); err != nil {
			a.Log.Error("cannot remove the rules", "err", err)
		}
	}
}

// news reports whether err is another one than the last of this kind. nil is no news.
func (a *agent) news(kind string, err error) bool {
	if err == nil {
		delete(a.faults, kind)
		return false
	}
	if a.faults[kind] == err.Error() {
		return false
	}
	a.faults[kind] = err.Error()
	return true
}
