package kube

import (
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

// An endpointsAPI is one of the APIs that endpoints can be read from.
type endpointsAPI struct {
	name     string // for people
	resource listwatch.Resource[kubedns.Endpoints]
	// all selects the objects of this API that the zone holds.
	all listwatch.Selector
	at  *listwatch.Position // of its follower
}

// endpointsAPIs returns the APIs of a server of that version, the best first. Hand-made Endpoints
// are mirrored into slices since 1.19. v1beta1 ended with 1.24.
func (c *Client) endpointsAPIs(v serverVersion) []*endpointsAPI {
	// Some slices have no Service.
	owned := listwatch.Selector{Labels: "kubernetes.io/service-name,kubernetes.io/service-name!="}
	slices := func(version string) *endpointsAPI {
		return &endpointsAPI{"endpointslices." + version, c.endpointSlices(version), owned, new(listwatch.Position)}
	}
	apis := []*endpointsAPI{slices("discovery.k8s.io/v1")}
	if v.atLeast(19) && !v.atLeast(25) {
		apis = append(apis, slices("discovery.k8s.io/v1beta1"))
	}
	return append(apis, &endpointsAPI{"endpoints/v1", c.endpoints(), listwatch.Selector{}, new(listwatch.Position)})
}
