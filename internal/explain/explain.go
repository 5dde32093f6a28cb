// Package explain shows a person what a pod gets for a name. It walks the search list as
// the pod's resolver does, and returns for each step what is answered and why.
package explain

import (
	"cmp"
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
	// Route returns which servers are asked for a name outside the zone.
	Route func(name string) Route
	// Waiting returns what the first lists wait for, while they are not complete. It may
	// be nil.
	Waiting func() string
}

// A Route is where a name outside the zone is forwarded to.
type Route struct {
	// Domain is the stub domain that the servers are of; "" for the nameservers.
	Domain string
	// Servers are empty for a name that is not forwarded.
	Servers []string
}

// String returns the servers as part of a sentence, "" if there are none.
func (r Route) String() string {
	switch {
	case len(r.Servers) == 0:
		return ""
	case r.Domain != "":
		return fmt.Sprintf("%s, of the stub domain %s", strings.Join(r.Servers, ", "), strings.TrimSuffix(r.Domain, "."))
	}
	return "the nameservers " + strings.Join(r.Servers, ", ")
}

// A Step is one query of the walk.
type Step struct {
	Name string // absolute
	// Result is a response code, NODATA, or "asked outside".
	Result string
	// Records are the answer, at most some of them, and Route is who is asked outside.
	Records []backend.Record
	Route   Route
	// Answer is the data of the records, and Object what they follow from.
	Answer []string
	Object string
	// Reason is why there are no records, or who is asked.
	Reason string
}

// A Walk is the way of one look-up.
type Walk struct {
	// Search is the pod's search list; empty for an address.
	Search  []string
	Steps   []Step
	Summary string
}

// Results that are no response codes.
const (
	noData  = "NODATA"
	outside = "asked outside"
)

// types are those that a Question may have.
var types = map[string]uint16{"A": backend.TypeA, "AAAA": backend.TypeAAAA, "SRV": backend.TypeSRV}

// Types returns the types that a Question may have.
func Types() []string { return []string{"A", "AAAA", "SRV"} }

// Explain walks the search list until a name has records, or the resolver ends the walk.
// It fails when the question cannot be asked.
func (e *Explainer) Explain(ctx context.Context, q Question) (Walk, error) {
	name := strings.ToLower(strings.TrimSpace(q.Name))
	if addr, err := netip.ParseAddr(name); err == nil {
		return e.reverse(addr), nil
	}
	qtype, ok := types[strings.ToUpper(cmp.Or(q.Type, "A"))]
	if !ok {
		return Walk{}, fmt.Errorf("type %q cannot be explained: use %s", q.Type, strings.Join(Types(), ", "))
	}
	if err := checkName(name); err != nil {
		return Walk{}, err
	}
	r, err := newResolver(q, e.Domain)
	if err != nil {
		return Walk{}, err
	}
	w := Walk{Search: r.search}
	for _, candidate := range r.candidates(name) {
		step := e.step(ctx, candidate, qtype)
		w.Steps = append(w.Steps, step)
		if len(step.Answer) > 0 {
			w.Summary = fmt.Sprintf("The pod gets an answer at query %d: %s", len(w.Steps), step.Name)
			return w, nil
		}
		if r.endsAt(step.Result) {
			break
		}
	}
	last := w.Steps[len(w.Steps)-1]
	switch {
	case last.Result == outside:
		w.Summary = fmt.Sprintf("No name of the cluster matches: query %d goes to %s.", len(w.Steps), last.Reason)
	case r.endsAt(last.Result):
		w.Summary = fmt.Sprintf("The pod gets no records: %s at query %d ends the walk of %s (%s).",
			last.Result, len(w.Steps), r.name, last.Reason)
	default:
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

func (e *Explainer) step(ctx context.Context, name string, qtype uint16) Step {
	if name != e.Domain && !strings.HasSuffix(name, "."+e.Domain) {
		s := Step{Name: name, Result: outside, Object: "not a name of the zone", Route: e.Route(name)}
		if s.Reason = s.Route.String(); s.Reason == "" {
			s.Result, s.Reason = "NXDOMAIN", "a name of one label is not asked outside"
		}
		return s
	}
	x := e.Zone.Explain(ctx, name, qtype)
	s := Step{Name: name, Object: x.Object, Reason: x.Reason, Result: resultOf(len(x.Records), x.Err), Records: x.Records}
	if errors.Is(x.Err, backend.ErrNotReady) && e.Waiting != nil {
		s.Reason += ": " + e.Waiting()
	}
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
		if route := e.Route(target).String(); route != "" {
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
	s := Step{
		Name:    addr.String(),
		Result:  resultOf(len(rs), err),
		Records: rs,
		Object:  "the address of a Service or its endpoint",
	}
	for _, r := range rs {
		s.Answer = append(s.Answer, data(r))
	}
	if len(rs) > 0 {
		return Walk{Steps: []Step{s}, Summary: fmt.Sprintf("The address has the name %s", rs[0].Host)}
	}
	s.Object, s.Reason = "no Service", "no ClusterIP, and no endpoint with a hostname, has this address"
	if route := e.Route("a.b.in-addr.arpa."); errors.Is(err, backend.ErrNotFound) && len(route.Servers) > 0 {
		s.Result, s.Route = outside, route
		s.Reason += ": " + route.String() + " are asked"
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
	kind, text := typeAndData(r)
	return fmt.Sprintf("%s (TTL %d)", strings.TrimSpace(kind+" "+text), r.TTL)
}

// typeAndData returns the parts of a record without its owner.
func typeAndData(r backend.Record) (kind, text string) {
	switch r.Type {
	case backend.TypeA:
		return "A", r.Addr.String()
	case backend.TypeAAAA:
		return "AAAA", r.Addr.String()
	case backend.TypeSRV:
		return "SRV", fmt.Sprintf("%s port %d", r.Host, r.Port)
	case backend.TypeCNAME:
		return "CNAME", r.Host
	case backend.TypePTR:
		return "PTR", r.Host
	}
	return fmt.Sprintf("TYPE%d", r.Type), ""
}
