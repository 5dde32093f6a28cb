package kube

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

const (
	// Between two audits is a time between the half and the whole of this, so
	// that many DNS servers do not ask at once.
	auditTime = 30 * time.Minute
	// After a long outage the next audit begins between the half and the whole of this.
	auditSoon = time.Minute
	// auditPause is the time between the two looks of an audit. It is longer
	// than the minute in which a server brings a quiet watch up to date by a
	// bookmark.
	auditPause = 70 * time.Second
	// relistPause is the least time between two relists of a kind for what
	// audits find. What a relist does not cure is not cured by another one.
	relistPause = time.Hour
	// namedDifferences is how many differences a log line names.
	namedDifferences = 5
)

// The resourceVersion of a list: the watch cache has what costs the server least, but
// may be behind for as long as it likes; the newest state comes from the storage.
const (
	fromCache = "0"
	newest    = ""
)

// An auditor finds changes that a watch has missed without a sign: now and then
// it asks the server in which states the objects are, and compares these with
// what the writer holds. Two states that differ prove nothing, since the watch,
// or the server's cache, may be on its way. So a difference counts when the newest
// state still has it after a pause, and the watch has passed the version that the
// server shows. It also counts when the newest state has an older version than we
// hold: then the data was restored from a backup, and a watch from a version that
// lies in its future is silent.
type auditor struct {
	kinds   func() []auditKind
	inbox   *inbox
	tracker *tracker
	log     *slog.Logger
	metrics *Metrics

	relisted map[string]time.Time // by kind: when a relist was last asked for
	logged   bool                 // that the server does not list metadata alone
}

// An auditKind is one kind of object that is audited.
type auditKind struct {
	name string              // of the resource
	role string              // as in a Status
	at   *listwatch.Position // of its follower
	api  string              // of endpoints; empty for Services
	list metadataLister      // what the server shows
	held func(zone) states   // what the writer holds
}

// run audits until ctx is done.
func (a *auditor) run(ctx context.Context) {
	for a.wait(ctx) {
		for _, k := range a.kinds() {
			result, err := a.audit(ctx, k)
			if ctx.Err() != nil {
				return
			}
			a.metrics.audits.WithLabelValues(k.role, result).Inc()
			a.log.Debug("audited", "resource", k.name, "result", result)
			a.report(k, err)
		}
	}
}

// wait returns when the next audit is due. It reports false when ctx is done before.
func (a *auditor) wait(ctx context.Context) bool {
	next := time.NewTimer(auditTime/2 + rand.N(auditTime/2))
	defer next.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-next.C:
		return true
	case <-a.tracker.back:
		return pause.For(ctx, auditSoon/2+rand.N(auditSoon/2))
	}
}

// audit looks at one kind, and once more when there are differences. The error
// is for the results unsupported and error.
func (a *auditor) audit(ctx context.Context, k auditKind) (result string, err error) {
	a.metrics.differences.WithLabelValues(k.role).Add(0) // so that the first one is an increase
	first, result, err := a.look(ctx, k, fromCache)
	if result != auditOK || len(first.differences) == 0 {
		return result, err
	}
	if !pause.For(ctx, auditPause) {
		return auditSkipped, nil
	}
	second, result, err := a.look(ctx, k, newest)
	if result != auditOK {
		return result, err
	}
	missed, unclear := lasting(first, second)
	switch {
	case len(missed) > 0:
		a.onMissed(k, missed)
		return auditDifferent, nil
	case unclear:
		return auditUnclear, nil
	}
	return auditOK, nil
}

// look compares what the server shows of a kind with what the writer holds.
func (a *auditor) look(ctx context.Context, k auditKind, version string) (c comparison, result string, err error) {
	if !a.watching() {
		return c, auditSkipped, nil
	}
	shown, list, err := show(ctx, k.list, version)
	switch {
	case errors.Is(err, listwatch.ErrNoMetadata):
		return c, auditUnsupported, err
	case err != nil:
		return c, auditError, err
	}
	// Everything up to here was handed to the writer, which takes it before it compares.
	c.version, c.passed = list, k.at.Version()
	result = auditSkipped
	a.inbox.call(ctx, func(w *writer) {
		if k.api == "" || k.api == w.api { // else endpoints come from another API by now
			c.differences, result = compare(shown, k.held(w.zone)), auditOK
		}
	})
	return c, result, nil
}

// watching reports whether changes of all objects arrive. Watches are open only
// when their lists are complete.
func (a *auditor) watching() bool {
	watches := a.tracker.status().Watches
	return !slices.ContainsFunc(watches, func(w Watch) bool { return !w.Connected })
}

// onMissed counts and logs what the watch has missed, and has it listed again.
func (a *auditor) onMissed(k auditKind, missed []difference) {
	a.metrics.differences.WithLabelValues(k.role).Add(float64(len(missed)))
	last, before := a.relisted[k.name]
	relist := !before || time.Since(last) >= relistPause
	if relist {
		a.relisted[k.name] = time.Now()
		k.at.Relist()
	}
	var named []string
	for _, d := range missed[:min(len(missed), namedDifferences)] {
		named = append(named, d.String())
	}
	a.log.Error("the watch of the API server has missed changes", "resource", k.name,
		"objects", len(missed), "first", strings.Join(named, "; "), "relist", relist)
}

// report logs why an audit was not possible. That the server cannot do it is logged
// once.
func (a *auditor) report(k auditKind, err error) {
	switch {
	case err == nil:
	case !errors.Is(err, listwatch.ErrNoMetadata):
		a.tracker.report(k.role, k.name, err)
	case !a.logged:
		a.logged = true
		a.log.Info("the API server does not list metadata alone: what is held is not compared with it", "resource", k.name,
			"err", err)
	}
}
