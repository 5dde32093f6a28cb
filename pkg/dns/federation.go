package dns

import (
	"context"
	"fmt"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// A federatedName is a question <service>.<namespace>.<federation>.svc.<zone>.
type federatedName struct {
	service, namespace, federation, domain string
}

// federated says whether name, which is relative to the zone, asks for a
// configured federation.
//
// Compat: where a namespace has the name of a federation, an endpoint's
// hostname has the same shape and can not be asked for.
func (z *Zone) federated(name string) (federatedName, bool) {
	federations := z.federations.Load()
	if federations == nil || len(*federations) == 0 {
		return federatedName{}, false
	}
	labels := strings.Split(name, ".")
	if len(labels) != 4 || labels[3] != "svc" {
		return federatedName{}, false
	}
	f := federatedName{service: labels[0], namespace: labels[1], federation: labels[2]}
	var ok bool
	f.domain, ok = (*federations)[f.federation]
	return f, ok && isRFC1035Label(f.service) && isRFC1123Label(f.namespace)
}

// redirect answers with a CNAME to the Service of this cluster, if it can be
// used, and else to the one of the federation that is nearest.
func (z *Zone) redirect(ctx context.Context, f federatedName, noWait bool) (backend.Answer, error) {
	local := Key{f.namespace, f.service}.owner(z.domain)
	if n, rest := z.tree.Lookup(local); rest == "" {
		if s := n.Value(); s != nil && s.usable {
			return alias(local), nil
		}
	}
	at, err := z.location(ctx, noWait)
	if err != nil {
		return backend.Answer{}, fmt.Errorf("federation %s: %w", f.federation, err)
	}
	host := strings.Join([]string{f.service, f.namespace, f.federation, "svc", at.Zone, at.Region, f.domain}, ".") + "."
	return alias(strings.ToLower(host)), nil
}

func alias(host string) backend.Answer {
	return backend.Answer{Records: []backend.Record{{Type: backend.TypeCNAME, TTL: ttl, Host: host}}, Total: 1, Alias: true}
}
