package dnsmasq

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/rcode"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

const (
	// failedTests is how often in a row a server must fail its test to count as failing.
	failedTests = 2
	// maxNeeded limits the replies needed until a server is used again that has led back several
	// times: replicas with one address take turns.
	maxNeeded = 16
)

// A result is the outcome of one server's tests.
type result struct {
	loops   bool // it leads back to dnsmasq
	failing int  // the response code of its failed tests; 0: it does not fail

	fine   int // replies since it last led back
	needed int // replies needed until it counts as fine again
	failed int // tests in a row with an error
}

// add adds the outcome of one more test: the query came back, or code is that of the reply.
func (r *result) add(loops bool, code int) {
	switch {
	case loops && !r.loops:
		r.loops, r.fine, r.needed = true, 0, min(max(1, 2*r.needed), maxNeeded)
	case loops:
		r.fine = 0
	case r.loops:
		r.fine++
		r.loops = r.fine < r.needed
	}
	if !isError(code) {
		r.failed, r.failing = 0, 0
	} else if r.failed++; r.failed >= failedTests {
		r.failing = code
	}
}

// isError reports whether a server with such replies is of no use.
func isError(code int) bool { return code == dns.RcodeServerFailure || code == dns.RcodeRefused }

// results are those of all tested servers. dnsmasq passes on SERVFAIL of its only server, and does
// not count it. Only the tests find such a server.
type results struct {
	metrics *Metrics
	log     *slog.Logger
	given   []upstreams.Server // of dnsmasq's own options; set before the first test
	reports chan loopReport    // has the newest report not received yet

	mu      sync.Mutex
	servers map[upstreams.Server]*result
	tested  int // id of the newest list whose new servers were tested; 0: none
}

// A loopReport is the state of the tests.
type loopReport struct {
	id      int                       // results.tested
	looping map[upstreams.Server]bool // the servers that lead back
}

func newResults(metrics *Metrics, log *slog.Logger) *results {
	return &results{metrics: metrics, log: log, reports: make(chan loopReport, 1)}
}

// keep makes the servers of list the tested servers. It returns the new ones.
func (r *results) keep(list []upstreams.Server) (fresh []upstreams.Server) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.servers
	r.servers = make(map[upstreams.Server]*result, len(list))
	for _, s := range list {
		switch {
		case r.servers[s] != nil: // it is listed twice
		case old[s] != nil:
			r.servers[s] = old[s]
		default:
			r.servers[s] = &result{}
			fresh = append(fresh, s)
		}
	}
	r.publish()
	return fresh
}

// note notes the outcome of a test of s; see add.
func (r *results) note(s upstreams.Server, loops bool, code int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := r.servers[s]
	if is == nil {
		return // it was removed in the meantime
	}
	was := *is
	is.add(loops, code)
	if is.loops != was.loops {
		r.logLoop(s, is.loops)
	}
	switch {
	case was.failing == 0 && is.failing != 0:
		r.log.Warn("an upstream replies to all test queries with an error", "server", s.Addr, "domain", s.Domain,
			"rcode", rcode.Text(code))
	case was.failing != 0 && is.failing == 0:
		r.log.Info("an upstream replies to test queries without an error again", "server", s.Addr, "domain", s.Domain)
	}
	if is.loops != was.loops || is.failing != was.failing {
		r.publish()
	}
}

func (r *results) logLoop(s upstreams.Server, loops bool) {
	switch given := slices.Contains(r.given, s); {
	case loops && given:
		r.log.Error("a server in dnsmasq's own options leads back to dnsmasq: remove the option",
			"option", "--server="+s.String(), "err", loopReason(s))
	case loops:
		r.log.Error("left out a server that leads back to dnsmasq: name another one in the ConfigMap, or in the "+
			"resolv.conf that kubelet gives to pods (--resolv-conf)", "server", s.Addr, "domain", s.Domain, "err", loopReason(s))
	case given:
		r.log.Info("a server in dnsmasq's own options no longer leads back to dnsmasq", "option", "--server="+s.String())
	default:
		r.log.Info("using a server again that no longer leads back to dnsmasq", "server", s.Addr, "domain", s.Domain)
	}
}

func loopReason(s upstreams.Server) string {
	if s.Addr.Addr().IsLoopback() {
		return "a test query sent there arrived here; a loopback address is the pod itself, not the node: " +
			"on a node with systemd-resolved use /run/systemd/resolve/resolv.conf"
	}
	return "a test query sent there arrived here"
}

// finish notes that the new servers of the list with this id were tested.
func (r *results) finish(id int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tested = max(r.tested, id)
	r.publish()
}

// publish sets the metrics, and reports the servers that lead back. r.mu is held.
func (r *results) publish() {
	looping := map[upstreams.Server]bool{}
	r.metrics.loops.Reset()
	r.metrics.failing.Reset()
	for s, is := range r.servers {
		if is.loops {
			looping[s] = true
			r.metrics.loops.WithLabelValues(s.Addr.String(), s.Domain).Set(1)
		}
		if is.failing != 0 {
			r.metrics.failing.WithLabelValues(s.Addr.String(), s.Domain, rcode.Text(is.failing)).Set(1)
		}
	}
	replace(r.reports, loopReport{r.tested, looping})
}

// failing returns the servers that fail their tests, in order.
func (r *results) failing() []FailingServer {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []FailingServer
	for s, is := range r.servers {
		if is.failing != 0 {
			list = append(list, FailingServer{Server: s.String(), Rcode: rcode.Text(is.failing)})
		}
	}
	slices.SortFunc(list, func(a, b FailingServer) int { return cmp.Compare(a.Server, b.Server) })
	return list
}
