package dns

import (
	"time"

	"github.com/kube-dns/kube-dns/pkg/treecache"
)

// A view holds the names visible to queries. It has one writer, which calls publish.
type view struct {
	domain  string // with trailing dot
	tree    *treecache.Tree[service]
	reverse *reverseIndex
	// federations are shared by a zone and the data of an earlier run.
	federations *federations
	// endpointsUntil is when the addresses of headless Services become too old for an answer,
	// because pod addresses are reused. Zero means never.
	endpointsUntil time.Time
	// hidden holds the headless Services without records. No answer depends on it.
	hidden *hiddenList
}

func newView(domain string) *view {
	return &view{domain: domain, tree: treecache.New[service](domain), federations: &federations{},
		reverse: newReverseIndex(), hidden: &hiddenList{}}
}

// publish makes value, which can be nil, visible to queries for a Service.
func (v *view) publish(r *record, value *service) {
	was, is := claimsOf(r.value), claimsOf(value)
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

// hide records whether a Service is headless and has no records.
func (v *view) hide(k Key, r *record) {
	hidden := r.service != nil && r.service.Headless && r.value == nil
	var u *unready
	if hidden {
		u = unreadyOf(r.endpoints)
	}
	v.hidden.set(k, hidden, u)
}

// tooOld reports whether the endpoints of s are too old for an answer.
func (v *view) tooOld(s *service) bool {
	return s.headless && !v.endpointsUntil.IsZero() && time.Now().After(v.endpointsUntil)
}

// sizeOf returns the size of a Service, which can be nil.
func sizeOf(s *service) size {
	switch {
	case s == nil:
		return size{}
	case s.external:
		return size{names: 1}
	}
	// Members that are all alike are created when a query needs them. Each has a name, unless two
	// hashes collide.
	hosts := s.addrs.count()
	if made := s.made.Load(); made != nil {
		hosts = made.count()
	}
	counted := size{names: uint32(1 + hosts + len(s.ports()))}
	if s.headless {
		counted.endpoints = uint32(s.addrs.count())
	}
	return counted
}
