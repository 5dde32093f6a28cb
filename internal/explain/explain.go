// Package explain shows a person the result of a pod's look-up of a name. It walks the search list
// as the pod's resolver does, and returns the answer and its reason for each step.
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

// An Explainer explains names of a cluster.
type Explainer struct {
	Zone *kubedns.Zone
	// Domain is the zone's apex with trailing dot.
	Domain string
	// Route returns the servers for a name outside the zone.
	Route func(name string) Route
	// Waiting describes the missing data until the first lists are complete. It can be nil.
	Waiting func() string
}

// A Route is the destination of queries for a name outside the zone.
type Route struct {
	// Domain is the stub domain of the servers; "" for the nameservers.
	Domain string
	// Servers are empty for a name that is not forwarded.
	Servers []string
}

// String returns the servers as part of a sentence, or "".
func (r Route) String() string {
	switch {
	case len(r.Servers) == 0:
		return ""
	case r.Domain != "":
		return fmt.Sprintf("%s, of the stub domain %s", strings.Join(r.Servers, ", "), strings.TrimSuffix(r.Domain, "."))
	}
	return "the nameservers " + strings.Join(r.Servers, ", ")
}

// A Walk is the path of one look-up. As JSON it is the reply of /explain: fields are only added.
type Walk struct {
	Question Question `json:"question"`
	// Search is the pod's search list; empty for an address.
	Search []string `json:"search"`
	Steps  []Step   `json:"candidates"`
	// Advice are sentences for people, the most important one first: the Summary.
	Advice  []string `json:"advice"`
	Summary string   `json:"-"`
}

// A Step is one query of the walk.
type Step struct {
	Name string `json:"name"` // absolute
	// AnsweredBy is zone, stub or upstream. Rule is the reason for the choice of these servers.
	AnsweredBy string   `json:"answeredBy"`
	Rule       string   `json:"rule,omitempty"`
	Servers    []string `json:"servers,omitempty"`
	// Rcode is NOERROR, NXDOMAIN or SERVFAIL. It is empty if servers outside are queried.
	Rcode string `json:"rcode"`
	// Records are the answer, perhaps not all of it, and Objects its sources.
	Records []Record `json:"records"`
	Objects []string `json:"objects"`
	// Reason is the reason for missing records, or the queried servers.
	Reason string `json:"reason,omitempty"`
	// Used: the resolver uses the answer to this query.
	Used bool `json:"used"`

	// For people: Result is the Rcode, NODATA, or "asked outside", and Answer the records.
	Result string   `json:"-"`
	Answer []string `json:"-"`
}

// A Record is one record of an answer.
type Record struct {
	Type string `json:"type"`
	Data string `json:"data"`
	TTL  uint32 `json:"ttl"`
}

// Results that are no response codes.
const (
	noData  = "NODATA"
	outside = "asked outside"
)

// types are the possible types of a Question.
var types = map[string]uint16{"A": backend.TypeA, "AAAA": backend.TypeAAAA, "SRV": backend.TypeSRV}

// Types returns the possible types of a Question.
func Types() []string { return []string{"A", "AAAA", "SRV"} }

// Explain walks the search list until a name has records, or the resolver stops. It fails if the
// question is not valid.
func (e *Explainer) Explain(ctx context.Context, q Question) (Walk, error) {
	w, err := e.walk(ctx, q)
	if err != nil {
		return Walk{}, err
	}
	w.Question, w.Advice = q, []string{w.Summary}
	w.Steps[len(w.Steps)-1].Used = true
	return w, nil
}

func (e *Explainer) walk(ctx context.Context, q Question) (Walk, error) {
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

// reasonOf returns the most useful reason. The first step has the longest name in the zone, so its
// reason comes first.
func reasonOf(steps []Step) string {
	if i := slices.IndexFunc(steps, func(s Step) bool { return s.Reason != "" }); i >= 0 {
		return steps[i].Reason
	}
	return "no reason is known"
}

func (e *Explainer) step(ctx context.Context, name string, qtype uint16) Step {
	if name != e.Domain && !strings.HasSuffix(name, "."+e.Domain) {
		route := e.Route(name)
		if route.String() == "" {
			return newStep(name, "NXDOMAIN", "not a name of the zone", "a name of one label is not forwarded outside")
		}
		s := newStep(name, outside, "not a name of the zone", route.String())
		s.ask(route)
		return s
	}
	x := e.Zone.Explain(ctx, name, qtype)
	s := newStep(name, resultOf(len(x.Records), x.Err), x.Object, x.Reason)
	if errors.Is(x.Err, backend.ErrNotReady) && e.Waiting != nil {
		s.Reason += ": " + e.Waiting()
	}
	s.add(x.Records)
	for _, r := range x.Records {
		if r.Type == backend.TypeCNAME && qtype != backend.TypeCNAME {
			s.Reason = e.follow(ctx, r.Host, qtype)
		}
	}
	if more := x.Total - len(x.Records); more > 0 {
		s.Answer = append(s.Answer, fmt.Sprintf("and %d more", more))
	}
	return s
}

// newStep returns a step without records.
func newStep(name, result, object, reason string) Step {
	return Step{
		Name: name, AnsweredBy: "zone", Rcode: strings.Replace(result, noData, "NOERROR", 1), Records: []Record{},
		Objects: []string{object}, Reason: reason, Result: result,
	}
}

// ask makes s a query to servers outside.
func (s *Step) ask(route Route) {
	s.Result, s.Rcode, s.Servers = outside, "", route.Servers
	s.AnsweredBy, s.Rule = "upstream", "nameservers"
	if route.Domain != "" {
		s.AnsweredBy, s.Rule = "stub", "stubDomains "+strings.TrimSuffix(route.Domain, ".")
	}
}

// add adds records to the answer.
func (s *Step) add(records []backend.Record) {
	for _, r := range records {
		s.Records = append(s.Records, recordOf(r))
		s.Answer = append(s.Answer, recordOf(r).String())
	}
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
		return fmt.Sprintf("the target returns %s: %s", resultOf(0, x.Err), x.Reason)
	}
	return fmt.Sprintf("the target is %s with %s", x.Object, recordOf(x.Records[0]))
}

func (e *Explainer) reverse(addr netip.Addr) Walk {
	rs, err := e.Zone.ReverseRecords(addr)
	w := Walk{Search: []string{}, Summary: "The address has no name in the cluster."}
	s := newStep(addr.String(), resultOf(len(rs), err), "the address of a Service or its endpoint", "")
	if len(rs) > 0 {
		s.add(rs)
		w.Steps, w.Summary = []Step{s}, fmt.Sprintf("The address has the name %s", rs[0].Host)
		return w
	}
	s = newStep(s.Name, s.Result, "no Service", "no ClusterIP, and no endpoint with a hostname, has this address")
	if route := e.Route("a.b.in-addr.arpa."); errors.Is(err, backend.ErrNotFound) && len(route.Servers) > 0 {
		s.ask(route)
		s.Reason += ": " + route.String() + " are queried"
	}
	w.Steps = []Step{s}
	return w
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

// recordOf is a record without its owner.
func recordOf(r backend.Record) Record {
	record := Record{Type: fmt.Sprintf("TYPE%d", r.Type), TTL: r.TTL}
	switch r.Type {
	case backend.TypeA:
		record.Type, record.Data = "A", r.Addr.String()
	case backend.TypeAAAA:
		record.Type, record.Data = "AAAA", r.Addr.String()
	case backend.TypeSRV:
		record.Type, record.Data = "SRV", fmt.Sprintf("%s port %d", r.Host, r.Port)
	case backend.TypeCNAME:
		record.Type, record.Data = "CNAME", r.Host
	case backend.TypePTR:
		record.Type, record.Data = "PTR", r.Host
	}
	return record
}

// String returns the record for people.
func (r Record) String() string {
	return fmt.Sprintf("%s (TTL %d)", strings.TrimSpace(r.Type+" "+r.Data), r.TTL)
}
