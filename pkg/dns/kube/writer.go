package kube

import (
	"context"
	"iter"
	"log/slog"
	"sync/atomic"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// A zone is the part of a dns.Zone that a Source needs. Only the goroutine of Run calls it.
type zone interface {
	SetService(kubedns.Service)
	DeleteService(kubedns.Key)
	ReplaceServices([]kubedns.Service)
	SetEndpoints(kubedns.Endpoints)
	DeleteEndpoints(kubedns.Key)
	ReplaceEndpoints([]kubedns.Endpoints)
	HeadlessChanged(kubedns.Key) bool
	ServiceVersions() iter.Seq2[kubedns.Key, kubedns.ObjectVersion]
	EndpointsVersions() iter.Seq2[kubedns.Key, kubedns.ObjectVersion]
	Publish()
	MarkSynced()
}

// A delta is one step of a follower.
type delta[T any] struct {
	op   operation
	obj  T         // set and removed
	all  []T       // replaced
	from string    // the API of endpoints; empty for Services
	at   time.Time // when it arrived
	// trigger is when the cause of a change happened; zero if unknown.
	trigger time.Time
}

type operation int

const (
	set operation = iota
	removed
	replaced
)

// A queue is the sink that passes deltas to the writer.
type queue[T any] struct {
	to   chan<- delta[T]
	from string
}

func (q queue[T]) Set(ctx context.Context, v T, trigger time.Time) {
	q.send(ctx, delta[T]{op: set, obj: v, trigger: trigger})
}
func (q queue[T]) Remove(ctx context.Context, v T)    { q.send(ctx, delta[T]{op: removed, obj: v}) }
func (q queue[T]) Replace(ctx context.Context, l []T) { q.send(ctx, delta[T]{op: replaced, all: l}) }
func (q queue[T]) send(ctx context.Context, d delta[T]) {
	d.from, d.at = q.from, time.Now()
	select {
	case q.to <- d:
	case <-ctx.Done():
	}
}

// An inbox holds the input of the writer. Any goroutine can use it.
type inbox struct {
	services  chan delta[kubedns.Service]   // from the follower of Services
	endpoints chan delta[kubedns.Endpoints] // from the follower of endpoints
	calls     chan func(*writer)            // from the auditor
	// servicesKnown is closed by the writer when the zone holds all Services.
	servicesKnown chan struct{}
	// since is when the oldest change arrived that the writer has taken but not published; nil if
	// there is none.
	since atomic.Pointer[time.Time]
}

// queueLength is the maximum number of changes that wait for the writer. It takes all of them
// before it publishes.
const queueLength = 256

func newInbox() *inbox {
	return &inbox{
		services:      make(chan delta[kubedns.Service], queueLength),
		endpoints:     make(chan delta[kubedns.Endpoints], queueLength),
		calls:         make(chan func(*writer)),
		servicesKnown: make(chan struct{}),
	}
}

// call runs f between two changes of the zone, after the waiting changes, unless ctx is done first.
func (in *inbox) call(ctx context.Context, f func(*writer)) {
	done := make(chan struct{})
	select {
	case <-ctx.Done():
	case in.calls <- func(w *writer) { f(w); close(done) }:
		<-done
	}
}

// A writer changes the zone. It takes all waiting changes, then publishes them at once.
type writer struct {
	zone    zone
	inbox   *inbox
	tracker *tracker
	log     *slog.Logger
	metrics *Metrics

	hasServices bool
	// api is the API of the endpoints in the zone; empty before there are any.
	api    string
	synced bool
	// triggers are the times of the causes of unpublished changes of headless Services.
	triggers []time.Time
}

// run changes the zone until ctx is done.
func (w *writer) run(ctx context.Context) {
	for {
		var call func(*writer)
		select {
		case <-ctx.Done():
			return
		case d := <-w.inbox.services:
			w.onService(d)
		case d := <-w.inbox.endpoints:
			w.onEndpoints(d)
		case call = <-w.inbox.calls:
		}
		drain(w.inbox.services, w.onService)
		drain(w.inbox.endpoints, w.onEndpoints)
		w.publish()
		if call != nil {
			call(w)
		}
	}
}

// drain takes the waiting changes.
func drain[T any](from <-chan delta[T], take func(delta[T])) {
	for range queueLength {
		select {
		case d := <-from:
			take(d)
		default:
			return
		}
	}
}

// taken notes that there is something to publish, and when it arrived.
func (w *writer) taken(at time.Time) {
	if w.inbox.since.Load() == nil {
		w.inbox.since.Store(&at)
	}
}

func (w *writer) onService(d delta[kubedns.Service]) {
	w.taken(d.at)
	switch d.op {
	case set:
		w.zone.SetService(d.obj)
	case removed:
		w.zone.DeleteService(d.obj.Key)
	case replaced:
		w.zone.ReplaceServices(d.all)
		if !w.hasServices {
			w.hasServices = true
			close(w.inbox.servicesKnown)
		}
	}
}

// onEndpoints takes endpoints from the API of the zone's endpoints. Another API starts with a
// complete list.
func (w *writer) onEndpoints(d delta[kubedns.Endpoints]) {
	w.taken(d.at)
	switch {
	case d.op == replaced:
		w.api = d.from
		w.zone.ReplaceEndpoints(d.all)
	case d.from != w.api:
	case d.op == set:
		w.zone.SetEndpoints(d.obj)
		owner := kubedns.Key{Namespace: d.obj.Namespace, Name: d.obj.Service}
		if !d.trigger.IsZero() && w.zone.HeadlessChanged(owner) {
			w.triggers = append(w.triggers, d.trigger)
		}
	case d.op == removed:
		w.zone.DeleteEndpoints(d.obj.Key)
	}
}

// publish makes the changes visible.
func (w *writer) publish() {
	w.zone.Publish()
	if !w.synced && w.hasServices && w.api != "" {
		w.synced = true
		w.zone.MarkSynced()
		w.log.Info("initial sync complete", "endpoints", w.api)
	}
	w.tracker.published(w.hasServices, w.api)
	w.metrics.programmed(w.triggers, time.Now())
	w.triggers = w.triggers[:0]
	if since := w.inbox.since.Swap(nil); since != nil {
		w.metrics.publishing.Observe(time.Since(*since).Seconds())
	}
}
