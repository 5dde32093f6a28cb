package kubeapi

import (
	"net/netip"
	"strconv"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
)

// ServicesPath returns the path of a namespace's Services.
func ServicesPath(namespace string) string { return "/api/v1/namespaces/" + namespace + "/services" }

// Service returns a Service with a ClusterIP and a port.
func Service(name string, ip netip.Addr) Object {
	return Object{
		"apiVersion": "v1", "kind": "Service",
		"metadata": Object{"name": name},
		"spec": Object{
			"clusterIP": ip.String(),
			"ports":     []Object{{"name": "http", "port": 80, "protocol": "TCP"}},
		},
	}
}

// SlicePath returns the path of the first EndpointSlice of a group's Service.
func SlicePath(g dataset.Group, service int) string {
	return "/apis/discovery.k8s.io/v1/namespaces/" + g.Namespace(service) + "/endpointslices/" + sliceName(service)
}

func sliceName(service int) string { return dataset.ServiceName(service) + "-" + strconv.Itoa(0) }

// Slice returns the first EndpointSlice of a group's Service as the loader created it, but with
// another address of endpoint at.
func Slice(g dataset.Group, service, at int, other netip.Addr) Object {
	addresses := g.Addresses(service)
	addresses = addresses[:min(len(addresses), g.SliceSize)]
	addresses[at%len(addresses)] = other
	var endpoints []Object
	for _, a := range addresses {
		endpoints = append(endpoints, Object{
			"addresses":  []string{a.String()},
			"conditions": Object{"ready": true, "serving": true, "terminating": false},
		})
	}
	name := dataset.ServiceName(service)
	return Object{
		"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
		"metadata": Object{"name": sliceName(service), "labels": Object{
			"load":                                   "true",
			"kubernetes.io/service-name":             name,
			"endpointslice.kubernetes.io/managed-by": "load",
		}},
		"addressType": "IPv4",
		"endpoints":   endpoints,
		"ports":       []Object{{"name": "http", "port": 80, "protocol": "TCP"}},
	}
}
