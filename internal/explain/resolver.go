package explain

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Question is a look-up by a pod.
type Question struct {
	// Name as it is in the pod's program or configuration, or an address.
	Name string `json:"name"`
	// Namespace of the pod; empty means default.
	Namespace string `json:"namespace,omitempty"`
	// Type is A, AAAA or SRV; empty means A.
	Type string `json:"type,omitempty"`
	// Resolver is glibc, musl or go; empty means glibc.
	Resolver string `json:"resolver,omitempty"`
	// Ndots is the option ndots of resolv.conf, 0 to 15; empty means 5.
	Ndots string `json:"ndots,omitempty"`
	// Search are the search domains of the pod's node, after the cluster's own, separated by spaces
	// or commas.
	Search string `json:"-"`
}

// A resolver is the part of a pod that sends queries.
type resolver struct {
	name   string
	ndots  int
	search []string // without trailing dots
}

// Resolvers returns the possible resolvers of a Question.
func Resolvers() []string { return []string{"glibc", "musl", "go"} }

// maxSearch limits the search domains of a node: Kubernetes allows 32 in all.
const maxSearch = 29

// newResolver returns the resolver of a pod with dnsPolicy ClusterFirst.
func newResolver(q Question, domain string) (*resolver, error) {
	r := &resolver{name: cmp.Or(strings.ToLower(q.Resolver), "glibc")}
	if !slices.Contains(Resolvers(), r.name) {
		return nil, fmt.Errorf("resolver %q is not known: use %s", q.Resolver, strings.Join(Resolvers(), ", "))
	}
	ndots, err := strconv.ParseUint(cmp.Or(q.Ndots, "5"), 10, 8)
	if err != nil || ndots > 15 {
		return nil, fmt.Errorf("ndots %q is not a number from 0 to 15", q.Ndots)
	}
	r.ndots = int(ndots)
	namespace := cmp.Or(strings.ToLower(strings.TrimSpace(q.Namespace)), "default")
	if strings.ContainsAny(namespace, ". ") {
		return nil, fmt.Errorf("%q is not a name of a namespace", q.Namespace)
	}
	domain = strings.TrimSuffix(domain, ".")
	r.search = []string{namespace + ".svc." + domain, "svc." + domain, domain}
	more := strings.FieldsFunc(strings.ToLower(q.Search), func(c rune) bool { return c == ' ' || c == ',' })
	if len(more) > maxSearch {
		return nil, fmt.Errorf("%d search domains are too many: at most %d", len(more), maxSearch)
	}
	for _, suffix := range more {
		if suffix = strings.TrimSuffix(suffix, "."); checkName(suffix) != nil {
			return nil, fmt.Errorf("search domain %q is not a name", suffix)
		}
		r.search = append(r.search, suffix)
	}
	return r, nil
}

// candidates returns the absolute names that the resolver queries, in order (resolv.conf(5)).
func (r *resolver) candidates(name string) []string {
	if strings.HasSuffix(name, ".") {
		return []string{name}
	}
	var list []string
	for _, suffix := range r.search {
		if full := name + "." + suffix + "."; len(full) <= 254 {
			list = append(list, full)
		}
	}
	switch few := strings.Count(name, ".") < r.ndots; {
	case few:
		return append(list, name+".")
	case r.name == "musl":
		return []string{name + "."}
	}
	return append([]string{name + "."}, list...)
}

// endsAt reports whether a reply without records stops the walk. musl continues only after
// NXDOMAIN.
func (r *resolver) endsAt(result string) bool {
	return r.name == "musl" && result != "NXDOMAIN"
}

// checkName returns an error for a name that no resolver would query (RFC 1035 section 2.3.4).
func checkName(name string) error {
	bare := strings.TrimSuffix(name, ".")
	switch {
	case bare == "":
		return errors.New("a name is missing, such as web or web.prod")
	case len(bare) > 253:
		return errors.New("the name has more than 253 characters")
	case strings.ContainsAny(bare, " \t/\\:@"):
		return fmt.Errorf("%q is not a name: write a host name without scheme, port or path", name)
	}
	for label := range strings.SplitSeq(bare, ".") {
		if label == "" || len(label) > 63 {
			return fmt.Errorf("%q is not a name: each label has 1 to 63 characters", name)
		}
	}
	return nil
}
