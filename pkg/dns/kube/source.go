package kube

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// SourceOptions configure a Source.
type SourceOptions struct {
	// Client is required.
	Client *Client
	// Log receives changes of the source's state. Nil discards.
	Log *slog.Logger
	// Metrics may be nil.
	Metrics *Metrics
}

// A Source feeds a zone from the API server. It implements dns.Source.
//
// Endpoints come from EndpointSlices. Where these are missing, forbidden, or
// older than the controller that mirrors hand-made Endpoints into them, they
// come from Endpoints until slices can be listed; never from both. Once slices
// were listed, endpoints come from nothing else.
type Source struct {
	client    *Client
	log       *slog.Logger
	metrics   *Metrics
	tracker   *tracker
	streaming *streaming
	services  chan delta[kubedns.Service]   // from the follower of Services
	endpoints chan delta[kubedns.Endpoints] // from the follower of endpoints
	questions chan question                 // from the auditor to the writer
	// kind is the API that endpoints are read from. Set before its follower
	// starts.
	kind atomic.Pointer[endpointsAPI]
	// servicesAt is how far the follower of Services is.
	servicesAt *position
	// version is that of the API server; nil before it was asked for.
	version atomic.Pointer[serverVersion]
	// since is when the first of the changes arrived that the writer has taken
	// and not published yet; nil when there are none.
	since atomic.Pointer[time.Time]
}

// queueLength is how many changes wait for the writer at most. It takes them
// all before it publishes.
const queueLength = 256

// NewSource returns a source. Run starts it.
func NewSource(opts SourceOptions) (*Source, error) {
	if opts.Client == nil {
		return nil, errors.New("kube source: no client")
	}
	log, metrics := opts.Log, opts.Metrics
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if metrics == nil {
		metrics = NewMetrics(nil)
	}
	return &Source{
		client:     opts.Client,
		log:        log,
		metrics:    metrics,
		tracker:    newTracker(log, metrics),
		streaming:  &streaming{log: log, metrics: metrics},
		services:   make(chan delta[kubedns.Service], queueLength),
		endpoints:  make(chan delta[kubedns.Endpoints], queueLength),
		questions:  make(chan question),
		servicesAt: newPosition(),
	}, nil
}

// Status returns the state of the source. It may be called at any time.
func (s *Source) Status() Status {
	status := s.tracker.status()
	status.Streaming = s.streaming.isOn()
	return status
}

// maxUnpublished is how long changes may wait for the writer. It takes at most a
// few seconds, for the first lists of a large cluster.
const maxUnpublished = 30 * time.Second

// Alive returns an error when changes have waited for more than 30 seconds to
// be published: the process does not do its work, and a restart may help. It
// does not depend on the API server: without changes there is nothing to do. It
// may be called at any time.
func (s *Source) Alive(now time.Time) error {
	since := s.since.Load()
	if since == nil || now.Sub(*since) <= maxUnpublished {
		return nil
	}
	return fmt.Errorf("changes of the API server have waited for %v to be published", now.Sub(*since).Round(time.Second))
}

// Run implements dns.Source. It returns nil when ctx is done, and then all its
// goroutines have ended. It can be called once.
func (s *Source) Run(ctx context.Context, z *kubedns.Zone) error {
	z.SetLocator(s.client.locator().locate)
	return s.run(ctx, z)
}

func (s *Source) run(ctx context.Context, z zone) error {
	w := newWriter(z, s)
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { s.follow(ctx, w.servicesKnown) })
	group.Go(func() { newAuditor(s).run(ctx) })
	w.run(ctx)
	return nil
}

// follow asks the server for its version, then follows Services, and endpoints
// once the zone holds all Services: they have to be served first.
func (s *Source) follow(ctx context.Context, servicesKnown <-chan struct{}) {
	if !s.askVersion(ctx) {
		return
	}
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { s.keepAskingVersion(ctx) })
	group.Go(func() {
		select {
		case <-ctx.Done():
		case <-servicesKnown:
			s.followEndpoints(ctx)
		}
	})
	resource := s.client.services()
	services := follower[kubedns.Service]{
		resource: resource, sink: queue[kubedns.Service]{to: s.services},
		observer: s.tracker.of(roleServices, resource.name), log: s.log, metrics: s.metrics, role: roleServices,
		streaming: s.streaming, position: s.servicesAt,
	}
	_ = services.run(ctx) // it cannot be refused
}
