package kube

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// logEvery is how often one class of error is logged.
const logEvery = time.Minute

// What a Source follows, in the order in which it starts.
const (
	roleServices  = "services"
	roleEndpoints = "endpoints"
)

// A Status says how a Source fares, at one moment.
type Status struct {
	// Waiting names what has no complete list yet: services, endpoints. It is
	// empty from the first sync on.
	Waiting []string
	// Since is when the waiting began.
	Since time.Time
	// Problem is the last error that has not been overcome.
	Problem *Problem
	// Server is the version of the API server: "unknown" until it is.
	Server string
	// Endpoints is the API that endpoints come from, for example
	// "endpointslices.discovery.k8s.io/v1"; empty until one was listed.
	Endpoints string
	// Streaming says whether lists are streamed.
	Streaming bool
	// Watches has an entry for services and one for endpoints.
	Watches []Watch
}

// A Problem is an error of the API.
type Problem struct {
	// Resource is what could not be read.
	Resource string
	Reason   Reason
	// Text is the error.
	Text string
	// Advice says what to change. It is empty when waiting may help.
	Advice string
	// At is when it last happened.
	At time.Time
}

// A Watch is the state of one watch.
type Watch struct {
	Resource string
	// Connected: changes arrive.
	Connected bool
	// Changed is when Connected last changed.
	Changed time.Time
	// LastEvent is when the last change or bookmark arrived.
	LastEvent time.Time
}

// String says in one line what is being waited for, since when and why, and
// what to do about it. Empty when nothing is waited for.
func (s Status) String() string {
	if len(s.Waiting) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "waiting for %s of the API server since %s", strings.Join(s.Waiting, " and "), s.Since.UTC().Format(time.RFC3339))
	if p := s.Problem; p != nil {
		fmt.Fprintf(&b, ": %s: %s", p.Reason, p.Text)
		if p.Advice != "" {
			fmt.Fprintf(&b, " (%s)", p.Advice)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// Confirmed is the last moment at which the data was known to be the API
// server's: now while both watches are open, the zero time before they first
// were.
func (s Status) Confirmed(now time.Time) time.Time {
	if len(s.Waiting) > 0 {
		return time.Time{}
	}
	confirmed := now
	for _, w := range s.Watches {
		if !w.Connected && w.Changed.Before(confirmed) {
			confirmed = w.Changed
		}
	}
	return confirmed
}

// A tracker keeps the Status of a Source, logs what changes in it, and counts
// errors. It is safe for concurrent use.
type tracker struct {
	log     *slog.Logger
	metrics *Metrics

	mu      sync.Mutex
	waiting []string
	since   time.Time
	server  string
	api     string
	watches map[string]*watchState
	logged  map[Reason]time.Time
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
		server:  serverVersion{}.String(),
		watches: map[string]*watchState{},
		logged:  map[Reason]time.Time{},
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
	s := Status{
		Waiting: slices.Clone(t.waiting), Since: t.since,
		Server: t.server, Endpoints: t.api,
	}
	for _, role := range []string{roleServices, roleEndpoints} {
		w := t.watches[role]
		s.Watches = append(s.Watches, w.Watch)
		if w.problem != nil && (s.Problem == nil || w.problem.At.After(s.Problem.At)) {
			p := *w.problem
			s.Problem = &p
		}
	}
	return s
}

func (t *tracker) setServer(v serverVersion) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.server = v.String()
}

// published notes what can be asked for: Services, and the endpoints of api
// when it is not nil.
func (t *tracker) published(services bool, api *endpointsAPI) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = slices.DeleteFunc(t.waiting, func(role string) bool {
		return role == roleServices && services || role == roleEndpoints && api != nil
	})
	if api != nil {
		t.api = api.name
	}
}

// of returns the observer of one role.
func (t *tracker) of(role string) observer {
	return &trackedRole{tracker: t, role: role, watch: t.watches[role]}
}

// trackedRole implements observer for a tracker.
type trackedRole struct {
	*tracker
	role      string
	watch     *watchState     // under the tracker's lock
	lastEvent func(time.Time) // nil before the first event
}

func (t *trackedRole) connected() {
	t.mu.Lock()
	w := t.watch
	again := w.problem != nil
	if !w.Connected {
		w.Connected, w.Changed = true, time.Now()
	}
	w.problem = nil
	t.mu.Unlock()
	t.metrics.connected.WithLabelValues(t.role).Set(1)
	if again {
		t.log.Info("watching the API server again", "resource", t.role)
	}
}

func (t *trackedRole) event() {
	now := time.Now()
	t.mu.Lock()
	t.watch.LastEvent = now
	t.mu.Unlock()
	if t.lastEvent == nil {
		t.lastEvent = t.metrics.eventsOf(t.role)
	}
	t.lastEvent(now)
}

func (t *trackedRole) lost() {
	t.mu.Lock()
	if w := t.watch; w.Connected {
		w.Connected, w.Changed = false, time.Now()
	}
	t.mu.Unlock()
	t.metrics.connected.WithLabelValues(t.role).Set(0)
}

func (t *trackedRole) failed(err error) {
	p := t.report(t.role, err)
	t.mu.Lock()
	t.watch.problem = p
	t.mu.Unlock()
}

// report counts and logs an error.
func (t *tracker) report(role string, err error) *Problem {
	reason := reasonOf(err)
	p := &Problem{Resource: role, Reason: reason, Text: err.Error(), Advice: adviceFor(reason, role), At: time.Now()}
	t.metrics.errors.WithLabelValues(role, string(reason)).Inc()
	t.mu.Lock()
	due := t.due(reason, p.At)
	t.mu.Unlock()
	if due {
		logProblem(t.log, p)
	}
	return p
}

// due says whether an error of this class is to be logged again.
func (t *tracker) due(reason Reason, now time.Time) bool {
	if last, ok := t.logged[reason]; ok && now.Sub(last) < logEvery {
		return false
	}
	t.logged[reason] = now
	return true
}

func logProblem(log *slog.Logger, p *Problem) {
	if p.Advice != "" {
		log.Error("cannot read from the API server, and waiting will not help",
			"resource", p.Resource, "reason", string(p.Reason), "err", p.Text, "advice", p.Advice)
		return
	}
	log.Warn("cannot read from the API server, trying again",
		"resource", p.Resource, "reason", string(p.Reason), "err", p.Text)
}
