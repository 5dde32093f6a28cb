package dns

import (
	"cmp"
	"context"
	"fmt"
	"hash/maphash"
	"iter"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// A Zone holds the objects of a cluster and the names that follow from them.
//
// The methods from SetService to MarkSynced belong to one goroutine, the
// source's. Those that write only mark Services as dirty; Publish builds
// the new values and makes them visible, so a burst of changes to one Service
// is one build. All other methods may be called by anybody.
type Zone struct {
	domain string // with trailing dot
	tree   *treecache.Tree[service]
	// reverse says which nodes may claim an address; what they say about it is
	// read from their values.
	reverse *treecache.Map[netip.Addr, claimants]
	// headless holds the keys of all headless Services, published or not.
	headless *treecache.Map[Key, struct{}]

	// The writer's own.
	services  map[Key]*Service
	endpoints map[Key]*Endpoints            // by the object's own key
	byService map[Key]map[string]*Endpoints // by the Service's key and the object's name
	published map[Key]*published
	dirty     map[Key]bool

	synced     atomic.Bool
	generation atomic.Uint64
	stale      atomic.Pointer[stale]
	// endpointsUntil is set in a zone of old data, before it is published.
	endpointsUntil time.Time

	federations atomic.Pointer[map[string]string]
	locate      atomic.Pointer[func(context.Context) (Location, error)]
	known       atomic.Pointer[Location]
}

type claimants []*treecache.Node[service]

type published struct {
	node  *treecache.Node[service]
	value *service
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
	seed := maphash.MakeSeed()
	return &Zone{
		domain:  domain,
		tree:    treecache.New[service](domain),
		reverse: treecache.NewMap[netip.Addr, claimants](func(a netip.Addr) uint64 { b := a.As16(); return maphash.Bytes(seed, b[:]) }),
		headless: treecache.NewMap[Key, struct{}](func(k Key) uint64 {
			return maphash.String(seed, k.Namespace) ^ 31*maphash.String(seed, k.Name)
		}),
		services:  map[Key]*Service{},
		endpoints: map[Key]*Endpoints{},
		byService: map[Key]map[string]*Endpoints{},
		published: map[Key]*published{},
		dirty:     map[Key]bool{},
	}
}

// SetService adds or replaces a Service.
func (z *Zone) SetService(s Service) {
	if old := z.services[s.Key]; old != nil {
		// Most updates of an object change nothing that we keep of it.
		same := *old
		same.Version, same.UID = s.Version, s.UID
		if reflect.DeepEqual(same, s) {
			*old = s
			return
		}
	}
	z.services[s.Key] = &s
	z.dirty[s.Key] = true
	if s.Headless {
		z.headless.Put(s.Key, &struct{}{})
	} else {
		z.headless.Delete(s.Key)
	}
}

// DeleteService removes a Service, if it is there.
func (z *Zone) DeleteService(k Key) {
	if z.services[k] != nil {
		delete(z.services, k)
		z.headless.Delete(k)
		z.dirty[k] = true
	}
}

// ReplaceServices makes list all the Services there are.
func (z *Zone) ReplaceServices(list []Service) {
	keep := make(map[Key]bool, len(list))
	for _, s := range list {
		keep[s.Key] = true
		z.SetService(s)
	}
	for k := range z.services {
		if !keep[k] {
			z.DeleteService(k)
		}
	}
}

// SetEndpoints adds or replaces one EndpointSlice or Endpoints object.
func (z *Zone) SetEndpoints(e Endpoints) {
	owner := Key{e.Namespace, e.Service}
	if old := z.endpoints[e.Key]; old != nil {
		if was := (Key{old.Namespace, old.Service}); was != owner {
			z.DeleteEndpoints(e.Key)
		} else if sameEndpoints(old, &e) {
			old.Version, old.UID = e.Version, e.UID
			return
		}
	}
	z.endpoints[e.Key] = &e
	if z.byService[owner] == nil {
		z.byService[owner] = map[string]*Endpoints{}
	}
	z.byService[owner][e.Name] = &e
	z.dirty[owner] = true
}

func sameEndpoints(a, b *Endpoints) bool {
	return a.Dropped == b.Dropped && a.AnyReady == b.AnyReady && reflect.DeepEqual(a.Subsets, b.Subsets)
}

// DeleteEndpoints removes the object of that name, if it is there.
func (z *Zone) DeleteEndpoints(k Key) {
	e := z.endpoints[k]
	if e == nil {
		return
	}
	owner := Key{e.Namespace, e.Service}
	delete(z.endpoints, k)
	delete(z.byService[owner], e.Name)
	if len(z.byService[owner]) == 0 {
		delete(z.byService, owner)
	}
	z.dirty[owner] = true
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

// ServiceVersions yields the Services that are set, published or not, in no
// order. It belongs to the source's goroutine, like the methods that write.
func (z *Zone) ServiceVersions() iter.Seq2[Key, ObjectVersion] {
	return func(yield func(Key, ObjectVersion) bool) {
		for k, s := range z.services {
			if !yield(k, ObjectVersion{UID: s.UID, Version: s.Version}) {
				return
			}
		}
	}
}

// EndpointsVersions is ServiceVersions for EndpointSlices or Endpoints objects.
func (z *Zone) EndpointsVersions() iter.Seq2[Key, ObjectVersion] {
	return func(yield func(Key, ObjectVersion) bool) {
		for k, e := range z.endpoints {
			if !yield(k, ObjectVersion{UID: e.UID, Version: e.Version}) {
				return
			}
		}
	}
}

// Publish makes all changes since the last Publish visible to queries. It
// returns the headless Services of which endpoints are missing because the
// source dropped them (see Endpoints.Dropped): the source has to fetch those
// and set them; until then what was published of these Services stays.
func (z *Zone) Publish() (missing []Key) {
	for k := range z.dirty {
		svc := z.services[k]
		if svc == nil {
			z.publish(k, nil)
			continue
		}
		held := slices.SortedFunc(maps.Values(z.byService[k]), func(a, b *Endpoints) int { return strings.Compare(a.Name, b.Name) })
		if svc.Headless && slices.ContainsFunc(held, func(e *Endpoints) bool { return e.Dropped }) {
			missing = append(missing, k)
			continue
		}
		z.publish(k, build(svc, held, z.domain))
	}
	if len(z.dirty) > 0 {
		z.generation.Add(1)
	}
	clear(z.dirty)
	return missing
}

// publish makes value, which may be nil, what queries see of a Service.
func (z *Zone) publish(k Key, value *service) {
	p := z.published[k]
	switch {
	case value == nil && p == nil:
		return
	case value == nil:
		z.tree.Delete(k.owner(z.domain))
		z.unclaim(p.node, p.value.claims())
		delete(z.published, k)
	case p == nil:
		node := z.tree.Set(value.owner, value)
		z.claim(node, value.claims())
		z.published[k] = &published{node: node, value: value}
	default:
		z.tree.Set(value.owner, value)
		was, is := p.value.claims(), value.claims()
		z.claim(p.node, without(is, was))
		z.unclaim(p.node, without(was, is))
		p.value = value
	}
}

func (k Key) owner(zone string) string { return k.Name + "." + k.Namespace + ".svc." + zone }

// without returns the addresses of a, sorted, that are not in b, sorted.
func without(a, b []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, addr := range a {
		if _, found := slices.BinarySearchFunc(b, addr, netip.Addr.Compare); !found {
			out = append(out, addr)
		}
	}
	return out
}

func (z *Zone) claim(node *treecache.Node[service], addrs []netip.Addr) {
	for _, addr := range addrs {
		var nodes claimants
		if held := z.reverse.Get(addr); held != nil {
			nodes = slices.Clone(*held)
		}
		nodes = append(nodes, node)
		z.reverse.Put(addr, &nodes)
	}
}

func (z *Zone) unclaim(node *treecache.Node[service], addrs []netip.Addr) {
	for _, addr := range addrs {
		held := z.reverse.Get(addr)
		if held == nil {
			continue
		}
		nodes := slices.DeleteFunc(slices.Clone(*held), func(n *treecache.Node[service]) bool { return n == node })
		if len(nodes) == 0 {
			z.reverse.Delete(addr)
			continue
		}
		z.reverse.Put(addr, &nodes)
	}
}

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

// Status implements skydns.Backend.
func (z *Zone) Status() skydns.Status {
	switch z.answering() {
	case z:
		return skydns.Ready
	case nil:
		return skydns.NotReady
	default:
		return skydns.Stale
	}
}

// WantsEndpoints says whether the endpoints of a Service matter: whether it is
// known to be headless. Sources use it to drop the others before they are
// stored. It does not allocate.
func (z *Zone) WantsEndpoints(k Key) bool { return z.headless.Get(k) != nil }

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

// location asks the locator until it knows. A context that is done already
// gets an answer only when it is known.
func (z *Zone) location(ctx context.Context) (Location, error) {
	if at := z.known.Load(); at != nil {
		return *at, nil
	}
	if err := ctx.Err(); err != nil {
		return Location{}, err
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
