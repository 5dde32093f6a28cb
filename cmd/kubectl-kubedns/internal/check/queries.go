package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// mostTTL is the TTL of the zone's records in seconds.
const mostTTL = 30

func checkInside(f *Facts) outcome {
	pods, why := f.live()
	if why != "" {
		return skip("%s", why)
	}
	name := "kubernetes.default.svc." + f.zone()
	o := outcome{fine: "each pod resolves " + name}
	asked := 0
	first := slices.Sorted(slices.Values(f.Objects.Kubernetes))
	other := "the Service has"
	if first == nil {
		other = "another pod replies"
	}
	for _, p := range pods {
		r := p.Inside
		if r == nil {
			continue
		}
		asked++
		fix := fmt.Sprintf("kubectl kubedns explain %s. ; kubectl -n %s logs %s -c kubedns", name, f.Namespace, p.Name)
		data := slices.Sorted(slices.Values(r.Records))
		switch {
		case r.Err != "":
			o.add(Error, p.title(), fix, "%s: no reply over TCP: %s", name, r.Err)
		case r.Rcode != "NOERROR" || len(r.Records) == 0:
			o.add(Error, p.title(), fix, "%s: %s with %d records", name, r.Rcode, len(r.Records))
		case r.TTL > mostTTL:
			o.add(Error, p.title(), fix, "%s: TTL %d, want at most %d", name, r.TTL, mostTTL)
		case first == nil:
			first = data
		case !slices.Equal(first, data):
			o.add(Error, p.title(), fix, "%s: %s, %s %s", name, strings.Join(data, ", "), other,
				strings.Join(first, ", "))
		}
	}
	if asked == 0 {
		return skip("%s", cmp.Or(f.unread("queries"), needsPods))
	}
	o.fine += " as " + strings.Join(first, ", ")
	return o
}

func checkOutside(f *Facts) outcome {
	if f.Options.Outside == "" {
		return skip("no name is given: --outside example.com")
	}
	pods, why := f.live()
	if why != "" {
		return skip("%s", why)
	}
	var slowest time.Duration
	var o outcome
	asked := 0
	for _, p := range pods {
		r := p.Outside
		if r == nil {
			continue
		}
		asked++
		slowest = max(slowest, r.Took)
		fix := "kubectl kubedns explain " + strings.TrimSuffix(f.Options.Outside, ".") +
			". shows which servers are queried"
		switch {
		case r.Err != "":
			o.add(Error, p.title(), fix, "%s: no reply over TCP: %s", f.Options.Outside, r.Err)
		case r.Rcode != "NOERROR":
			o.add(Error, p.title(), fix, "%s: %s after %s", f.Options.Outside, r.Rcode, r.Took.Round(time.Millisecond))
		}
	}
	if asked == 0 {
		return skip("%s", cmp.Or(f.unread("queries"), needsPods))
	}
	o.fine = fmt.Sprintf("each pod resolves %s, the slowest in %s", f.Options.Outside, slowest.Round(time.Millisecond))
	return o
}
