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
	// Forwarder sends queries to upstreams. Required. The caller closes it after Run.
	Forwarder *upstream.Forwarder
	// Version is the reply to version.bind in class CHAOS.
	Version string
	// Registerer registers the metrics. nil: they are counted but not exported.
	Registerer prometheus.Registerer
	// MetricsNamespace and MetricsSubsystem prefix the names of the legacy metrics. Both default to
	// "skydns".
	MetricsNamespace, MetricsSubsystem string
	// MaxForwards limits the pending queries. One client can have a quarter of them, unless it is
	// on loopback. Further queries get SERVFAIL immediately. 0 means 2000.
	MaxForwards int
	// MaxWildcards limits the wildcard queries that run at a time, since each can visit every
	// Service. One client can have half of them, unless it is on loopback. Further queries get
	// SERVFAIL immediately. 0 means 4.
	MaxWildcards int
	// MaxTCPConns limits the TCP connections. One client can have an eighth of them, unless it is
	// on loopback. Further connections are closed immediately. 0 means 8000, or fewer if the
	// process cannot open that many files.
	MaxTCPConns int
	// Hold is the time after the start in which queries for names of the zone wait if the backend
	// has no data. A start is short, and a client might give up after SERVFAIL. 0 means no wait.
	Hold time.Duration
	// Tap samples queries and their replies. nil: no samples.
	Tap *querylog.Tap
	// Autopath replies to the first name of a pod's search list with the first existing name of the
	// rest of the list.
	Autopath bool
	// SearchDomains are the node's search domains in order, in lower case with a trailing dot. They
	// come last in a pod's search list.
	SearchDomains []string
	// NoFastPath sends all packets through the slow path, and reads one packet at a time.
	NoFastPath bool
	// Logger receives changes of state, not queries. nil discards.
	Logger *slog.Logger
}

// MaxDomain is the maximum length of Domain, without its trailing dot. A name has at most 253
// characters (RFC 1035 section 2.3.4). The longest name in front of a zone is
// <host>.<service>.<namespace>.svc: the host's label, made of its address, has 16 characters, the
// next two have up to 63.
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
