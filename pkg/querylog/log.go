package querylog

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
)

// period is the time between two flushes, while there are sinks.
const period = 50 * time.Millisecond

// A Log hands samples of queries to its sinks. Start switches it on for some time.
type Log struct {
	clients Clients
	sample  float64
	always  bool // Options.Always is set
	log     *slog.Logger
	metrics *Metrics
	tap     *Tap
	ended   chan struct{} // closed when Run returns
	readers chan struct{} // holds a token for each stream

	mu      sync.Mutex
	session *session // nil: off
}

// New returns a Log that is off. Run hands entries to the sinks.
func New(opts Options) *Log {
	opts = opts.withDefaults()
	l := &Log{
		clients: opts.Clients, sample: opts.Sample, always: opts.Always != nil, log: opts.Logger,
		metrics: opts.Metrics,
		ended:   make(chan struct{}), readers: make(chan struct{}, maxReaders),
	}
	l.tap = newTap(opts.Clients, l.metrics.Dropped("buffer"))
	if opts.Always != nil {
		l.tap.replace(none, &tapped{sink: opts.Always, limit: limitOf(opts.Sample), messages: true})
	}
	return l
}

func none(Sink) bool { return false }

// Tap returns the tap that takes the samples.
func (l *Log) Tap() *Tap { return l.tap }

// Run hands entries to the sinks until ctx is done.
func (l *Log) Run(ctx context.Context) error {
	defer close(l.ended)
	for ctx.Err() == nil {
		if l.tap.isOff() {
			select {
			case <-l.tap.changed:
			case <-ctx.Done():
			}
			continue
		}
		pause.For(ctx, period)
		l.tap.flush()
		l.expire(time.Now())
	}
	l.tap.flush()
	return nil
}

// Start switches the log on, or changes its settings and its end. The counts of the
// last minutes are kept while the sampled share stays the same.
func (l *Log) Start(s Settings) {
	now := time.Now()
	next := &session{Settings: s, since: now, until: now.Add(s.For)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if old := l.session; old != nil && old.Sample == s.Sample {
		next.since, next.top = old.since, old.top
	} else {
		next.top = newTop(s.Sample, now)
	}
	add := []*tapped{{sink: next.top, limit: limitOf(s.Sample)}}
	if s.Lines > 0 {
		next.lines = &lines{gate{filter: s.Filter, perSecond: s.Lines, dropped: l.metrics.Dropped("log")}, l.log}
		add = append(add, &tapped{sink: next.lines, limit: limitOf(s.Sample)})
	}
	l.tap.replace(l.session.has, add...)
	l.session = next
	l.metrics.on.Set(1)
	l.log.Info("switched the query log on",
		"until", next.until.UTC().Format(time.RFC3339), "sample", s.Sample, "lines", s.Lines)
}

// Stop switches the log off, and drops the counts.
func (l *Log) Stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stop()
}

func (l *Log) stop() {
	if l.session == nil {
		return
	}
	l.tap.replace(l.session.has)
	l.session = nil
	l.metrics.on.Set(0)
	l.log.Info("switched the query log off")
}

// expire stops a session that is over.
func (l *Log) expire(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session != nil && !now.Before(l.session.until) {
		l.stop()
	}
}

// current returns the session, or ErrOff.
func (l *Log) current() (session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session == nil || !time.Now().Before(l.session.until) {
		return session{}, ErrOff
	}
	return *l.session, nil
}

// State returns the state of the log.
func (l *Log) State() State {
	state := State{APIVersion: "v1", Clients: l.clients}
	if s, err := l.current(); err == nil {
		state.On, state.Since, state.Until, state.Sample, state.Lines = true, s.since, s.until, s.Sample, s.Lines
	}
	return state
}

// Report returns what was most frequent in the last minutes, or ErrOff.
func (l *Log) Report(q Question) (Report, error) {
	s, err := l.current()
	if err != nil {
		return Report{}, err
	}
	return s.top.Report(q, time.Now())
}

// follow returns a stream of entries, until stop is called.
func (l *Log) follow(f Filter, perSecond int) (s *stream, stop func(), err error) {
	now, err := l.current()
	if err != nil {
		return nil, nil, err
	}
	s = &stream{gate{filter: f, perSecond: perSecond, dropped: l.metrics.Dropped("stream")}, make(chan Line, maxQueued)}
	l.tap.replace(none, &tapped{sink: s, limit: limitOf(now.Sample)})
	return s, func() { l.tap.replace(func(other Sink) bool { return other == Sink(s) }) }, nil
}
