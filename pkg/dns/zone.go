package dns

import (
	"cmp"
	"context"
	"errors"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// A Zone holds the objects of a cluster and the names that depend on them.
//
// The methods that set, delete, replace and publish objects, and MarkSynced, belong to one
// goroutine, the source's. Writes only mark Services dirty. Publish builds the new values and makes
// them visible, so a burst of changes to one Service costs one build. Any goroutine may call all
// other methods.
type Zone struct {
	*view
	*federations
	objects

	synced     atomic.Bool
	partial    atomic.Bool
	generation atomic.Uint64
	counts     counts
	digest     atomic.Uint64 // the sum of digestOf over the Services
	stale      atomic.Pointer[stale]
}

// A stale view answers instead of a zone that has no data yet, until its own data is too old.
type stale struct {
	*view
	until time.Time
}

// Options configure a Zone.
type Options struct {
	// Domain is the zone's apex with trailing dot, in lower case. Empty means
	// "cluster.local.".
	Domain string
}

// A Source feeds a Zone with objects: the Kubernetes API (package kube) or a
// directory of manifests (package manifest).
type Source interface {
	// Run calls the zone's writing methods from one goroutine until ctx is done, then returns nil.
	// It calls Zone.MarkSynced after publishing its first full list. Failures of the source are
	// logged and retried, never returned. An error means that it could not work at all.
	Run(ctx context.Context, z *Zone) error
}

var _ backend.PlainBackend = (*Zone)(nil)

// NewZone returns an empty zone that is not ready.
func NewZone(opts Options) *Zone {
	v := newView(cmp.Or(opts.Domain, "cluster.local."))
	return &Zone{view: v, federations: v.federations, objects: newObjects()}
}

// Publish makes all changes since the last Publish visible to queries.
func (z *Zone) Publish() {
	changed := false
	for k, r := range z.takeDirty() {
		changed = true
		var value *service
		if r.service != nil {
			value = build(r.service, r.endpoints, r.owner(z.domain))
		}
		z.digest.Add(digestOf(value) - digestOf(r.value))
		z.publish(r, value)
		z.hide(k, r)
		r.size = z.counts.change(r.size, sizeOf(value))
	}
	if changed {
		z.generation.Add(1)
	}
}

// digestBits is the size of a Digest. A float64 holds such a number exactly.
const digestBits = 52

// Digest returns a hash of the names and records of the zone's Services. Servers with the same
// Services and endpoints have the same digest, regardless of the order in which they received them.
// Any goroutine may call it.
func (z *Zone) Digest() uint64 { return z.digest.Load() & (1<<digestBits - 1) }

// Generation returns a number that grows with every published change.
func (z *Zone) Generation() uint64 { return z.generation.Load() }

// Counts returns the numbers of published objects and names. Any goroutine may call it.
func (z *Zone) Counts() Counts {
	return Counts{
		Services:  int(z.counts.services.Load()),
		Endpoints: int(z.counts.endpoints.Load()),
		Names:     int(z.counts.names.Load()),
	}
}

// MarkSynced notes that the first complete lists are published. From then on, a name that is not in
// the zone does not exist.
func (z *Zone) MarkSynced() {
	z.synced.Store(true)
	z.stale.Store(nil)
}

// HasSynced reports whether MarkSynced was called.
func (z *Zone) HasSynced() bool { return z.synced.Load() }

// MarkPartial makes the zone answer for published names before it has all data. It does not deny
// the existence of other names. Any goroutine may call it.
func (z *Zone) MarkPartial() { z.partial.Store(true) }

// ServeStale makes the zone answer from old, the data of an earlier run, until its own source has
// listed everything. Until then Status returns backend.Stale. Any goroutine may call it. old must
// not be changed afterwards.
func (z *Zone) ServeStale(old *Zone, until, endpointsUntil time.Time) {
	old.view.federations, old.view.endpointsUntil = z.federations, endpointsUntil
	z.stale.Store(&stale{view: old.view, until: until})
}

// answering returns the view that answers, the zone's own or a stale one, and whether names missing
// from it do not exist. The view is nil while there is no data.
func (z *Zone) answering() (v *view, complete bool) {
	if synced := z.synced.Load(); synced || z.partial.Load() {
		return z.view, synced
	}
	if s := z.stale.Load(); s != nil && time.Now().Before(s.until) {
		return s.view, true
	}
	return nil, false
}

// Status implements backend.Backend.
func (z *Zone) Status() backend.Status {
	switch v, complete := z.answering(); {
	case v == nil:
		return backend.NotReady
	case v != z.view:
		return backend.Stale
	case !complete:
		return backend.Partial
	}
	return backend.Ready
}

// Records implements backend.Backend for names at or below the zone's apex.
func (z *Zone) Records(ctx context.Context, q backend.Query) (backend.Answer, error) {
	v, complete := z.answering()
	if v == nil {
		return backend.Answer{}, backend.ErrNotReady
	}
	a, err := v.answer(ctx, q)
	if len(a.Records) == 0 && (err == nil || errors.Is(err, backend.ErrNotFound)) && !complete {
		return backend.Answer{}, backend.ErrNotReady // the name can be in the missing data
	}
	return a, err
}

// ReverseRecords implements backend.Backend.
func (z *Zone) ReverseRecords(addr netip.Addr) ([]backend.Record, error) {
	v, complete := z.answering()
	if v == nil {
		return nil, backend.ErrNotReady
	}
	rs, err := v.reverseRecords(addr)
	if errors.Is(err, backend.ErrNotFound) && !complete {
		return nil, backend.ErrNotReady
	}
	return rs, err
}

// ReverseBelow implements backend.Backend.
func (z *Zone) ReverseBelow(prefix netip.Prefix) error {
	switch v, complete := z.answering(); {
	case v != nil && v.reverse.prefixes.has(prefix):
		return nil
	case v == nil || !complete:
		return backend.ErrNotReady
	}
	return backend.ErrNotFound
}

// PlainRecords implements backend.PlainBackend. It has no answer while the data is old, because
// such answers are marked.
func (z *Zone) PlainRecords(name string, qtype uint16) backend.Plain {
	if !z.synced.Load() {
		return backend.Plain{}
	}
	return z.plain(name, qtype)
}

// PlainReverse implements backend.PlainBackend.
func (z *Zone) PlainReverse(addr netip.Addr) backend.Plain {
	if !z.synced.Load() {
		return backend.Plain{}
	}
	return z.plainReverse(addr)
}
