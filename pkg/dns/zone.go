package dns

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// A Zone holds the objects of a cluster and the names that follow from them.
//
// The methods from SetService to MarkSynced belong to one goroutine, the
// source's. Those that write only mark Services as dirty; Publish builds
// the new values and makes them visible, so a burst of changes to one Service
// is one build. All other methods may be called by anybody.
type Zone struct {
	domain  string // with trailing dot
	tree    *treecache.Tree[service]
	reverse reverseIndex

	// The writer's own.
	records   map[Key]*record    // by the Service's key
	endpoints map[Key]*Endpoints // by the object's own key
	dirty     []Key              // each once: see record.dirty

	synced     atomic.Bool
	partial    atomic.Bool
	generation atomic.Uint64
	counts     counts
	stale      atomic.Pointer[stale]
	// endpointsUntil is set in a zone of old data, before it is published.
	endpointsUntil time.Time

	federations atomic.Pointer[map[string]string]
	locate      atomic.Pointer[func(context.Context) (Location, error)]
	known       atomic.Pointer[Location]
}

// A record is all that the writer holds of one Service.
type record struct {
	service   *Service     // nil: there are only endpoints
	endpoints []*Endpoints // by name
	dirty     bool         // to be published
	// What is published, if anything is.
	node  *treecache.Node[service]
	value *service
	size  size // of value
}

func (r *record) empty() bool { return r.service == nil && len(r.endpoints) == 0 && r.value == nil }

// owner is the name of the Service, which is not nil.
func (r *record) owner(zone string) string {
	if r.value != nil {
		return r.value.owner
	}
	return r.service.owner(zone)
}

// Options of a Zone.
type Options struct {
	// Domain is the zone's apex with trailing dot, in lower case. Empty means
	// "cluster.local.".
	Domain string
}

// NewZone returns an empty zone that is not ready.
func NewZone(opts Options) *Zone {
	domain := cmp.Or(opts.Domain, "cluster.local.")
	return &Zone{
		domain:    domain,
		tree:      treecache.New[service](domain),
		records:   map[Key]*record{},
		endpoints: map[Key]*Endpoints{},
	}
}

// record returns the record of a Service.
func (z *Zone) record(k Key) *record {
	r := z.records[k]
	if r == nil {
		r = &record{}
		z.records[k] = r
	}
	return r
}

// touch returns the record of a Service, and marks it as dirty.
func (z *Zone) touch(k Key) *record {
	r := z.record(k)
	if !r.dirty {
		r.dirty = true
		z.dirty = append(z.dirty, k)
	}
	return r
}

// anyReady reports whether an endpoint is ready.
func (r *record) anyReady() bool {
	return slices.ContainsFunc(r.endpoints, func(e *Endpoints) bool { return e.AnyReady })
}

// changeEndpoints changes the endpoints of a Service. The Service is dirty only when
// its names follow from them: those of a Service with a ClusterIP depend on whether
// there is a ready one.
func (z *Zone) changeEndpoints(k Key, change func(*record)) {
	r := z.record(k)
	ready := r.anyReady()
	change(r)
	switch {
	case r.empty() && !r.dirty:
		delete(z.records, k)
	case r.service != nil && (r.service.Headless || r.anyReady() != ready):
		z.touch(k)
	}
}

// SetService adds or replaces a Service.
func (z *Zone) SetService(s Service) {
	if r := z.records[s.Key]; r != nil && r.service != nil {
		// Most updates of an object change nothing that we keep of it.
		if sameService(r.service, &s) {
			*r.service = s
			return
		}
	}
	z.touch(s.Key).service = &s
}

// sameService says whether the same names follow from both.
func sameService(a, b *Service) bool {
	return a.Key == b.Key && a.Headless == b.Headless && a.ExternalName == b.ExternalName && a.PublishNotReady == b.PublishNotReady &&
		slices.Equal(a.ClusterIPs, b.ClusterIPs) && slices.Equal(a.Ports, b.Ports)
}

// DeleteService removes a Service, if it is there.
func (z *Zone) DeleteService(k Key) {
	if r := z.records[k]; r != nil && r.service != nil {
		z.touch(k).service = nil
	}
}

// ReplaceServices makes list all the Services there are.
func (z *Zone) ReplaceServices(list []Service) {
	keep := make(map[Key]bool, len(list))
	for _, s := range list {
		keep[s.Key] = true
		z.SetService(s)
	}
	for k := range z.records {
		if !keep[k] {
			z.DeleteService(k)
		}
	}
}

// SetEndpoints adds or replaces one EndpointSlice or Endpoints object.
func (z *Zone) SetEndpoints(e Endpoints) {
	if old := z.endpoints[e.Key]; old != nil {
		if old.Service != e.Service {
			z.DeleteEndpoints(e.Key)
		} else if sameEndpoints(old, &e) {
			old.Version, old.UID = e.Version, e.UID
			return
		}
	}
	z.endpoints[e.Key] = &e
	z.changeEndpoints(e.owner(), func(r *record) {
		i, found := r.find(e.Name)
		if found {
			r.endpoints[i] = &e
		} else {
			r.endpoints = slices.Insert(r.endpoints, i, &e)
		}
	})
}

// owner is the key of the Service that the endpoints belong to.
func (e *Endpoints) owner() Key { return Key{e.Namespace, e.Service} }

func (r *record) find(name string) (int, bool) {
	return slices.BinarySearchFunc(r.endpoints, name, func(e *Endpoints, name string) int { return strings.Compare(e.Name, name) })
}

// sameEndpoints says whether the same names follow from both.
func sameEndpoints(a, b *Endpoints) bool {
	return a.AnyReady == b.AnyReady && slices.EqualFunc(a.Subsets, b.Subsets, func(a, b Subset) bool {
		return slices.Equal(a.Ports, b.Ports) && slices.Equal(a.Endpoints, b.Endpoints)
	})
}

// DeleteEndpoints removes the object of that name, if it is there.
func (z *Zone) DeleteEndpoints(k Key) {
	e := z.endpoints[k]
	if e == nil {
		return
	}
	delete(z.endpoints, k)
	z.changeEndpoints(e.owner(), func(r *record) {
		if i, found := r.find(e.Name); found {
			r.endpoints = slices.Delete(r.endpoints, i, i+1)
		}
	})
}

// ReplaceEndpoints makes list all the EndpointSlices or Endpoints there are.
func (z *Zone) ReplaceEndpoints(list []Endpoints) {
	keep := make(map[Key]bool, len(list))
	for _, e := range list {
		keep[e.Key] = true
		z.SetEndpoints(e)
	}
	for k := range z.endpoints {
		if !keep[k] {
			z.DeleteEndpoints(k)
		}
	}
}

// Publish makes all changes since the last Publish visible to queries.
func (z *Zone) Publish() {
	if len(z.dirty) == 0 {
		return
	}
	for _, k := range z.dirty {
		r := z.records[k]
		r.dirty = false
		if r.service == nil {
			z.publish(r, nil)
		} else {
			z.publish(r, build(r.service, r.endpoints, r.owner(z.domain)))
		}
		if r.empty() {
			delete(z.records, k)
		}
	}
	z.generation.Add(1)
	// The room that the first lists took is not needed again.
	if z.dirty = z.dirty[:0]; cap(z.dirty) > maxDirty {
		z.dirty = nil
	}
}

// maxDirty is how much room is kept for the keys of changed Services.
const maxDirty = 1024

// publish makes value, which may be nil, what queries see of a Service.
func (z *Zone) publish(r *record, value *service) {
	was, is := r.value.claims(), value.claims()
	switch {
	case value != nil:
		if r.value != nil {
			r.node.Replace(value)
		} else {
			r.node = z.tree.Set(value.owner, value)
		}
		fresh := without(is, was)
		if r.value != nil && r.value.headless != value.headless {
			fresh = is // the same addresses have other names
		}
		z.reverse.claim(r.node, fresh)
		z.reverse.unclaim(r.node, without(was, is))
	case r.value != nil:
		z.tree.Delete(r.value.owner)
		z.reverse.unclaim(r.node, was)
		r.node = nil
	}
	r.value = value
	r.size = z.counts.change(r.size, value.size())
}

func (k Key) owner(zone string) string { return k.Name + "." + k.Namespace + ".svc." + zone }

// MarkSynced says that the first complete lists were published: from now on
// what is not in the zone does not exist.
func (z *Zone) MarkSynced() {
	z.synced.Store(true)
	z.stale.Store(nil)
}

// HasSynced says whether MarkSynced was called.
func (z *Zone) HasSynced() bool { return z.synced.Load() }

// Generation is a number that grows with every change that was published.
func (z *Zone) Generation() uint64 { return z.generation.Load() }

// Status implements backend.Backend.
func (z *Zone) Status() backend.Status {
	switch z.answering() {
	case z:
		if !z.HasSynced() {
			return backend.Partial
		}
		return backend.Ready
	case nil:
		return backend.NotReady
	default:
		return backend.Stale
	}
}

// SetFederations replaces the federations: names and their domains. It may be
// called at any time, by anybody.
func (z *Zone) SetFederations(federations map[string]string) {
	federations = maps.Clone(federations)
	z.federations.Store(&federations)
	if old := z.stale.Load(); old != nil {
		old.zone.federations.Store(&federations)
	}
}

// SetLocator sets the function that tells where the cluster is. Queries for
// federation names call it, many at once; it limits its own rate.
func (z *Zone) SetLocator(locate func(context.Context) (Location, error)) { z.locate.Store(&locate) }

// location asks the locator until one call succeeds. With noWait it returns
// backend.ErrWouldWait instead of asking.
func (z *Zone) location(ctx context.Context, noWait bool) (Location, error) {
	if at := z.known.Load(); at != nil {
		return *at, nil
	}
	if noWait {
		return Location{}, backend.ErrWouldWait
	}
	locate := z.locate.Load()
	if locate == nil {
		return Location{}, fmt.Errorf("the cluster's zone and region are not known")
	}
	at, err := (*locate)(ctx)
	if err == nil {
		z.known.Store(&at)
	}
	return at, err
}
