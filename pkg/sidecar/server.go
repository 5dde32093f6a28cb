package sidecar

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
)

// Options configure a Server.
type Options struct {
	// Targets are the probes, as ParseTarget returns them. No two may have the same label.
	Targets []Target
	// Exchange sends the queries of probes. Nil: over the network.
	Exchange Exchange

	// Stats reads dnsmasq's counters. Nil: dnsmasq is not polled.
	Stats func(context.Context) (chaos.Stats, error)
	// Upstreams reads dnsmasq's counters of each of its upstream servers, right after Stats. Nil:
	// there are no metrics of upstream servers.
	Upstreams func(context.Context) ([]chaos.Server, error)
	// PollInterval is the pause between two polls of dnsmasq.
	PollInterval time.Duration

	// Metrics receives the measurements. Required.
	Metrics *Metrics
	// Log receives changes at Info and above, details at Debug. Required.
	Log *slog.Logger
}

// A Server is the sidecar: its probes, its exporter and their states over HTTP. ServeHTTP can be
// called at any time and from any goroutine, even before, during and after Run.
type Server struct {
	probes   map[string]*probe // by label; not changed after New
	exporter *exporter         // nil without dnsmasq
}

// New returns a Server, and creates the metrics of its probes. It sends no query before Run.
func New(opts Options) *Server {
	if opts.Exchange == nil {
		opts.Exchange = exchange
	}
	s := &Server{probes: make(map[string]*probe)}
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
	return s
}

// Probes returns the state of each probe, in the order of their labels.
func (s *Server) Probes() []*ProbeState {
	var states []*ProbeState
	for _, label := range slices.Sorted(maps.Keys(s.probes)) {
		states = append(states, s.probes[label].state.Load())
	}
	return states
}

// Dnsmasq returns the state of dnsmasq's counters, or nil if they are not polled.
func (s *Server) Dnsmasq() *DnsmasqState {
	if s.exporter == nil {
		return nil
	}
	return s.exporter.state.Load()
}

// Run probes and polls until ctx is done, and returns nil after the last probe and poll. Call it
// only once.
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

// ServeHTTP answers /healthcheck/<label> with the state of that probe as JSON, and everything else
// with 404. The status is 200 while the probe's server replies or waits for its data, else 503.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p, known := s.probes[strings.TrimPrefix(r.URL.Path, "/healthcheck/")]; known {
		p.state.Load().ServeHTTP(w, r)
		return
	}
	http.NotFound(w, r)
}
