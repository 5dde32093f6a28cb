package compare

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/ask"
)

// An Effect is whether clients notice a difference.
type Effect string

// The effects.
const (
	Harmless Effect = "harmless"
	Some     Effect = "some clients"
	All      Effect = "clients notice"
)

// A Kind is a kind of difference.
type Kind struct {
	// Code is a code of docs/migration.md, or "".
	Code   string `json:"code,omitempty"`
	Text   string `json:"text"`
	Effect Effect `json:"effect"`
}

// A Difference is a question with different replies of two servers.
type Difference struct {
	Question Question  `json:"question"`
	Left     ask.Reply `json:"left"`
	Right    ask.Reply `json:"right"`
	Kind     Kind      `json:"kind"`
}

// Options exclude parts of replies from the comparison.
type Options struct{ TTL, AA bool }

var (
	hashLabel   = regexp.MustCompile(`^[0-9a-f]{6,16}\.`)
	dashedLabel = regexp.MustCompile(`^([0-9]+-){3}[0-9]+\.|^[0-9a-f]*(-[0-9a-f]*){2,7}\.`)
)

// Compare returns the difference between two replies, or false.
func Compare(q Question, left, right ask.Reply, ignore Options) (Difference, bool) {
	d := Difference{Question: q, Left: left, Right: right}
	switch {
	case left.Err != "" || right.Err != "":
		if left.Err != "" && right.Err != "" {
			return d, false // both fail: nothing to compare
		}
		d.Kind = Kind{Text: "one server does not reply", Effect: All}
	case left.Rcode != right.Rcode:
		d.Kind = rcodeKind(q, left, right)
	case !sameData(left, right):
		d.Kind = dataKind(q, left, right)
	case !ignore.AA && left.AA != right.AA:
		d.Kind = Kind{"MG07", "authoritative flag", Harmless}
	case !ignore.TTL && !sameTTL(left, right):
		d.Kind = Kind{"MG08", "time to live", Harmless}
	default:
		return d, false
	}
	return d, true
}

func data(r ask.Reply) []string {
	var list []string
	for _, rr := range r.Answer {
		list = append(list, rr.Name+" "+rr.String())
	}
	slices.Sort(list)
	return list
}

func sameData(left, right ask.Reply) bool { return slices.Equal(data(left), data(right)) }

func sameTTL(left, right ask.Reply) bool {
	for i := range left.Answer { // equal data: same length, and sorted
		if left.Answer[i].TTL != right.Answer[i].TTL {
			return false
		}
	}
	return true
}

func rcodeKind(q Question, left, right ask.Reply) Kind {
	labels := strings.Split(strings.TrimSuffix(q.Name, "."), ".")
	one := func(rcode string) bool { return left.Rcode == rcode || right.Rcode == rcode }
	switch {
	case q.Type == "ANY":
		return Kind{"MG10", "queries of type ANY", Harmless}
	case slices.Contains(labels, "*") || slices.Contains(labels, "any"):
		return Kind{"MG01", "wildcards", Some}
	case q.Type == "PTR" && one("NXDOMAIN"):
		return Kind{"MG06", "names of pod addresses", Some}
	case len(labels) == 1:
		return Kind{"MG12", "names of one label", Harmless}
	case len(labels) > 2 && slices.Contains(labels[1:], "pod"):
		return Kind{"MG11", "names of pods", Some}
	case one("NXDOMAIN") && (hashLabel.MatchString(q.Name) || dashedLabel.MatchString(q.Name)):
		return Kind{"MG05", "names of endpoints without a hostname", Some}
	case one("SERVFAIL"):
		return Kind{Text: "one server fails", Effect: All}
	}
	return Kind{Text: "response code", Effect: All}
}

func dataKind(q Question, left, right ask.Reply) Kind {
	all := slices.Concat(left.Answer, right.Answer)
	switch {
	case q.Type == "SRV" && !strings.HasPrefix(q.Name, "_"):
		return Kind{"MG03", "SRV records at the Service's own name", Some}
	case q.Type == "SRV" && slices.ContainsFunc(all, func(r ask.Record) bool {
		target := r.Data[strings.LastIndexByte(r.Data, ' ')+1:]
		return hashLabel.MatchString(target)
	}):
		if slices.ContainsFunc(all, func(r ask.Record) bool {
			return dashedLabel.MatchString(r.Data[strings.LastIndexByte(r.Data, ' ')+1:])
		}) {
			return Kind{"MG05", "names of endpoints without a hostname", Some}
		}
		return Kind{"MG04", "SRV target of a Service", Harmless}
	case q.Type == "PTR":
		return Kind{"MG06", "names of pod addresses", Some}
	case q.Type == "CNAME" || slices.ContainsFunc(all, isAddressAlias):
		return Kind{"MG02", "an externalName that is an address", All}
	case len(left.Answer) == 0 || len(right.Answer) == 0:
		return Kind{Text: "one server has no records", Effect: All}
	}
	return Kind{Text: "records", Effect: All}
}

func isAddressAlias(r ask.Record) bool {
	_, err := netip.ParseAddr(strings.TrimSuffix(r.Data, "."))
	return r.Type == "CNAME" && err == nil
}
