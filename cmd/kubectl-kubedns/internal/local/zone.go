// Package local builds the zone of a cluster from its objects, like kube-dns, to explain names when
// no pod replies.
package local

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/internal/explain"
	"github.com/kube-dns/kube-dns/pkg/config"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

// page is the page size of lists.
const page = 500

// Objects reads all Services and EndpointSlices of a cluster.
func Objects(ctx context.Context, c *cluster.Client) ([]corev1.Service, []discoveryv1.EndpointSlice, error) {
	var services []corev1.Service
	for opts := (metav1.ListOptions{Limit: page}); ; {
		list, err := c.Services("").List(ctx, opts)
		if err != nil {
			return nil, nil, c.Explain(ctx, "list", "services", "", err)
		}
		services = append(services, list.Items...)
		if opts.Continue = list.Continue; opts.Continue == "" {
			break
		}
	}
	var slices []discoveryv1.EndpointSlice
	for opts := (metav1.ListOptions{Limit: page}); ; {
		list, err := c.EndpointSlices("").List(ctx, opts)
		if err != nil {
			return nil, nil, c.Explain(ctx, "list", "endpointslices.discovery.k8s.io", "", err)
		}
		slices = append(slices, list.Items...)
		if opts.Continue = list.Continue; opts.Continue == "" {
			return services, slices, nil
		}
	}
}

// Zone returns the zone of the objects.
func Zone(services []corev1.Service, slices []discoveryv1.EndpointSlice, domain string) *kubedns.Zone {
	z := kubedns.NewZone(kubedns.Options{Domain: domain})
	var converted []kubedns.Service
	for i := range services {
		converted = append(converted, convert.Service(&services[i]))
	}
	z.ReplaceServices(converted)
	var endpoints []kubedns.Endpoints
	for i := range slices {
		if e, ok := convert.Slice(&slices[i]); ok {
			endpoints = append(endpoints, e)
		}
	}
	z.ReplaceEndpoints(endpoints)
	z.Publish()
	z.MarkSynced()
	return z
}

// Explainer returns an explainer of the objects, with the servers of a ConfigMap, which can be nil.
// domain has a final dot.
func Explainer(
	services []corev1.Service, slices []discoveryv1.EndpointSlice, m *corev1.ConfigMap, domain string,
) (*explain.Explainer, error) {
	var cfg config.Config
	if m != nil {
		var err error
		if cfg, err = config.Parse(m.Data); err != nil {
			return nil, fmt.Errorf("ConfigMap %s: %w", m.Name, err)
		}
	}
	return &explain.Explainer{
		Zone: Zone(services, slices, domain), Domain: domain,
		Route: func(name string) explain.Route { return route(cfg, name) },
	}, nil
}

// nodeServers is the placeholder for servers that only the pods can read.
const nodeServers = "(those of the node's resolv.conf)"

// route returns the servers for a name outside the zone.
func route(cfg config.Config, name string) explain.Route {
	name = strings.TrimSuffix(name, ".")
	var best explain.Route
	for _, stub := range cfg.StubDomains {
		if (name != stub.Domain && !strings.HasSuffix(name, "."+stub.Domain)) || len(stub.Domain) <= len(best.Domain) ||
			len(stub.Servers) == 0 {
			continue
		}
		best = explain.Route{Domain: stub.Domain}
		for _, s := range stub.Servers {
			best.Servers = append(best.Servers, s.String())
		}
	}
	if best.Domain != "" || !strings.Contains(name, ".") {
		return best
	}
	for _, s := range cfg.Upstreams {
		best.Servers = append(best.Servers, s.String())
	}
	if len(best.Servers) == 0 {
		best.Servers = []string{nodeServers}
	}
	return best
}
