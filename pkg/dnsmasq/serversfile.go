package dnsmasq

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/cmdline"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// writePause is the time between two attempts to write the servers file.
const writePause = 5 * time.Second

// A check queries dnsmasq for the servers that it has.
type check struct {
	start   bool // after a start of dnsmasq, not after a signal
	cancel  context.CancelFunc
	outcome // set at its end
}

// A serversFile is the file of dnsmasq's servers, and dnsmasq's state of it. Its methods belong to
// one goroutine.
type serversFile struct {
	memory  string       // a file system in memory
	place   *stateDir    // nil: none
	cmd     cmdline.Line // dnsmasq's arguments, without those of the nanny
	addr    string       // where dnsmasq can be queried
	log     *slog.Logger
	metrics *Metrics
	group   *errgroup.Group // for the checks
	ended   chan *check

	roll     upstreams.Rollout
	writeAt  time.Time // of the next attempt to write; zero: the last one worked
	check    *check    // the running one; nil: none
	compared bool      // the servers of this dnsmasq were checked once
}

// choose chooses the directory of the file: one in memory, else state.
func (f *serversFile) choose(state *stateDir) error {
	place, why := openServersDir(f.memory, f.cmd.Port, f.cmd.User, state)
	switch {
	case place == nil:
		return fmt.Errorf("no directory for the servers file: %w, and no state directory", why)
	case why != nil:
		if err := place.usableBy(f.cmd.User); err != nil {
			return fmt.Errorf("no directory for the servers file: %w, %w", why, err)
		}
		f.log.Info("dnsmasq's servers file is in the state directory", "path", place.serversPath(), "err", why)
	default:
		f.log.Info("dnsmasq's servers file is in memory", "path", place.serversPath())
	}
	f.place = place
	return nil
}

// start writes the file for a dnsmasq that starts.
func (f *serversFile) start(list, markers []upstreams.Server) error {
	f.check, f.compared, f.writeAt = nil, false, time.Time{}
	f.roll = upstreams.Begin(list, markers)
	return f.place.writeServers(f.roll.Content)
}

// write makes next the content of the file, and signals dnsmasq unless it already has that content.
// If it fails, it returns the time until the next attempt.
func (f *serversFile) write(next upstreams.Rollout, now time.Time, signal func(syscall.Signal)) time.Duration {
	if f.roll.Same(next) {
		f.roll = next
		return 0
	}
	err := f.place.writeServers(next.Content)
	if err != nil {
		if f.writeAt.IsZero() {
			f.log.Error("cannot write the servers file, dnsmasq keeps its servers; trying again", "err", err)
		}
		f.writeAt = now.Add(writePause)
		return writePause
	}
	if !f.writeAt.IsZero() {
		f.log.Info("wrote the servers file again")
	}
	f.writeAt = time.Time{}
	f.roll = next
	signal(syscall.SIGHUP)
	return 0
}

// compare compares dnsmasq's list with the file, after a change from before, or for the first time
// after a start. life is that of dnsmasq.
func (f *serversFile) compare(life context.Context, before upstreams.Rollout) {
	want := upstreams.Addresses(f.roll.Wanted)
	if !before.Same(f.roll) {
		f.begin(life, &check{}, want, f.gone(before))
	} else if !f.compared {
		f.begin(life, &check{start: true}, want, nil)
	}
	f.compared = true
}

// gone returns the servers that dnsmasq must have dropped after a change.
func (f *serversFile) gone(before upstreams.Rollout) []netip.AddrPort {
	if f.cmd.OwnUpstreams() {
		return nil // the arguments can contain them, too
	}
	keep := setOf(upstreams.Addresses(append(f.roll.Lines(), f.cmd.Servers...)))
	return slices.DeleteFunc(upstreams.Addresses(before.Lines()), func(a netip.AddrPort) bool { return keep[a] })
}

// begin starts a check, replacing a running one.
func (f *serversFile) begin(life context.Context, c *check, want, gone []netip.AddrPort) {
	if f.check != nil {
		f.check.cancel()
	}
	ctx, cancel := context.WithCancel(life)
	c.cancel = cancel
	f.check = c
	f.group.Go(func() error {
		defer cancel()
		query := func(ctx context.Context) ([]chaos.Server, error) { return chaos.QueryServers(ctx, f.addr) }
		c.outcome = verify(ctx, query, want, gone)
		send(life, f.ended, c)
		return nil
	})
}

// onEnd handles the result of a check. It logs and counts a difference: dnsmasq's new servers are
// better than its old ones. It reports whether dnsmasq does not read the file at all.
func (f *serversFile) onEnd(c *check) (unread bool) {
	if c != f.check {
		return false // a newer one runs
	}
	f.check = nil
	result := c.result()
	if c.start && result == resultDifferent && c.listed == 0 {
		return true
	}
	if !c.start {
		f.metrics.reloads.WithLabelValues(result).Inc()
	}
	f.metrics.differ.Set(float64(len(c.missing) + len(c.left)))
	switch result {
	case resultUnconfirmed:
		f.log.Warn("cannot read dnsmasq's list of servers", "err", c.err)
	case resultDifferent:
		f.log.Error("dnsmasq's servers differ from those it was given", "missing", c.missing, "left", c.left)
		return false
	}
	if !c.start {
		f.log.Info("changed servers without a restart", "result", result, "servers", upstreams.Texts(f.roll.Wanted),
			"leaving", len(f.roll.Leaving))
	}
	return false
}

func setOf[T comparable](list []T) map[T]bool {
	set := make(map[T]bool, len(list))
	for _, s := range list {
		set[s] = true
	}
	return set
}
