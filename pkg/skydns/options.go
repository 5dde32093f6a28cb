package skydns

import (
	"cmp"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/pkg/querylog"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// Options of a Server.
type Options struct {
	// Domain is the zone's apex in lower case with trailing dot. Required.
	Domain string
	// Backend holds the zone's data. Required.
	Backend backend.Backend
	// Forwarder sends queries to upstreams. Required. Its maker closes it, after Run.
	Forwarder *upstream.Forwarder
	// Version is the reply to version.bind in class CHAOS.
	Version string
	// Registerer registers the metrics. nil: they are counted and not exported.
	Registerer prometheus.Registerer
	// MetricsNamespace and MetricsSubsystem begin the names of the legacy metrics.
	// Both default to "skydns".
	MetricsNamespace, MetricsSubsystem string
	// MaxForwards bounds the pending queries. One client may have a quarter of them,
	// unless it is on loopback. Further queries get SERVFAIL at once. 0 means 2000.
	MaxForwards int
	// MaxWildcards bounds the wildcard queries that run at a time, since one of them
	// may visit every Service. One client may have half of them, unless it is on
	// loopback. Further ones get SERVFAIL at once. 0 means 4.
	MaxWildcards int
	// MaxTCPConns bounds the TCP connections. One client may have an eighth of them,
	// unless it is on loopback. Further ones are closed at once. 0 means 8000, or fewer
	// where the process may not open that many files.
	MaxTCPConns int
	// Hold is how long after its start the server holds queries for names of the zone
	// while the backend has no data. A start takes a moment, and a client that gets
	// SERVFAIL may give up. 0 holds none.
	Hold time.Duration
	// Tap takes samples of the queries and their replies. nil: none.
	Tap *querylog.Tap
	// Autopath replies to the first name of a pod's search list with the first name of the
	// rest of the list that exists.
	Autopath bool
	// SearchDomains are those of the node in order, in lower case with a trailing dot. They
	// come last in a pod's search list.
	SearchDomains []string
	// NoFastPath sends all packets through the slow path, and reads one packet at a
	// time.
	NoFastPath bool
	// Logger receives changes of state, not queries. nil discards.
	Logger *slog.Logger
}

// MaxDomain is the length of the longest Domain, without its trailing dot. A name has
// at most 253 characters (RFC 1035 section 2.3.4), and the longest name in front of a
// zone is <host>.<service>.<namespace>.svc: the host's label is made of its address
// and has 16, the next two up to 63.
const MaxDomain = 253 - len("6162636465666768.") - 2*64 - len("svc.")

// wantName describes the names that isZoneName accepts.
const wantName = "want a name in lower case with a trailing dot, whose labels have 1 to 63 characters and no escapes"

// isZoneName reports whether name can be a zone: absolute, below the root, in lower case,
// without empty labels, and with no dot or other escaped character inside a label.
func isZoneName(name string) bool {
	_, valid := dns.IsDomainName(name)
	return valid && dns.IsFqdn(name) && name != "." && dns.CanonicalName(name) == name && !strings.Contains(name, `\`)
}

func (o Options) withDefaults() (Options, error) {
	if !isZoneName(o.Domain) {
		return o, fmt.Errorf("domain %q: %s, such as \"cluster.local.\"", o.Domain, wantName)
	}
	if n := len(o.Domain) - 1; n > MaxDomain {
		return o, fmt.Errorf("domain %q: %d characters leave no room for names below it: at most %d", o.Domain, n, MaxDomain)
	}
	if o.Backend == nil || o.Forwarder == nil {
		return o, fmt.Errorf("the options Backend and Forwarder are required")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.MetricsNamespace = cmp.Or(o.MetricsNamespace, "skydns")
	o.MetricsSubsystem = cmp.Or(o.MetricsSubsystem, "skydns")
	for _, domain := range o.SearchDomains {
		if !isZoneName(domain) || isBelow(domain, o.Domain) {
			return o, fmt.Errorf("search domain %q: %s, outside %s", domain, wantName, o.Domain)
		}
	}
	for name, n := range map[string]int{
		"MaxForwards": o.MaxForwards, "MaxWildcards": o.MaxWildcards, "MaxTCPConns": o.MaxTCPConns,
	} {
		if n < 0 {
			return o, fmt.Errorf("%s %d: want a number above 0, or 0 for the default", name, n)
		}
	}
	o.MaxForwards = cmp.Or(o.MaxForwards, 2000)
	o.MaxWildcards = cmp.Or(o.MaxWildcards, 4)
	o.MaxTCPConns = cmp.Or(o.MaxTCPConns, min(8000, connFiles()))
	return o, nil
}
