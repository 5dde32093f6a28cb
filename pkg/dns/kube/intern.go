package kube

import (
	"sync"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// maxInterned bounds an interner. Beyond it everything is forgotten, which
// costs copies, not correctness.
const maxInterned = 10_000

// An interner keeps one copy of names, and of sets of ports, that many objects
// share: each object that is decoded brings its own.
type interner struct {
	mu    sync.Mutex
	names map[string]string
	ports map[string][]kubedns.Port // by what they say
	key   []byte                    // of the last look into ports
}

func newInterner() *interner {
	return &interner{names: map[string]string{}, ports: map[string][]kubedns.Port{}}
}

func (in *interner) name(s string) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	if held, ok := in.names[s]; ok {
		return held
	}
	return in.add(s)
}

// bytes is name for what has no string yet.
func (in *interner) bytes(b []byte) string {
	in.mu.Lock()
	defer in.mu.Unlock()
	if held, ok := in.names[string(b)]; ok { // which makes no string
		return held
	}
	return in.add(string(b))
}

func (in *interner) add(s string) string {
	if len(in.names) >= maxInterned {
		clear(in.names)
	}
	in.names[s] = s
	return s
}

// portSet returns ports with the same content, which nobody changes.
func (in *interner) portSet(ports []kubedns.Port) []kubedns.Port {
	if len(ports) == 0 {
		return nil
	}
	for i := range ports {
		ports[i].Name = in.name(ports[i].Name)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	in.key = in.key[:0]
	for _, p := range ports {
		in.key = append(append(in.key, p.Name...), 0)
		in.key = append(append(in.key, p.Protocol...), 0, byte(p.Number>>8), byte(p.Number))
	}
	if held, ok := in.ports[string(in.key)]; ok { // which makes no string
		return held
	}
	if len(in.ports) >= maxInterned {
		clear(in.ports)
	}
	in.ports[string(in.key)] = ports
	return ports
}

func (in *interner) service(s kubedns.Service) kubedns.Service {
	s.Namespace = in.name(s.Namespace)
	s.Ports = in.portSet(s.Ports)
	return s
}

func (in *interner) endpoints(e kubedns.Endpoints) kubedns.Endpoints {
	e.Namespace = in.name(e.Namespace)
	for i := range e.Subsets {
		e.Subsets[i].Ports = in.portSet(e.Subsets[i].Ports)
	}
	return e
}
