package dns

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync/atomic"

	"github.com/kube-dns/kube-dns/internal/label"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// federations are the configured federations, and the place of this cluster.
type federations struct {
	domains atomic.Pointer[map[string]string] // by name
	locate  atomic.Pointer[func(context.Context) (Location, error)]
	known   atomic.Pointer[Location]
}

// SetFederations replaces the federations: names and their domains. Any goroutine
// may call it at any time.
func (f *federations) SetFederations(domains map[string]string) {
	domains = maps.Clone(domains)
	f.domains.Store(&domains)
}

// SetLocator sets the function that returns where the cluster is. Queries for
// federation names call it, many at once; it limits its own rate.
func (f *federations) SetLocator(locate func(context.Context) (Location, error)) {
	f.locate.Store(&locate)
}

// A federatedName is a question <service>.<namespace>.<federation>.svc.<zone>.
type federatedName struct {
	service, namespace, federation, domain string
}

// mayHave reports whether a name could be one of a federation, by its form alone.
func (f *federations) mayHave(name string) bool {
	domains := f.domains.Load()
	return domains != nil && len(*domains) > 0 && strings.Count(name, ".") == 3
}

// parse reports whether name, which is relative to the zone, is of a configured
// federation.
//
// Compat: where a namespace has the name of a federation, an endpoint's
// hostname has the same form and has no answer of its own.
func (f *federations) parse(name string) (n federatedName, ok bool) {
	if !f.mayHave(name) {
		return n, false
	}
	labels := strings.Split(name, ".")
	if labels[3] != "svc" {
		return n, false
	}
	n = federatedName{service: labels[0], namespace: labels[1], federation: labels[2]}
	n.domain, ok = (*f.domains.Load())[n.federation]
	// The name of a Service begins with a letter.
	return n, ok && label.Reason(n.service) == "" && n.service[0] >= 'a' && label.Reason(n.namespace) == ""
}

// host returns the name of a Service in the federation's cluster that is nearest.
func (f *federations) host(ctx context.Context, n federatedName, noWait bool) (string, error) {
	at, err := f.location(ctx, noWait)
	if err != nil {
		return "", err
	}
	host := strings.Join([]string{n.service, n.namespace, n.federation, "svc", at.Zone, at.Region, n.domain}, ".") + "."
	return strings.ToLower(host), nil
}

// location calls the locator until one call succeeds. With noWait it returns
// backend.ErrWouldWait instead of calling it.
func (f *federations) location(ctx context.Context, noWait bool) (Location, error) {
	if at := f.known.Load(); at != nil {
		return *at, nil
	}
	if noWait {
		return Location{}, backend.ErrWouldWait
	}
	locate := f.locate.Load()
	if locate == nil {
		return Location{}, errors.New("the cluster's zone and region are not known")
	}
	at, err := (*locate)(ctx)
	if err == nil {
		f.known.Store(&at)
	}
	return at, err
}
