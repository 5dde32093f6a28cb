package skydns

import (
	"strings"

	"github.com/miekg/dns"
)

// An autopath walks a pod's search list on behalf of the pod.
type autopath struct {
	// below is the suffix of the names that a pod queries first: ".svc.<zone>".
	below string
	// domains follow the namespace's domain in the list: svc.<zone>, <zone>, the node's domains.
	// The last one is "", for the name as is.
	domains []string
}

// maxNodeDomains limits the search domains used from the node. Kubelets before 1.26 and old
// resolvers drop domains after the sixth, and three are the cluster's. With more, the end of the
// list depends on the client, so the client walks it.
const maxNodeDomains = 3

// newAutopath returns the search list of pods in a zone, on a node with these search domains. They
// have a trailing dot.
func newAutopath(zone string, node []string) *autopath {
	p := &autopath{below: ".svc." + zone, domains: []string{"svc." + zone, zone}}
	for _, domain := range node[:min(len(node), maxNodeDomains)] {
		p.domains = append(p.domains, canonical(domain))
	}
	if len(node) <= maxNodeDomains {
		p.domains = append(p.domains, "")
	}
	return p
}

// first reports whether a question is the first one in a pod's search list for a name. It returns
// that name without trailing dot, and the pod's namespace. Names without a dot belong to Services,
// so they are not searched. It is nil-safe and does not allocate.
func (p *autopath) first(name string, qtype uint16) (asked, namespace string, ok bool) {
	if p == nil || qtype != dns.TypeA && qtype != dns.TypeAAAA {
		return "", "", false
	}
	rest, ok := strings.CutSuffix(name, p.below)
	at := strings.LastIndexByte(rest, '.')
	if !ok || at < 1 {
		return "", "", false
	}
	asked, namespace = rest[:at], rest[at+1:]
	ok = namespace != "" && strings.Contains(asked, ".") && !strings.ContainsAny(rest, `*\`)
	return asked, namespace, ok
}

// candidates returns the names that follow in the list.
func (p *autopath) candidates(asked string) []string {
	var names []string
	for _, domain := range p.domains {
		names = append(names, asked+"."+domain)
	}
	return names
}
