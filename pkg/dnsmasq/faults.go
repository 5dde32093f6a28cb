package dnsmasq

import (
	"cmp"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/rcode"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// failedTests is how many tests in a row a server has to fail before it counts as failing.
const failedTests = 2

// faults are the servers that reply to tests with an error. dnsmasq passes SERVFAIL of its
// only server on, and does not count it.
type faults struct {
	metrics *Metrics
	log     *slog.Logger

	mu      sync.Mutex
	known   map[upstreams.Server]bool
	failed  map[upstreams.Server]int // tests in a row
	failing map[upstreams.Server]int // the last response code
}

func newFaults(metrics *Metrics, log *slog.Logger) *faults {
	return &faults{
		metrics: metrics, log: log, failed: map[upstreams.Server]int{}, failing: map[upstreams.Server]int{},
	}
}

// isError reports whether a server that replies so is of no use.
func isError(code int) bool { return code == dns.RcodeServerFailure || code == dns.RcodeRefused }

// note notes the response code of a test of s. A server that keep did not get is ignored.
func (f *faults) note(s upstreams.Server, code int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.known[s] {
		return // it was removed meanwhile
	}
	_, was := f.failing[s]
	if !isError(code) {
		delete(f.failed, s)
		delete(f.failing, s)
		if was {
			f.log.Info("an upstream replies to test queries without an error again", "server", s.Addr, "domain", s.Domain)
		}
	} else if f.failed[s]++; f.failed[s] >= failedTests {
		f.failing[s] = code
		if !was {
			f.log.Warn("an upstream replies to all test queries with an error", "server", s.Addr, "domain", s.Domain,
				"rcode", rcode.Text(code))
		}
	}
	f.metrics.setFailing(f.failing)
}

// keep drops servers that are not among known.
func (f *faults) keep(known map[upstreams.Server]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known = known
	unknown := func(s upstreams.Server, _ int) bool { return !known[s] }
	maps.DeleteFunc(f.failed, unknown)
	maps.DeleteFunc(f.failing, unknown)
	f.metrics.setFailing(f.failing)
}

// list returns the servers that fail, in order. That of nil is empty.
func (f *faults) list() []FailingServer {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []FailingServer
	for s, code := range f.failing {
		list = append(list, FailingServer{Server: s.String(), Rcode: rcode.Text(code)})
	}
	slices.SortFunc(list, func(a, b FailingServer) int { return cmp.Compare(a.Server, b.Server) })
	return list
}
