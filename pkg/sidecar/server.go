package sidecar

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Server is the sidecar: its probes, its exporter and their states over
// HTTP. ServeHTTP may be called at any time and from any goroutine,
// also before, during and after Run.
type Server struct {
	probes   map[string]*probe // by label; not changed after New
	exporter *exporter         // nil without dnsmasq

	metricsPath    string
	metricsHandler http.Handler
}

// New makes a Server and the metrics of its probes. Nothing is asked before
// Run. It fails when two targets have the same label or one has no interval.
func New(opts Options) (*Server, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		probes:         make(map[string]*probe),
		metricsPath:    opts.MetricsPath,
		metricsHandler: opts.MetricsHandler,
	}
	for _, t := range opts.Targets {
		s.probes[t.Label] = newProbe(t, opts.Exchange, opts.Metrics.forProbe(t.Label), opts.Log)
	}
	if opts.Stats != nil {
		s.exporter = &exporter{
			stats: opts.Stats, upstreams: opts.Upstreams, interval: opts.PollInterval,
			metrics: &opts.Metrics.dnsmasq, log: opts.Log,
		}
		s.exporter.state.Store(&DnsmasqState{})
	}
	return s, nil
}

// A ProbeState is the state of one probe.
type ProbeState struct {
	Label, Server string
	State         State
	Since         time.Time     // since when State is what it is
	Latency       time.Duration // of the last probe; 0 when it did not succeed
	Failures      int           // probes since the last one that succeeded
	Err           string        // of the last probe; empty when it succeeded
}

// Probes returns the state of each probe, in the order of their labels.
func (s *Server) Probes() []ProbeState {
	var states []ProbeState
	for _, label := range slices.Sorted(maps.Keys(s.probes)) {
		p := s.probes[label]
		states = append(states, p.health.Load().probeState(p.target))
	}
	return states
}

// Dnsmasq returns the state of dnsmasq's counters, and false when they are not polled.
func (s *Server) Dnsmasq() (DnsmasqState, bool) {
	if s.exporter == nil {
		return DnsmasqState{}, false
	}
	return *s.exporter.state.Load(), true
}

// Run probes and polls until ctx is done, and returns nil when all of that has
// ended. It is to be called once.
func (s *Server) Run(ctx context.Context) error {
	var running sync.WaitGroup
	for _, p := range s.probes {
		running.Go(func() { p.run(ctx) })
	}
	if s.exporter != nil {
		running.Go(func() { s.exporter.run(ctx) })
	}
	running.Wait()
	return nil
}

// ServeHTTP answers:
//
//   - /healthcheck/<label> with the state of that probe as JSON; the status is 200
//     while the server answers or waits for its data, else 503,
//   - /healthz with 200 as long as the process lives,
//   - the metrics path with the metrics,
//   - everything else with 404.
//
// Paths are compared as they are. A multiplexer would read patterns into a
// metrics path that an operator chose.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	label, isHealthcheck := strings.CutPrefix(r.URL.Path, "/healthcheck/")
	p, known := s.probes[label]
	switch {
	case isHealthcheck && known:
		p.health.Load().ServeHTTP(w, r)
	case isHealthcheck:
		http.NotFound(w, r)
	case r.URL.Path == "/healthz":
		fmt.Fprintf(w, "ok (%s)\n", time.Now().UTC().Format(time.RFC3339))
	case s.metricsHandler != nil && r.URL.Path == s.metricsPath:
		s.metricsHandler.ServeHTTP(w, r)
	default:
		http.NotFound(w, r)
	}
}
