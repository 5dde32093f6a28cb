package dns

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/kube-dns/kube-dns/internal/spelling"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// An Explanation is the zone's answer to a question, and the reason for it. It is for people.
type Explanation struct {
	// Records holds at most ten records of the answer. Total counts all of them.
	Records []backend.Record
	Total   int
	// Err is the error of Zone.Records: nil, even without records (NODATA), backend.ErrNotFound
	// (NXDOMAIN), or another error (SERVFAIL).
	Err error
	// Object is the source of the answer: a Service, or the form of the name.
	Object string
	// Reason explains why there are no records. It is empty if there are.
	Reason string
}

// explainRecords is the maximum number of records in an Explanation.
const explainRecords = 10

// Explain explains the answer for a name at or below the zone's apex. The name is absolute and in
// lower case. It does not wait. Any goroutine may call it.
func (z *Zone) Explain(ctx context.Context, name string, qtype uint16) Explanation {
	a, err := z.Records(ctx, backend.Query{Name: name, Type: qtype, Limit: explainRecords, NoWait: true})
	e := Explanation{Records: a.Records, Total: a.Total, Err: err}
	v, _ := z.answering()
	if v == nil {
		e.Object, e.Reason = "no data", "the first lists of Services and endpoints are not complete"
		return e
	}
	e.Object, e.Reason = v.explain(name, qtype)
	switch {
	case len(e.Records) > 0:
		e.Reason = ""
	case errors.Is(err, errTooOld):
		e.Reason = "the snapshot is too old for addresses of pods"
	case errors.Is(err, backend.ErrNotReady):
		e.Reason = "the first lists are not complete: a Service of this name may follow"
	case errors.Is(err, backend.ErrWouldWait):
		e.Reason = "the answer needs a lookup, which only a real query starts"
	case err != nil && !errors.Is(err, backend.ErrNotFound):
		e.Reason = err.Error()
	}
	return e
}

// explain describes a name, and returns the reason if it has no records.
func (v *view) explain(name string, qtype uint16) (object, reason string) {
	place, rest := placeOf(name, v.domain)
	switch place {
	case outside:
		return "not a name of the zone", "it is not below " + v.domain
	case apex:
		return "the zone's apex", "it has only NS and SOA records"
	case emptyNode:
		return "a name above others", "it has no records of its own"
	case nameServer:
		return "the zone's name server", "Service kube-system/kube-dns has no address of this family"
	case version:
		return "the version of the schema", "it has only a TXT record"
	case pod:
		return "a pod's address", podReason(rest)
	case wildcard:
		return "all Services that match", "no Service matches"
	}
	if f, ok := v.federations.parse(rest); ok {
		return "federation " + f.federation, "its Service has no name there"
	}
	n, left := v.tree.Lookup(name)
	if s := n.Value(); s != nil {
		return describe(s, v.domain), reasonAt(s, left, qtype)
	}
	return "no Service", v.missing(rest)
}

func podReason(rest string) string {
	label, _ := cutFirst(rest)
	if _, ok := podAddr(label); !ok && strings.Contains(rest, ".") {
		return fmt.Sprintf("%q is not an address with dashes, such as 10-0-0-1", label)
	}
	return "the address is of the other family"
}

// describe returns the name and the kind of a Service.
func describe(s *service, zone string) string {
	name := strings.TrimSuffix(s.owner, ".svc."+zone)
	label, namespace := cutFirst(name)
	k := Key{namespace, label}
	switch {
	case s.alias() != "":
		return fmt.Sprintf("Service %s, ExternalName %s", k, strings.TrimSuffix(s.alias(), "."))
	case s.external:
		return fmt.Sprintf("Service %s, ExternalName that is an address", k)
	case s.headless:
		object := fmt.Sprintf("Service %s, headless, %d addresses of endpoints", k, s.addrs.count())
		if u := s.extra.unready; u != nil {
			object += ", " + u.String()
		}
		return object
	case s.usable:
		return fmt.Sprintf("Service %s, ClusterIP, with a ready endpoint", k)
	}
	return fmt.Sprintf("Service %s, ClusterIP, without a ready endpoint: connections fail", k)
}

// reasonAt returns why a name at or below the Service has no records of a type.
func reasonAt(s *service, rest string, qtype uint16) string {
	if s.external && rest != "" {
		return "an ExternalName has no names below it"
	}
	name := belowOf(rest)
	switch name.kind {
	case self:
		switch qtype {
		case backend.TypeA:
			return "the Service has no IPv4 address"
		case backend.TypeAAAA:
			return "the Service has no IPv6 address"
		}
		return "the Service has no record of this type"
	case hostName:
		if first, end := s.members().find(name.host); first < end {
			return "the endpoint has no address of this family"
		}
		return noHost(s, name.host)
	case protocol:
		return "records are below <port>." + name.protocol
	case portName, hostOfPort:
		if portIndex(s.ports(), name.port, name.protocol) < 0 {
			return fmt.Sprintf("the Service has no port %s.%s%s", name.port, name.protocol, portNames(s.ports()))
		}
		if name.kind == hostOfPort && !s.headless {
			return "a ClusterIP has no names of endpoints below its ports"
		}
		return "a port has only SRV records"
	}
	return "no name of a Service has so many labels"
}

// noHost returns why a Service has no endpoint of that name.
func noHost(s *service, host string) string {
	switch {
	case !s.headless:
		return "a ClusterIP has no names of endpoints below it"
	case s.extra.unready.has(host):
		return fmt.Sprintf("the endpoint %q is not ready", host)
	}
	reason := fmt.Sprintf("the Service has no ready endpoint with the name %q", host)
	if u := s.extra.unready; u != nil {
		reason += "; " + u.String()
	}
	if !s.extra.named {
		return reason + "; none of its endpoints has a hostname"
	}
	names := s.members().hostnames
	if near := spelling.Nearest(host, names, 2); near != "" {
		return reason + fmt.Sprintf("; there is %q", near)
	}
	return reason + "; it has " + listed(names)
}

// explainNames is the maximum number of names in a reason.
const explainNames = 10

// listed joins the first explainNames names.
func listed(names []string) string {
	if len(names) > explainNames {
		return strings.Join(names[:explainNames], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}

// portNames joins the names of ports.
func portNames(ports []Port) string {
	if len(ports) == 0 {
		return "; none of its ports has a name"
	}
	var names []string
	for _, p := range ports {
		names = append(names, "_"+p.Name+"._"+p.Protocol)
	}
	return "; it has " + listed(names)
}

// missing returns why there is no Service with a name, relative to the zone.
func (v *view) missing(rest string) string {
	labels := strings.Split(rest, ".")
	slices.Reverse(labels)
	if labels[0] != "svc" {
		return fmt.Sprintf("names of Services are <service>.<namespace>.svc.%s", v.domain)
	}
	if len(labels) == 2 {
		return "a namespace has no records of its own"
	}
	namespace, name := labels[1], labels[2]
	if u, ok := v.hidden.get(Key{namespace, name}); ok {
		return hiddenReason(u)
	}
	n, left := v.tree.Lookup(namespace + ".svc." + v.domain)
	if left != "" {
		return fmt.Sprintf("namespace %q has no Service with records%s%s",
			namespace, v.nearChild("svc."+v.domain, namespace), v.elsewhere(name))
	}
	if n.Value() == nil {
		return fmt.Sprintf("namespace %q has no Service %q%s%s",
			namespace, name, v.nearChild(namespace+".svc."+v.domain, name), v.elsewhere(name))
	}
	return "no Service has this name"
}

// hiddenReason returns why a Service that exists has no records.
func hiddenReason(u *unready) string {
	if u == nil {
		return "the Service is headless and has no endpoint"
	}
	return "the Service is headless and has no ready endpoint; " + u.String()
}

// elsewhere names the namespaces that have a Service with that name.
func (v *view) elsewhere(name string) string {
	var found []string
	for _, namespace := range v.below("svc." + v.domain) {
		if at, left := v.tree.Lookup(name + "." + namespace + ".svc." + v.domain); left == "" && at.Value() != nil {
			found = append(found, namespace)
		}
	}
	if len(found) == 0 {
		return ""
	}
	slices.Sort(found)
	return fmt.Sprintf("; there is a Service %q in namespace %s", name, listed(found))
}

// nearChild suggests a name one label below parent that is spelt like label.
func (v *view) nearChild(parent, label string) string {
	if near := spelling.Nearest(label, v.below(parent), 2); near != "" {
		return fmt.Sprintf("; there is %q", near)
	}
	return ""
}

// explainChildren limits the search among names one label below another.
const explainChildren = 20_000

// below returns the labels below a name.
func (v *view) below(parent string) (labels []string) {
	n, left := v.tree.Lookup(parent)
	if left != "" {
		return nil
	}
	for label := range n.Children() {
		if labels = append(labels, label); len(labels) == explainChildren {
			break
		}
	}
	return labels
}
