package querylog

import (
	"context"
	"sync"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
)

// period is the time between two flushes, while the tap takes samples.
const period = 50 * time.Millisecond

// A Log passes samples of queries to its sinks. Start switches it on for some time.
type Log struct {
	opts    Options
	tap     *Tap
	started chan struct{} // holds a token after a Start

	mu      sync.Mutex
	session *session // nil: off
}

// New returns a Log that is off. Run passes entries to the sinks.
func New(opts Options) *Log {
	opts = opts.withDefaults()
	l := &Log{opts: opts, started: make(chan struct{}, 1)}
	l.tap = &Tap{messages: opts.Always != nil, dropped: opts.Metrics.Dropped("buffer")}
	l.setSession(nil)
	return l
}

// Tap returns the tap that takes the samples.
func (l *Log) Tap() *Tap { return l.tap }

// Run passes entries to the sinks until ctx is done, and then switches the log off.
func (l *Log) Run(ctx context.Context) error {
	defer l.Stop()
	for ctx.Err() == nil {
		if l.tap.isOff() {
			select {
			case <-l.started:
			case <-ctx.Done():
			}
			continue
		}
		pause.For(ctx, period)
		l.flush(time.Now())
	}
	return nil
}

// flush passes the queued entries to the sinks, and stops a session that is over.
func (l *Log) flush(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.tap.take() {
		e.Client = l.opts.Clients.keep(e.Client)
		if l.opts.Always != nil && uint64(e.Draw) < limitOf(l.opts.Sample) {
			l.opts.Always.Put(&e)
		}
		if l.session != nil && uint64(e.Draw) < limitOf(l.session.Sample) {
			l.session.put(&e)
		}
	}
	if l.session != nil && !now.Before(l.session.until) {
		l.stop()
	}
}

// setSession replaces the session; nil: none. l.mu is held.
func (l *Log) setSession(s *session) {
	var limit uint64
	if l.opts.Always != nil {
		limit = limitOf(l.opts.Sample)
	}
	if s != nil {
		limit = max(limit, limitOf(s.Sample))
	}
	l.session = s
	l.tap.limit.Store(limit)
}

// Start switches the log on, or changes its settings and its end. The counts of the last minutes
// are kept if the sampled share is the same.
func (l *Log) Start(s Settings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := newSession(s, l.session, time.Now())
	if s.Lines > 0 {
		next.lines = &reader{
			filter: s.Filter, perSecond: s.Lines, dropped: l.opts.Metrics.Dropped("log"), take: logTo(l.opts.Logger),
		}
	}
	l.setSession(next)
	select {
	case l.started <- struct{}{}:
	default:
	}
	l.opts.Metrics.on.Set(1)
	l.opts.Logger.Info("switched the query log on",
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
	close(l.session.ended)
	l.setSession(nil)
	l.opts.Metrics.on.Set(0)
	l.opts.Logger.Info("switched the query log off")
}

// current returns the session, or ErrOff. l.mu is held.
func (l *Log) current() (*session, error) {
	if l.session == nil || !time.Now().Before(l.session.until) {
		return nil, ErrOff
	}
	return l.session, nil
}

// State returns the state of the log.
func (l *Log) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	state := State{APIVersion: "v1", Clients: l.opts.Clients}
	if s, err := l.current(); err == nil {
		state.On, state.Since, state.Until, state.Sample, state.Lines = true, s.since, s.until, s.Sample, s.Lines
	}
	return state
}

// Report returns the most frequent rows of the last minutes, or ErrOff.
func (l *Log) Report(q Question) (Report, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.current()
	if err != nil {
		return Report{}, err
	}
	return s.top.report(q, time.Now()), nil
}

// follow returns a queue of the entries that a filter selects, and a channel that is closed at the
// end of the session. The caller must call stop.
func (l *Log) follow(f Filter, perSecond int) (queue <-chan line, ended <-chan struct{}, stop func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.current()
	if err != nil {
		return nil, nil, nil, err
	}
	if len(s.streams) == maxStreams {
		return nil, nil, nil, errManyStreams
	}
	lines := make(chan line, maxQueued)
	r := &reader{filter: f, perSecond: perSecond, dropped: l.opts.Metrics.Dropped("stream"), take: sendTo(lines)}
	s.streams[r] = true
	return lines, s.ended, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(s.streams, r)
	}, nil
}
