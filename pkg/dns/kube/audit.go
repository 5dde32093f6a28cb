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
	// auditTime is the maximum time between two audits. Half of it is random, so that many DNS
	// servers do not list at once.
	auditTime = 30 * time.Minute
	// auditSoon replaces auditTime after a long outage.
	auditSoon = time.Minute
	// auditPause is the time between the two looks of an audit. It is longer than the minute in
	// which a server updates a quiet watch with a bookmark.
	auditPause = 70 * time.Second
	// relistPause is the minimum time between two relists of a kind after audits. A second relist
	// does not cure a difference that the first did not.
	relistPause = time.Hour
	// namedDifferences is the maximum number of differences in a log line.
	namedDifferences = 5
)

// The resourceVersion of a list. The watch cache is cheapest for the server, but can lag without
// limit. The newest state comes from the storage.
const (
	fromCache = "0"
	newest    = ""
)

// An auditor finds changes that a watch has silently missed. From time to time it compares the
// states of the objects on the server with those that the writer holds. A difference alone proves
// nothing, because the watch or the server's cache can lag. It counts if the newest state still has
// it after a pause, and the watch has passed the server's version. It also counts if the newest
// state has an older version than ours. Then the data was restored from a backup, and a watch from
// a future version is silent.
type auditor struct {
	kinds   func() []auditKind
	inbox   *inbox
	tracker *tracker
	log     *slog.Logger
	metrics *Metrics

	relisted map[string]time.Time // by kind: when a relist was last requested
	logged   bool                 // that the server cannot list only metadata
}

// An auditKind is one kind of object that is audited.
type auditKind struct {
	name string              // of the resource
	role string              // as in a Status
	at   *listwatch.Position // of its follower
	api  string              // of endpoints; empty for Services
	list metadataLister      // the server's objects
	held func(zone) states   // the writer's objects
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

// wait returns when the next audit is due. It reports false if ctx is done first.
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

// audit looks at one kind, and again if there are differences. The error belongs to the results
// unsupported and error.
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

// look compares the server's objects of a kind with the writer's.
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
	// Everything up to here was passed to the writer, which applies it before it compares.
	c.version, c.passed = list, k.at.Version()
	result = auditSkipped
	a.inbox.call(ctx, func(w *writer) {
		if k.api == "" || k.api == w.api { // else another API now provides the endpoints
			c.differences, result = compare(shown, k.held(w.zone)), auditOK
		}
	})
	return c, result, nil
}

// watching reports whether changes of all objects arrive. Watches are open only after their lists
// are complete.
func (a *auditor) watching() bool {
	watches := a.tracker.status().Watches
	return !slices.ContainsFunc(watches, func(w Watch) bool { return !w.Connected })
}

// onMissed counts and logs changes that the watch has missed, and requests a relist.
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

// report logs why an audit was not possible. Lack of support in the server is logged once.
func (a *auditor) report(k auditKind, err error) {
	switch {
	case err == nil:
	case !errors.Is(err, listwatch.ErrNoMetadata):
		a.tracker.report(k.role, k.name, err)
	case !a.logged:
		a.logged = true
		a.log.Info("the API server does not list only metadata: stored objects are not compared with it",
			"resource", k.name, "err", err)
	}
}
