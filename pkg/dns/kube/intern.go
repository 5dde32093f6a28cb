package kube

import (
	"sync"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

const (
	// maxInterned and maxInternedName bound an interner. Beyond them names are
	// copied, which costs memory for as long as their objects are held.
	maxInterned     = 4096
	maxInternedName = 63
)

// An interner keeps one copy of names that many objects share, namespaces and
// names of ports: each object that is decoded brings its own. Port sets are not
// shared, so that they go with their object, whatever their size.
type interner struct {
	mu    sync.Mutex
	names map[string]string
}

func newInterner() *interner { return &interner{names: map[string]string{}} }

func (in *interner) name(s string) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	if held, ok := in.names[s]; ok {
		return held
	}
	if len(s) > maxInternedName {
		return s
	}
	if len(in.names) >= maxInterned {
		clear(in.names)
	}
	in.names[s] = s
	return s
}

func (in *interner) ports(ports []kubedns.Port) {
	for i := range ports {
		ports[i].Name = in.name(ports[i].Name)
	}
}

func (in *interner) service(s kubedns.Service) kubedns.Service {
	s.Namespace = in.name(s.Namespace)
	in.ports(s.Ports)
	return s
}

func (in *interner) endpoints(e kubedns.Endpoints) kubedns.Endpoints {
	e.Namespace = in.name(e.Namespace)
	for i := range e.Subsets {
		in.ports(e.Subsets[i].Ports)
	}
	return e
}
