package dns

import (
	"iter"
	"slices"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// objects are the objects set by the source. They belong to its goroutine.
type objects struct {
	records   map[Key]*record    // by the Service's key
	endpoints map[Key]*Endpoints // by the object's own key
	dirty     []Key              // each once: see record.dirty
}

func newObjects() objects {
	return objects{records: map[Key]*record{}, endpoints: map[Key]*Endpoints{}}
}

// A record is the state of one Service in the writer.
type record struct {
	service   *Service     // nil: there are only endpoints
	endpoints []*Endpoints // by name
	dirty     bool         // to be published
	// Published state, if any.
	node  *treecache.Node[service]
	value *service
	size  size // of value
}

func (r *record) empty() bool { return r.service == nil && len(r.endpoints) == 0 && r.value == nil }

// owner returns the name of the Service, which must not be nil.
func (r *record) owner(zone string) string {
	if r.value != nil {
		return r.value.owner
	}
	return r.service.owner(zone)
}

// anyReady reports whether an endpoint is ready.
func (r *record) anyReady() bool {
	return slices.ContainsFunc(r.endpoints, func(e *Endpoints) bool { return e.AnyReady })
}

func (r *record) find(name string) (int, bool) {
	return slices.BinarySearchFunc(r.endpoints, name, func(e *Endpoints, name string) int {
		return strings.Compare(e.Name, name)
	})
}

// record returns the record of a Service.
func (o *objects) record(k Key) *record {
	r := o.records[k]
	if r == nil {
		r = &record{}
		o.records[k] = r
	}
	return r
}

// markDirty returns the record of a Service, and marks it as dirty.
func (o *objects) markDirty(k Key) *record {
	r := o.record(k)
	if !r.dirty {
		r.dirty = true
		o.dirty = append(o.dirty, k)
	}
	return r
}

// changeEndpoints changes the endpoints of a Service. It marks the Service dirty only if its names
// change with them. A Service with a ClusterIP depends only on whether an endpoint is ready.
func (o *objects) changeEndpoints(k Key, change func(*record)) {
	r := o.record(k)
	ready := r.anyReady()
	change(r)
	switch {
	case r.empty() && !r.dirty:
		delete(o.records, k)
	case r.service != nil && (r.service.Headless || r.anyReady() != ready):
		o.markDirty(k)
	}
}

// SetService adds or replaces a Service.
func (o *objects) SetService(s Service) {
	if r := o.records[s.Key]; r != nil && r.service != nil {
		// Most updates of an object change no field that we keep.
		if sameService(r.service, &s) {
			*r.service = s
			return
		}
	}
	o.markDirty(s.Key).service = &s
}

// DeleteService removes a Service, if it exists.
func (o *objects) DeleteService(k Key) {
	if r := o.records[k]; r != nil && r.service != nil {
		o.markDirty(k).service = nil
	}
}

// ReplaceServices replaces all Services by list.
func (o *objects) ReplaceServices(list []Service) {
	keep := make(map[Key]bool, len(list))
	for _, s := range list {
		keep[s.Key] = true
		o.SetService(s)
	}
	for k := range o.records {
		if !keep[k] {
			o.DeleteService(k)
		}
	}
}

// SetEndpoints adds or replaces one EndpointSlice or Endpoints object.
func (o *objects) SetEndpoints(e Endpoints) {
	if old := o.endpoints[e.Key]; old != nil {
		if old.Service != e.Service {
			o.DeleteEndpoints(e.Key)
		} else if sameEndpoints(old, &e) {
			old.Version, old.UID = e.Version, e.UID
			return
		}
	}
	o.endpoints[e.Key] = &e
	o.changeEndpoints(e.owner(), func(r *record) {
		i, found := r.find(e.Name)
		if found {
			r.endpoints[i] = &e
		} else {
			r.endpoints = slices.Insert(r.endpoints, i, &e)
		}
	})
}

// DeleteEndpoints removes the object of that name, if it exists.
func (o *objects) DeleteEndpoints(k Key) {
	e := o.endpoints[k]
	if e == nil {
		return
	}
	delete(o.endpoints, k)
	o.changeEndpoints(e.owner(), func(r *record) {
		if i, found := r.find(e.Name); found {
			r.endpoints = slices.Delete(r.endpoints, i, i+1)
		}
	})
}

// ReplaceEndpoints replaces all EndpointSlices or Endpoints objects by list.
func (o *objects) ReplaceEndpoints(list []Endpoints) {
	keep := make(map[Key]bool, len(list))
	for _, e := range list {
		keep[e.Key] = true
		o.SetEndpoints(e)
	}
	for k := range o.endpoints {
		if !keep[k] {
			o.DeleteEndpoints(k)
		}
	}
}

// maxDirty is the capacity kept for the keys of changed Services.
const maxDirty = 1024

// takeDirty yields the key and the record of each dirty Service, and clears the marks. Records that
// are then empty are dropped.
func (o *objects) takeDirty() iter.Seq2[Key, *record] {
	return func(yield func(Key, *record) bool) {
		for _, k := range o.dirty {
			r := o.records[k]
			r.dirty = false
			yield(k, r)
			if r.empty() {
				delete(o.records, k)
			}
		}
		// The capacity for the first lists is not needed again.
		if o.dirty = o.dirty[:0]; cap(o.dirty) > maxDirty {
			o.dirty = nil
		}
	}
}

// ServiceVersions yields the Services that are set, published or not, in no order. Only the
// source's goroutine may call it, like the methods that write.
func (o *objects) ServiceVersions() iter.Seq2[Key, ObjectVersion] {
	return func(yield func(Key, ObjectVersion) bool) {
		for k, r := range o.records {
			if s := r.service; s != nil && !yield(k, ObjectVersion{UID: s.UID, Version: s.Version}) {
				return
			}
		}
	}
}

// EndpointsVersions is ServiceVersions for EndpointSlices or Endpoints objects.
func (o *objects) EndpointsVersions() iter.Seq2[Key, ObjectVersion] {
	return func(yield func(Key, ObjectVersion) bool) {
		for k, e := range o.endpoints {
			if !yield(k, ObjectVersion{UID: e.UID, Version: e.Version}) {
				return
			}
		}
	}
}

// HeadlessChanged reports whether a Service is headless and has unpublished changes. Only the
// source's goroutine may call it, like the methods that write.
func (o *objects) HeadlessChanged(k Key) bool {
	r := o.records[k]
	return r != nil && r.dirty && r.service != nil && r.service.Headless
}
