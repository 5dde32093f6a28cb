package convert

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// Endpoints returns the addresses of an Endpoints object, ready or not. Its Service has the same
// name.
func Endpoints(e *corev1.Endpoints) kubedns.Endpoints {
	out := newEndpoints(&e.ObjectMeta)
	out.Service = e.Name
	for i := range e.Subsets {
		s := &e.Subsets[i]
		var subset kubedns.Subset
		for j := range s.Ports {
			p := &s.Ports[j]
			if port, ok := namedPort(p.Name, p.Protocol, p.Port); ok {
				subset.Ports = append(subset.Ports, port)
			}
		}
		n := len(s.Addresses) + len(s.NotReadyAddresses)
		subset.Endpoints = make([]kubedns.Endpoint, 0, n)
		subset.Endpoints = appendAddresses(subset.Endpoints, s.Addresses, true)
		subset.Endpoints = appendAddresses(subset.Endpoints, s.NotReadyAddresses, false)
		addSubset(&out, subset)
	}
	return out
}

func appendAddresses(out []kubedns.Endpoint, list []corev1.EndpointAddress, ready bool) []kubedns.Endpoint {
	for i := range list {
		if addr, ok := address(list[i].IP); ok {
			out = append(out, kubedns.Endpoint{
				Addr:     addr,
				Hostname: strings.ToLower(list[i].Hostname),
				Ready:    ready,
			})
		}
	}
	return out
}

// Slice returns the addresses of an EndpointSlice. Objects of v1beta1 can be decoded as v1: the
// fields read here are the same. It reports false if the slice names no Service (label
// kubernetes.io/service-name) or has FQDN addresses. Key, UID and Version are set even then, so
// that an older version can be removed.
func Slice(s *discoveryv1.EndpointSlice) (kubedns.Endpoints, bool) {
	out := newEndpoints(&s.ObjectMeta)
	out.Service = s.Labels[discoveryv1.LabelServiceName]
	if out.Service == "" || s.AddressType == discoveryv1.AddressTypeFQDN {
		return out, false
	}
	var subset kubedns.Subset
	for i := range s.Ports {
		p := &s.Ports[i]
		if port, ok := slicePort(p.Name, p.Protocol, p.Port); ok {
			subset.Ports = append(subset.Ports, port)
		}
	}
	subset.Endpoints = make([]kubedns.Endpoint, 0, len(s.Endpoints))
	for i := range s.Endpoints {
		e := &s.Endpoints[i]
		subset.Endpoints = appendEndpoint(subset.Endpoints, e.Addresses, e.Hostname, e.Conditions.Ready)
	}
	addSubset(&out, subset)
	return out, true
}

// slicePort is namedPort for the optional fields of a slice. A port without a number means all
// ports, which a SRV record cannot express.
func slicePort(name *string, protocol *corev1.Protocol, number *int32) (kubedns.Port, bool) {
	if name == nil || number == nil {
		return kubedns.Port{}, false
	}
	if protocol == nil {
		return namedPort(*name, corev1.ProtocolTCP, *number)
	}
	return namedPort(*name, *protocol, *number)
}

// appendEndpoint adds one endpoint of a slice, which can have several addresses. An unset condition
// counts as ready, as the API documents.
func appendEndpoint(out []kubedns.Endpoint, texts []string, hostname *string, ready *bool) []kubedns.Endpoint {
	e := kubedns.Endpoint{Ready: ready == nil || *ready}
	if hostname != nil {
		e.Hostname = strings.ToLower(*hostname)
	}
	for _, s := range texts {
		if addr, ok := address(s); ok {
			e.Addr = addr
			out = append(out, e)
		}
	}
	return out
}

func newEndpoints(m *metav1.ObjectMeta) kubedns.Endpoints {
	return kubedns.Endpoints{
		Key:     kubedns.Key{Namespace: m.Namespace, Name: m.Name},
		Version: m.ResourceVersion,
		UID:     string(m.UID),
	}
}

// addSubset adds a subset unless it is empty, and records whether an endpoint is ready.
func addSubset(out *kubedns.Endpoints, s kubedns.Subset) {
	if len(s.Endpoints) == 0 {
		return
	}
	out.Subsets = append(out.Subsets, s)
	for i := range s.Endpoints {
		out.AnyReady = out.AnyReady || s.Endpoints[i].Ready
	}
}
