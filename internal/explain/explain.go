// Package explain shows a person what a pod gets for a name. It walks the search list as
// the pod's resolver does, and returns for each step what is answered and why.
package explain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// A Zone is what is explained. A *kubedns.Zone is one.
type Zone interface {
	Explain(ctx context.Context, name string, qtype uint16) kubedns.Explanation
	ReverseRecords(addr netip.Addr) ([]backend.Record, error)
}

// An Explainer explains names of a cluster.
type Explainer struct {
	Zone Zone
	// Domain is the zone's apex with trailing dot.
	Domain string
	// Route returns which servers are asked for a name outside the zone. It returns ""
	// for a name that is not forwarded.
	Route func(name string) string
}

// A Question is what a pod asks.
type Question struct {
	// Name as it is in the pod's program or configuration, or an address.
	Name string
	// Namespace of the pod; empty means default.
	Namespace string
	// Type is A, AAAA or SRV; empty means A.
	Type string
}

// A Step is one query of the walk.
type Step struct {
	Name string // absolute
	// Result is a response code, NODATA, or "asked outside".
	Result string
	// Answer is the data of the records, and Object what they follow from.
	Answer []string
	Object string
	// Reason is why there are no records, or who is asked.
	Reason string
}

// A Walk is the way of one look-up.
type Walk struct {
	Steps   []Step
	Summary string
}

// Results that are no response codes.
const (
	noData  = "NODATA"
	outside = "asked outside"
)

// ndots is the option of that name in the resolv.conf that the kubelet writes.
const ndots = 5

// types are those that a Question may have.
var types = map[string]uint16{"A": backend.TypeA, "AAAA": backend.TypeAAAA, "SRV": backend.TypeSRV}

// Types returns the types that a Question may have.
func Types() []string { return []string{"A", "AAAA", "SRV"} }

// Explain walks the search list until a name has records. It fails when the question
// cannot be asked.
func (e *Explainer) Explain(ctx context.Context, q Question) (Walk, error) {
	name := strings.ToLower(strings.TrimSpace(q.Name))
	namespace := strings.ToLower(strings.TrimSpace(q.Namespace))
	if namespace == "" {
		namespace = "default"
	}
	if addr, err := netip.ParseAddr(name); err == nil {
		return e.reverse(addr), nil
	}
	qtype, ok := types[strings.ToUpper(q.Type)]
	if q.Type == "" {
		qtype, ok = backend.TypeA, true
	}
	if !ok {
		return Walk{}, fmt.Errorf("type %q cannot be explained: use %s", q.Type, strings.Join(Types(), ", "))
	}
	if err := checkName(name); err != nil {
		return Walk{}, err
	}
	if strings.ContainsAny(namespace, ". ") {
		return Walk{}, fmt.Errorf("%q is no name of a namespace", q.Namespace)
	}
	var w Walk
	for _, candidate := range Candidates(name, namespace, e.Domain) {
		step := e.step(ctx, candidate, qtype)
		w.Steps = append(w.Steps, step)
		if len(step.Answer) > 0 {
			w.Summary = fmt.Sprintf("The pod gets an answer at query %d: %s.", len(w.Steps), step.Name)
			return w, nil
		}
	}
	last := w.Steps[len(w.Steps)-1]
	if last.Result == outside {
		w.Summary = fmt.Sprintf("No name of the cluster matches: query %d goes to %s.", len(w.Steps), last.Reason)
	} else {
		w.Summary = fmt.Sprintf("The pod gets no records: %s (%s).", last.Result, reasonOf(w.Steps))
	}
	return w, nil
}

// reasonOf returns the reason that helps most: the one of the longest way into the zone
// is that of the first step.
func reasonOf(steps []Step) string {
	if i := slices.IndexFunc(steps, func(s Step) bool { return s.Reason != "" }); i >= 0 {
		return steps[i].Reason
	}
	return "no reason is known"
}

// checkName returns an error for what no resolver would ask for (RFC 1035 section 2.3.4).
func checkName(name string) error {
	bare := strings.TrimSuffix(name, ".")
	switch {
	case bare == "":
		return errors.New("a name is missing, such as web or web.prod")
	case len(bare) > 253:
		return errors.New("the name has more than 253 characters")
	case strings.ContainsAny(bare, " \t/\\:@"):
		return fmt.Errorf("%q is no name: write a host name without scheme, port or path", name)
	}
	for label := range strings.SplitSeq(bare, ".") {
		if label == "" || len(label) > 63 {
			return fmt.Errorf("%q is no name: each label has 1 to 63 characters", name)
		}
	}
	return nil
}

// Candidates returns the absolute names that a resolver asks for, in order, with the
// search list of a pod in a namespace (resolv.conf(5)). The search domains of the node,
// which the kubelet adds, are not known here.
func Candidates(name, namespace, domain string) []string {
	if strings.HasSuffix(name, ".") {
		return []string{name}
	}
	var list []string
	for _, suffix := range []string{namespace + ".svc." + domain, "svc." + domain, domain} {
		if full := name + "." + suffix; len(full) <= 254 {
			list = append(list, full)
		}
	}
	if strings.Count(name, ".") >= ndots {
		return append([]string{name + "."}, list...)
	}
	return append(list, name+".")
}

func (e *Explainer) step(ctx context.Context, name string, qtype uint16) Step {
	if name != e.Domain && !strings.HasSuffix(name, "."+e.Domain) {
		s := Step{Name: name, Result: outside, Object: "not a name of the zone", Reason: e.Route(name)}
		if s.Reason == "" {
			s.Result, s.Reason = "NXDOMAIN", "a name of one label is not asked outside"
		}
		return s
	}
	x := e.Zone.Explain(ctx, name, qtype)
	s := Step{Name: name, Object: x.Object, Reason: x.Reason, Result: resultOf(len(x.Records), x.Err)}
	for _, r := range x.Records {
		s.Answer = append(s.Answer, data(r))
		if r.Type == backend.TypeCNAME && qtype != backend.TypeCNAME {
			s.Reason = e.follow(ctx, r.Host, qtype)
		}
	}
	if more := x.Total - len(x.Records); more > 0 {
		s.Answer = append(s.Answer, fmt.Sprintf("and %d more", more))
	}
	return s
}

// follow returns where the target of a CNAME leads.
func (e *Explainer) follow(ctx context.Context, target string, qtype uint16) string {
	if target != e.Domain && !strings.HasSuffix(target, "."+e.Domain) {
		if route := e.Route(target); route != "" {
			return "the target is looked up at " + route
		}
		return "the target has no server to be looked up at"
	}
	x := e.Zone.Explain(ctx, target, qtype)
	if len(x.Records) == 0 {
		return fmt.Sprintf("the target gives %s: %s", resultOf(0, x.Err), x.Reason)
	}
	return fmt.Sprintf("the target is %s with %s", x.Object, data(x.Records[0]))
}

func (e *Explainer) reverse(addr netip.Addr) Walk {
	rs, err := e.Zone.ReverseRecords(addr)
	s := Step{Name: addr.String(), Result: resultOf(len(rs), err), Object: "the address of a Service or its endpoint"}
	for _, r := range rs {
		s.Answer = append(s.Answer, data(r))
	}
	if len(rs) > 0 {
		return Walk{Steps: []Step{s}, Summary: fmt.Sprintf("The address has the name %s.", rs[0].Host)}
	}
	s.Object, s.Reason = "no Service", "no ClusterIP, and no endpoint with a hostname, has this address"
	if route := e.Route("a.b.in-addr.arpa."); errors.Is(err, backend.ErrNotFound) && route != "" {
		s.Result = outside
		s.Reason += ": " + route + " are asked"
	}
	return Walk{Steps: []Step{s}, Summary: "The address has no name in the cluster."}
}

// resultOf returns the response code of an answer as people call it.
func resultOf(records int, err error) string {
	switch {
	case records > 0:
		return "NOERROR"
	case err == nil:
		return noData
	case errors.Is(err, backend.ErrNotFound):
		return "NXDOMAIN"
	}
	return "SERVFAIL"
}

// data is a record without its owner.
func data(r backend.Record) string {
	switch r.Type {
	case backend.TypeA:
		return fmt.Sprintf("A %s (TTL %d)", r.Addr, r.TTL)
	case backend.TypeAAAA:
		return fmt.Sprintf("AAAA %s (TTL %d)", r.Addr, r.TTL)
	case backend.TypeSRV:
		return fmt.Sprintf("SRV %s port %d (TTL %d)", r.Host, r.Port, r.TTL)
	case backend.TypeCNAME:
		return fmt.Sprintf("CNAME %s (TTL %d)", r.Host, r.TTL)
	case backend.TypePTR:
		return fmt.Sprintf("PTR %s (TTL %d)", r.Host, r.TTL)
	}
	return fmt.Sprintf("a record of type %d (TTL %d)", r.Type, r.TTL)
}
