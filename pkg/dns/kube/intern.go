package kube

import (
	"unique"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// shared returns one copy of a name that many objects share, a namespace or the name of a port.
// Each decoded object has its own copy. Port sets are not shared, so they are freed with their
// object, whatever their size.
func shared(name string) string { return unique.Make(name).Value() }

func sharePorts(ports []kubedns.Port) {
	for i := range ports {
		ports[i].Name = shared(ports[i].Name)
	}
}

func shareService(s kubedns.Service) kubedns.Service {
	s.Namespace = shared(s.Namespace)
	sharePorts(s.Ports)
	return s
}

func shareEndpoints(e kubedns.Endpoints) kubedns.Endpoints {
	e.Namespace = shared(e.Namespace)
	for i := range e.Subsets {
		sharePorts(e.Subsets[i].Ports)
	}
	return e
}
