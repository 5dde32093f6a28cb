package dns

import (
	"time"

	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// A view holds the names that queries see. It has one writer, which calls publish.
type view struct {
	domain  string // with trailing dot
	tree    *treecache.Tree[service]
	reverse reverseIndex
	// federations are shared by a zone and the data of an earlier run.
	federations *federations
	// endpointsUntil is when the addresses of headless Services are too old for an
	// answer, since pod addresses are given to other pods. Zero means never.
	endpointsUntil time.Time
}

func newView(domain string) *view {
	return &view{domain: domain, tree: treecache.New[service](domain), federations: &federations{}}
}

// publish makes value, which may be nil, the one that queries see of a Service.
func (v *view) publish(r *record, value *service) {
	was, is := r.value.claims(), value.claims()
	switch {
	case value != nil:
		if r.value != nil {
			r.node.Replace(value)
		} else {
			r.node = v.tree.Set(value.owner, value)
		}
		fresh := without(is, was)
		if r.value != nil && r.value.headless != value.headless {
			fresh = is // the same addresses have other names
		}
		v.reverse.claim(r.node, fresh)
		v.reverse.unclaim(r.node, without(was, is))
	case r.value != nil:
		v.tree.Delete(r.value.owner)
		v.reverse.unclaim(r.node, was)
		r.node = nil
	}
	r.value = value
}

// tooOld reports whether the endpoints of s are too old for an answer.
func (v *view) tooOld(s *service) bool {
	return s.headless && !v.endpointsUntil.IsZero() && time.Now().After(v.endpointsUntil)
}
