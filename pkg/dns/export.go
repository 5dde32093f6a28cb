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
	case len(s.hosts) == 0:
		svc.ExternalName = s.addrs[0].String()
	case s.headless:
		return svc, s.exportEndpoints(k)
	default:
		svc.ClusterIPs = s.addrs
		for _, p := range s.ports {
			svc.Ports = append(svc.Ports, Port{Name: p.name, Protocol: p.protocol, Number: p.targets[0].number})
		}
		if s.usable {
			// All that is kept of the endpoints is that one of them is ready.
			return svc, []Endpoints{{Key: k, Service: k.Name, AnyReady: true, Subsets: []Subset{{Endpoints: []Endpoint{{Addr: s.addrs[0], Ready: true}}}}}}
		}
	}
	return svc, nil
}

// exportEndpoints groups the hosts by the ports that they have.
func (s *service) exportEndpoints(k Key) []Endpoints {
	ports := make([][]Port, len(s.hosts))
	for _, p := range s.ports {
		for _, t := range p.targets {
			ports[t.host] = append(ports[t.host], Port{Name: p.name, Protocol: p.protocol, Number: t.number})
		}
	}
	e := Endpoints{Key: k, Service: k.Name, AnyReady: true}
	for i, h := range s.hosts {
		at := slices.IndexFunc(e.Subsets, func(sub Subset) bool { return slices.Equal(sub.Ports, ports[i]) })
		if at < 0 {
			at = len(e.Subsets)
			e.Subsets = append(e.Subsets, Subset{Ports: ports[i]})
		}
		hostname := h.label
		if h.hashed {
			hostname = ""
		}
		for _, addr := range h.addrs {
			e.Subsets[at].Endpoints = append(e.Subsets[at].Endpoints, Endpoint{Addr: addr, Hostname: hostname, Ready: true})
		}
	}
	return []Endpoints{e}
}
