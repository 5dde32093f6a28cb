package dns

import "iter"

// ServiceVersions yields the Services that are set, published or not, in no
// order. It belongs to the source's goroutine, like the methods that write.
func (z *Zone) ServiceVersions() iter.Seq2[Key, ObjectVersion] {
	return func(yield func(Key, ObjectVersion) bool) {
		for k, r := range z.records {
			if s := r.service; s != nil && !yield(k, ObjectVersion{UID: s.UID, Version: s.Version}) {
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

// HeadlessChanged reports whether a Service is headless and has changes that are not
// published. It belongs to the source's goroutine, like the methods that write.
func (z *Zone) HeadlessChanged(k Key) bool {
	r := z.records[k]
	return r != nil && r.dirty && r.service != nil && r.service.Headless
}
