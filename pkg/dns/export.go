package dns

import (
	"iter"
	"slices"
	"strings"
)

// Export yields the Services that are published, in the order of their names,
// each with endpoints that make the same names again when both are set in
// another zone. Any goroutine may call it; each Service is as it was at some
// moment meanwhile.
func (z *Zone) Export() iter.Seq2[Service, []Endpoints] {
	return func(yield func(Service, []Endpoints) bool) {
		svc, rest := z.tree.Lookup("svc." + z.domain)
		if rest != "" {
			return
		}
		for namespace, node := range svc.Children() {
			for name, n := range node.Children() {
				if s := n.Value(); s != nil && !yield(s.export(Key{namespace, name})) {
					return
				}
			}
		}
	}
}

func (s *service) export(k Key) (Service, []Endpoints) {
	svc := Service{Key: k, Headless: s.headless}
	switch {
	case s.alias != "":
		svc.ExternalName = strings.TrimSuffix(s.alias, ".")
	case len(s.members) == 0:
		svc.ExternalName = s.addr(0).String()
	case s.headless:
		return svc, s.exportEndpoints(k)
	default:
		svc.ClusterIPs, svc.Ports = s.allAddrs(), s.ports
		if s.usable {
			// All that is kept of the endpoints is that one of them is ready.
			return svc, []Endpoints{{Key: k, Service: k.Name, AnyReady: true, Subsets: []Subset{{Endpoints: []Endpoint{{Addr: s.addr(0), Ready: true}}}}}}
		}
	}
	return svc, nil
}

// exportEndpoints makes a subset of each set of ports.
func (s *service) exportEndpoints(k Key) []Endpoints {
	bySet := make([]Subset, len(s.endpoints.portSets))
	for _, m := range s.members {
		at := Endpoint{Addr: s.addr(int(m.addr)), Ready: true}
		if m.host != 0 {
			at.Hostname = s.endpoints.hostnames[m.host-1]
		}
		bySet[m.ports].Ports = s.endpoints.portSets[m.ports]
		bySet[m.ports].Endpoints = append(bySet[m.ports].Endpoints, at)
	}
	bySet = slices.DeleteFunc(bySet, func(sub Subset) bool { return len(sub.Endpoints) == 0 })
	return []Endpoints{{Key: k, Service: k.Name, AnyReady: true, Subsets: bySet}}
}
