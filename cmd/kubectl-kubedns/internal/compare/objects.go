package compare

import (
	"net/netip"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

// OfObjects returns questions for all names of the Services and endpoints of a cluster in a zone,
// and for their addresses.
func OfObjects(services []corev1.Service, slices []discoveryv1.EndpointSlice, zone string) []Question {
	s := newSet()
	headless := map[string]string{} // namespace/name of a Service → its DNS name
	for i := range services {
		svc := &services[i]
		name := svc.Name + "." + svc.Namespace + ".svc." + zone
		s.ofService(svc, name)
		if svc.Spec.ClusterIP == corev1.ClusterIPNone {
			headless[svc.Namespace+"/"+svc.Name] = name
		}
	}
	for i := range slices {
		slice := &slices[i]
		if name := headless[slice.Namespace+"/"+slice.Labels[discoveryv1.LabelServiceName]]; name != "" {
			s.ofSlice(slice, name)
		}
	}
	return s.list
}

// ask adds a question. It skips invalid names.
func (s *set) ask(name, qtype string) {
	if q, err := NewQuestion(name, qtype); err == nil {
		s.add(q)
	}
}

func (s *set) reverse(address string) {
	if name, err := dns.ReverseAddr(address); err == nil {
		s.ask(name, "PTR")
	}
}

func (s *set) ofService(svc *corev1.Service, name string) {
	for _, t := range typesOf(svc) {
		s.ask(name, t)
	}
	for _, p := range svc.Spec.Ports {
		if p.Name != "" && svc.Spec.Type != corev1.ServiceTypeExternalName {
			s.ask("_"+p.Name+"._"+string(p.Protocol)+"."+name, "SRV")
		}
	}
	for _, a := range svc.Spec.ClusterIPs {
		s.reverse(a)
	}
}

func (s *set) ofSlice(slice *discoveryv1.EndpointSlice, name string) {
	for _, e := range slice.Endpoints {
		if e.Hostname != nil && *e.Hostname != "" {
			s.ask(*e.Hostname+"."+name, family(slice.AddressType))
		}
		for _, a := range e.Addresses {
			s.reverse(a)
		}
	}
}

// typesOf returns the types of records at the name of a Service.
func typesOf(svc *corev1.Service) []string {
	switch {
	case svc.Spec.Type == corev1.ServiceTypeExternalName:
		return []string{"CNAME"}
	case svc.Spec.ClusterIP == corev1.ClusterIPNone:
		return []string{"A", "AAAA", "SRV"}
	}
	types := []string{"A"}
	for _, a := range svc.Spec.ClusterIPs {
		if addr, err := netip.ParseAddr(a); err == nil && addr.Is6() {
			types = append(types, "AAAA")
		}
	}
	return types
}

func family(t discoveryv1.AddressType) string {
	if t == discoveryv1.AddressTypeIPv6 {
		return "AAAA"
	}
	return "A"
}
