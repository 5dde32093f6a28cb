package dns

import (
	"iter"
	"strings"
)

// Export yields the published Services in name order, each with endpoints that produce the same
// names when both are set in another zone. Any goroutine may call it. Each Service is as it was at
// some moment during the call. Endpoints are valid until the next iteration.
func (v *view) Export() iter.Seq2[Service, []Endpoints] {
	return func(yield func(Service, []Endpoints) bool) {
		var x exporter
		svc, rest := v.tree.Lookup("svc." + v.domain)
		if rest != "" {
			return
		}
		for namespace, node := range svc.Children() {
			for name, n := range node.Children() {
				if s := n.Value(); s != nil && !yield(x.export(s, Key{namespace, name})) {
					return
				}
			}
		}
	}
}

// An exporter reuses its memory for each Service.
type exporter struct {
	subsets []Subset
}

func (x *exporter) export(s *service, k Key) (Service, []Endpoints) {
	svc := Service{Key: k, Headless: s.headless}
	switch {
	case s.alias() != "":
		svc.ExternalName = strings.TrimSuffix(s.alias(), ".")
	case s.external:
		svc.ExternalName = s.addrs.at(0).String()
	case s.headless:
		return svc, x.endpoints(s, k)
	default:
		svc.ClusterIPs, svc.Ports = s.addrs.all(), s.ports()
		if s.usable {
			// The zone only keeps whether an endpoint is ready.
			subsets := []Subset{{Endpoints: []Endpoint{{Addr: s.addrs.at(0), Ready: true}}}}
			return svc, []Endpoints{{Key: k, Service: k.Name, AnyReady: true, Subsets: subsets}}
		}
	}
	return svc, nil
}

// endpoints returns a subset for each set of ports.
func (x *exporter) endpoints(s *service, k Key) []Endpoints {
	for len(x.subsets) < len(s.extra.portSets) {
		x.subsets = append(x.subsets, Subset{})
	}
	bySet := x.subsets[:len(s.extra.portSets)]
	for i, ports := range s.extra.portSets {
		bySet[i] = Subset{Ports: ports, Endpoints: bySet[i].Endpoints[:0]}
	}
	if s.made.Load() == nil { // all are alike: no need for members
		for i := range s.addrs.count() {
			bySet[0].Endpoints = append(bySet[0].Endpoints, Endpoint{Addr: s.addrs.at(i), Ready: true})
		}
	} else {
		names := s.members()
		for _, m := range names.all {
			at := Endpoint{Addr: s.addrs.at(int(m.addr)), Ready: true}
			if m.host != 0 {
				at.Hostname = names.hostnames[m.host-1]
			}
			bySet[m.ports].Endpoints = append(bySet[m.ports].Endpoints, at)
		}
	}
	return []Endpoints{{Key: k, Service: k.Name, AnyReady: true, Subsets: bySet}}
}
