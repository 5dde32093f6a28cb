package kube

import (
	"context"
	"iter"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// A zone is what a Source needs of a dns.Zone. WantsEndpoints is called from
// any goroutine, the rest from the one that runs Run.
type zone interface {
	SetService(kubedns.Service)
	DeleteService(kubedns.Key)
	ReplaceServices([]kubedns.Service)
	SetEndpoints(kubedns.Endpoints)
	DeleteEndpoints(kubedns.Key)
	ReplaceEndpoints([]kubedns.Endpoints)
	ServiceVersions() iter.Seq2[kubedns.Key, kubedns.ObjectVersion]
	EndpointsVersions() iter.Seq2[kubedns.Key, kubedns.ObjectVersion]
	Publish() (missing []kubedns.Key)
	MarkSynced()
	WantsEndpoints(kubedns.Key) bool
}

// A delta is one step of a follower.
type delta[T any] struct {
	op   operation
	obj  T             // set and removed
	all  []T           // replaced
	from *endpointsAPI // nil for Services
	at   time.Time     // when it arrived
}

type operation int

const (
	set operation = iota
	removed
	replaced
)

// A queue is the sink that hands deltas to the writer.
type queue[T any] struct {
	to   chan<- delta[T]
	from *endpointsAPI
}

func (q queue[T]) set(ctx context.Context, v T)       { q.send(ctx, delta[T]{op: set, obj: v}) }
func (q queue[T]) remove(ctx context.Context, v T)    { q.send(ctx, delta[T]{op: removed, obj: v}) }
func (q queue[T]) replace(ctx context.Context, l []T) { q.send(ctx, delta[T]{op: replaced, all: l}) }
func (q queue[T]) send(ctx context.Context, d delta[T]) {
	d.from, d.at = q.from, time.Now()
	select {
	case q.to <- d:
	case <-ctx.Done():
	}
}

// dropUnwanted leaves the addresses out of endpoints whose Service is not
// headless: names follow from them only there.
func dropUnwanted(z zone, e kubedns.Endpoints) kubedns.Endpoints {
	if len(e.Subsets) > 0 && !z.WantsEndpoints(kubedns.Key{Namespace: e.Namespace, Name: e.Service}) {
		e.Subsets, e.Dropped = nil, true
	}
	return e
}

// A writer is the one who changes the zone. It takes all changes that wait,
// then publishes them together.
type writer struct {
	zone   zone
	source *Source
	merge  *merge

	// servicesKnown is closed by the writer when the zone holds all Services.
	servicesKnown chan struct{}
	hasServices   bool
	// api is where the endpoints in the zone come from; nil before there are
	// any.
	api    *endpointsAPI
	synced bool
}

func newWriter(z zone, s *Source) *writer {
	return &writer{zone: z, source: s, merge: newMerge(), servicesKnown: make(chan struct{})}
}

// run changes the zone until ctx is done.
func (w *writer) run(ctx context.Context) {
	for {
		var asked *question
		jobs, next := w.nextFetch()
		select {
		case <-ctx.Done():
			return
		case d := <-w.source.services:
			w.onService(d)
		case d := <-w.source.endpoints:
			w.drainServices()
			w.onEndpoints(d)
		case f := <-w.source.fetched:
			w.onFetched(f)
		case q := <-w.source.questions:
			asked = &q
		case jobs <- next:
			w.merge.begin()
			continue
		}
		w.drainServices()
		w.drainEndpoints()
		w.publish()
		if asked != nil {
			w.onQuestion(*asked)
		}
	}
}

// drainServices takes the Services that wait. They come first so that no
// endpoints are dropped whose Service is about to become headless.
func (w *writer) drainServices() {
	for range queueLength {
		select {
		case d := <-w.source.services:
			w.onService(d)
		default:
			return
		}
	}
}

func (w *writer) drainEndpoints() {
	for range queueLength {
		select {
		case d := <-w.source.endpoints:
			w.onEndpoints(d)
		default:
			return
		}
	}
}

// taken notes that there is something to publish, which arrived at a time.
func (w *writer) taken(at time.Time) {
	if w.source.since.Load() == nil {
		w.source.since.Store(&at)
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
			close(w.servicesKnown)
		}
	}
}

func (w *writer) onEndpoints(d delta[kubedns.Endpoints]) {
	w.taken(d.at)
	switch d.op {
	case set:
		e := dropUnwanted(w.zone, d.obj)
		if w.merge.heard(e) {
			w.zone.SetEndpoints(e)
		}
	case removed:
		if w.merge.heard(d.obj) {
			w.zone.DeleteEndpoints(d.obj.Key)
		}
	case replaced:
		w.api = d.from
		w.merge.restart()
		w.zone.ReplaceEndpoints(d.all)
	}
}

// onFetched takes the endpoints of one Service. They are of no use when all
// endpoints were listed since they were asked for.
func (w *writer) onFetched(f fetch) {
	w.taken(time.Now())
	for _, e := range w.merge.end(f) {
		w.zone.SetEndpoints(e)
	}
}

// onQuestion compares what the server shows with what is held, after the queues
// were emptied.
func (w *writer) onQuestion(q question) {
	if q.kind.api != nil && q.kind.api != w.api {
		q.answer <- answer{}
		return
	}
	q.answer <- answer{differences: compare(q.shown, q.kind.held(w.zone)), ok: true}
}

// nextFetch returns what to offer to the fetchers: nothing while the API is
// being changed, since endpoints of two APIs must not come together.
func (w *writer) nextFetch() (chan<- fetch, fetch) {
	f, ok := w.merge.next()
	if !ok || w.source.kind.Load() != w.api {
		return nil, fetch{}
	}
	f.api = w.api
	return w.source.jobs, f
}

// publish makes the changes visible, and asks for what turned out to be missing.
func (w *writer) publish() {
	for _, k := range w.zone.Publish() {
		w.merge.want(k)
	}
	if !w.synced && w.hasServices && w.api != nil {
		w.synced = true
		w.zone.MarkSynced()
		w.source.log.Info("all names are known", "endpoints", w.api.name)
	}
	w.source.tracker.published(w.hasServices, w.api)
	if since := w.source.since.Swap(nil); since != nil {
		w.source.metrics.publishing.Observe(time.Since(*since).Seconds())
	}
}
