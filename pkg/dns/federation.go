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

// federations holds the configured federations and the location of this cluster.
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

// SetLocator sets the function that returns the location of the cluster. Queries for federation
// names call it concurrently. It must limit its own rate.
func (f *federations) SetLocator(locate func(context.Context) (Location, error)) {
	f.locate.Store(&locate)
}

// A federatedName is a name <service>.<namespace>.<federation>.svc.<zone>.
type federatedName struct {
	service, namespace, federation, domain string
}

// mayHave reports whether a name has the form of a federation name.
func (f *federations) mayHave(name string) bool {
	domains := f.domains.Load()
	return domains != nil && len(*domains) > 0 && strings.Count(name, ".") == 3
}

// parse reports whether name, relative to the zone, belongs to a configured federation.
//
// Compat: in a namespace with the name of a federation, an endpoint's hostname has the same form.
// The federation hides it.
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
	// The name of a Service starts with a letter.
	return n, ok && label.Reason(n.service) == "" && n.service[0] >= 'a' && label.Reason(n.namespace) == ""
}

// host returns the name of a Service in the nearest cluster of the federation.
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
