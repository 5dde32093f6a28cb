package e2e

import (
	"sync"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// The conformance vectors, over the three API variants of clusters: EndpointSlices; Endpoints
// because slices are forbidden; Endpoints because the API server is older than slices.
func TestConformance(t *testing.T) {
	files, err := conformance.Vectors(conformance.Zone)
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range []struct {
		name      string
		slices    bool // the role for EndpointSlices exists
		hide      bool // the API server does not have them
		endpoints string
		suite     conformance.Suite
	}{
		{"slices", true, false, "EndpointSlice", conformance.Suite{
			Endpoints: conformance.EndpointsAsSlices,
			Features:  []string{conformance.FeatureDualStack, conformance.FeatureEndpointSlices, conformance.FeatureDnsmasq},
		}},
		{"slices forbidden", false, false, "Endpoints", conformance.Suite{
			Endpoints: conformance.EndpointsAsIs,
			Features:  []string{conformance.FeatureDualStack, conformance.FeatureDnsmasq},
		}},
		{"slices absent", true, true, "Endpoints", conformance.Suite{
			Endpoints: conformance.EndpointsAsIs,
			Features:  []string{conformance.FeatureDualStack, conformance.FeatureDnsmasq},
		}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			id := rig.cluster.kubeDNSIdentity(t, mode.slices, true)
			if mode.hide {
				proxy := startFilterProxy(t, id)
				proxy.hideDiscovery = true
				id = proxy.identity()
			}
			resolver := startResolver(t)
			k := startKubeDNS(t, id.write(t), upstream(resolver))
			k.waitReady(t, 30*time.Second)

			suite := mode.suite
			suite.Resolver = resolver
			suite.Target = &apiTarget{
				objects: rig.cluster.objects, server: k.dns, config: k.config, endpoints: mode.endpoints,
			}
			suite.Run(t, files)
		})
	}
}

// startResolver runs a name server for outside names. It has only the given records, lines of a
// zone file.
func startResolver(t *testing.T, records ...string) *conformance.Resolver {
	t.Helper()
	resolver, err := conformance.NewResolver("")
	if err != nil {
		t.Fatal(err)
	}
	if err := resolver.Set(conformance.ResolverData{Records: records}); err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		if err := resolver.Run(t.Context()); err != nil {
			t.Errorf("outside resolver: %v", err)
		}
	})
	t.Cleanup(wait.Wait)
	return resolver
}

// upstream is the configuration with the resolver for all outside names.
func upstream(resolver *conformance.Resolver) map[string]string {
	return map[string]string{"upstreamNameservers": `["` + resolver.Addr().String() + `"]`}
}
