package kube

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

const (
	// logEvery is how often one class of error is logged.
	logEvery = time.Minute
	// longOutage is how long a watch is closed when one API server takes over from another. A
	// longer outage can mean more, such as a restored backup.
	longOutage = 20 * time.Second
)

// A Status is the state of a Source at one moment.
type Status struct {
	// Waiting names the resources without a complete list: services, endpoints. It is empty after
	// the first sync.
	Waiting []string
	// Since is when the wait started.
	Since time.Time
	// Problem is the last error of a watch that is not open.
	Problem *Problem
	// Server is the version of the API server, or "unknown".
	Server string
	// Endpoints is the API that endpoints are read from, for example
	// "endpointslices.discovery.k8s.io/v1"; empty before the first list.
	Endpoints string
	// Streaming: lists are streamed.
	Streaming bool
	// Watches has an entry for services and one for endpoints.
	Watches []Watch
}

// A Problem is an error of the API.
type Problem struct {
	// Resource is the resource that could not be read.
	Resource string
	Reason   listwatch.Reason
	// Text is the error.
	Text string
	// Advice is the remedy. It is empty for errors that are often temporary.
	Advice string
	// At is when it happened last.
	At time.Time
}

// A Watch is the state of one watch.
type Watch struct {
	Resource string
	// Connected: the server has opened the watch.
	Connected bool
	// Changed is when Connected last changed.
	Changed time.Time
	// Confirmed is when the last list, change or bookmark arrived.
	Confirmed time.Time
}

// String returns in one line what the first sync lacks, since when, why, and the remedy. It is
// empty if nothing is missing.
func (s Status) String() string {
	if len(s.Waiting) == 0 {
		return ""
	}
	return s.line("waiting for %s of the API server since %s", s.Waiting, s.Since)
}

// line returns a text about resources since a time, with the problem, in one line.
func (s Status) line(format string, resources []string, since time.Time) string {
	text := fmt.Sprintf(format, strings.Join(resources, " and "), since.UTC().Format(time.RFC3339))
	if s.Problem != nil {
		text += ": " + s.Problem.String()
	}
	return strings.Join(strings.Fields(text), " ")
}

// Trouble returns in one line which watches are not open, since when and why. It is empty if
// changes of everything arrive, and before the first sync.
func (s Status) Trouble() string {
	if len(s.Waiting) > 0 {
		return ""
	}
	var lost []string
	since := time.Time{}
	for _, w := range s.Watches {
		if !w.Connected {
			lost = append(lost, w.Resource)
			if since.IsZero() || w.Changed.Before(since) {
				since = w.Changed
			}
		}
	}
	if len(lost) == 0 {
		return ""
	}
	return s.line("no changes of %s since %s", lost, since)
}

// String returns the class of the error, its text and the advice.
func (p *Problem) String() string {
	text := fmt.Sprintf("%s: %s", p.Reason, p.Text)
	if p.Advice != "" {
		text += " (" + p.Advice + ")"
	}
	return text
}

// Confirmed returns the last time at which the data was known to be the API server's: the oldest of
// the times at which each resource was last listed, changed or had a bookmark. An open watch
// confirms nothing. It is the zero time before the first sync.
func (s Status) Confirmed() time.Time {
	if len(s.Waiting) > 0 {
		return time.Time{}
	}
	var confirmed time.Time
	for i, w := range s.Watches {
		if i == 0 || w.Confirmed.Before(confirmed) {
			confirmed = w.Confirmed
		}
	}
	return confirmed
}

// A tracker keeps the Status of a Source, logs its changes, and counts errors. It is safe for
// concurrent use.
type tracker struct {
	log     *slog.Logger
	metrics *Metrics

	mu      sync.Mutex
	waiting []string
	since   time.Time
	api     string
	watches map[string]*watchState
	logged  map[logKey]time.Time
	// back receives a value when a watch opens again after a long outage.
	back chan struct{}
}

// A logKey is a kind of log line that is written once per logEvery.
type logKey struct {
	role   string
	reason listwatch.Reason
}

type watchState struct {
	Watch
	problem *Problem
}

func newTracker(log *slog.Logger, m *Metrics) *tracker {
	t := &tracker{
		log: log, metrics: m,
		waiting: []string{roleServices, roleEndpoints},
		since:   time.Now(),
		watches: map[string]*watchState{},
		logged:  map[logKey]time.Time{},
		back:    make(chan struct{}, 1),
	}
	for _, role := range t.waiting {
		t.watches[role] = &watchState{Watch: Watch{Resource: role, Changed: t.since}}
		m.connected.WithLabelValues(role).Set(0)
	}
	return t
}

func (t *tracker) status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Status{Waiting: slices.Clone(t.waiting), Since: t.since, Endpoints: t.api}
	for _, role := range []string{roleServices, roleEndpoints} {
		w := t.watches[role]
		s.Watches = append(s.Watches, w.Watch)
		if w.problem != nil && !w.Connected && (s.Problem == nil || w.problem.At.After(s.Problem.At)) {
			p := *w.problem
			s.Problem = &p
		}
	}
	return s
}

// published notes that queries can see Services, and the endpoints of api unless it is empty.
func (t *tracker) published(services bool, api string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = slices.DeleteFunc(t.waiting, func(role string) bool {
		return role == roleServices && services || role == roleEndpoints && api != ""
	})
	if api != "" {
		t.api = api
	}
}

// of returns the observer of one role, read from a resource of the API.
func (t *tracker) of(role, resource string) listwatch.Observer {
	return &trackedRole{tracker: t, role: role, resource: resource, watch: t.watches[role]}
}

// trackedRole implements listwatch.Observer for a tracker.
type trackedRole struct {
	*tracker
	role, resource string
	watch          *watchState // under the tracker's lock
}

func (t *trackedRole) Connected() {
	now := time.Now()
	t.metrics.watches.WithLabelValues(t.role).Inc()
	t.mu.Lock()
	w := t.watch
	again := w.problem != nil && t.due(logKey{role: t.role}, now)
	if !w.Connected {
		if len(t.waiting) == 0 && now.Sub(w.Changed) >= longOutage {
			t.isBack()
		}
		w.Connected, w.Changed = true, now
	}
	w.problem = nil
	t.mu.Unlock()
	t.metrics.connected.WithLabelValues(t.role).Set(1)
	if again {
		t.log.Info("watching the API server again", "resource", t.role)
	}
}

// isBack notes that a watch opened again after a long outage.
func (t *tracker) isBack() {
	select {
	case t.back <- struct{}{}:
	default:
	}
}

func (t *trackedRole) Listed(mode string) {
	t.metrics.lists.WithLabelValues(t.role, mode).Inc()
	t.confirm()
}

func (t *trackedRole) Event() {
	t.confirm()
	t.metrics.lastEvent.WithLabelValues(t.role).SetToCurrentTime()
}

func (t *trackedRole) confirm() {
	t.mu.Lock()
	t.watch.Confirmed = time.Now()
	t.mu.Unlock()
}

func (t *trackedRole) Lost() {
	t.mu.Lock()
	if w := t.watch; w.Connected {
		w.Connected, w.Changed = false, time.Now()
	}
	t.mu.Unlock()
	t.metrics.connected.WithLabelValues(t.role).Set(0)
}

func (t *trackedRole) Failed(err error) {
	p := t.report(t.role, t.resource, err)
	t.mu.Lock()
	t.watch.problem = p
	t.mu.Unlock()
}

// report counts and logs an error with a resource of the API.
func (t *tracker) report(role, resource string, err error) *Problem {
	reason := listwatch.ReasonOf(err)
	p := &Problem{Resource: role, Reason: reason, Text: err.Error(), Advice: listwatch.AdviceFor(reason, resource),
		At: time.Now()}
	t.metrics.errors.WithLabelValues(role, string(reason)).Inc()
	t.mu.Lock()
	due := t.due(logKey{role, reason}, p.At)
	t.mu.Unlock()
	if due {
		logProblem(t.log, p)
	}
	return p
}

// due reports whether to log a line of this kind again.
func (t *tracker) due(k logKey, now time.Time) bool {
	if last, ok := t.logged[k]; ok && now.Sub(last) < logEvery {
		return false
	}
	t.logged[k] = now
	return true
}

func logProblem(log *slog.Logger, p *Problem) {
	log = log.With("resource", p.Resource, "class", string(p.Reason), "err", p.Text)
	if p.Advice != "" {
		log.Error("cannot read from the API server, trying again", "advice", p.Advice)
		return
	}
	log.Warn("cannot read from the API server, trying again")
}
