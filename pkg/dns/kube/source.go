package kube

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

// SourceOptions configure a Source.
type SourceOptions struct {
	// Client is required.
	Client *Client
	// Log receives changes of the source's state. Nil discards.
	Log *slog.Logger
	// Metrics can be nil.
	Metrics *Metrics
}

// A Source feeds a zone from the API server. It implements dns.Source.
//
// Endpoints are read from EndpointSlices. If these are missing, forbidden, or older than the
// controller that mirrors hand-made Endpoints into them, Endpoints are read until slices can be
// listed. The two are never mixed. Once slices were listed, only slices are read.
type Source struct {
	client    *Client
	log       *slog.Logger
	metrics   *Metrics
	tracker   *tracker
	streaming *listwatch.Streaming
	inbox     *inbox
	endpoints *endpointsSource
	// servicesAt is the position of the follower of Services.
	servicesAt *listwatch.Position
	// version is the version of the API server; nil before the first reply.
	version atomic.Pointer[serverVersion]
}

// NewSource returns a source. Run starts it.
func NewSource(opts SourceOptions) *Source {
	log, metrics := opts.Log, opts.Metrics
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if metrics == nil {
		metrics = NewMetrics(nil)
	}
	s := &Source{
		client: opts.Client, log: log, metrics: metrics, tracker: newTracker(log, metrics),
		inbox: newInbox(), servicesAt: new(listwatch.Position),
		streaming: &listwatch.Streaming{Paused: func(resource, class string, err error) {
			metrics.streamingOff.WithLabelValues(class).Inc()
			log.Info("the API server does not stream lists; reading them in pages for an hour",
				"resource", resource, "class", class, "err", err)
		}},
	}
	s.endpoints = &endpointsSource{
		client: s.client, version: s.serverVersion, to: s.inbox.endpoints, tracker: s.tracker,
		streaming: s.streaming, log: log, metrics: metrics,
	}
	return s
}

// Status returns the state of the source. It can be called at any time.
func (s *Source) Status() Status {
	status := s.tracker.status()
	status.Server, status.Streaming = s.serverVersion().String(), s.streaming.IsOn()
	return status
}

// maxUnpublished is how long changes can wait for the writer. The first lists of a large cluster
// take a few seconds.
const maxUnpublished = 30 * time.Second

// Alive returns an error if changes have waited for more than 30 seconds to be published. The
// process does not make progress then, and a restart can help. It does not depend on the API
// server: without changes there is no work. It can be called at any time.
func (s *Source) Alive(now time.Time) error {
	since := s.inbox.since.Load()
	if since == nil || now.Sub(*since) <= maxUnpublished {
		return nil
	}
	return fmt.Errorf("changes of the API server have waited for %v to be published", now.Sub(*since).Round(time.Second))
}

// Run implements dns.Source. It returns nil when ctx is done and all its goroutines have ended.
// Call it only once.
func (s *Source) Run(ctx context.Context, z *kubedns.Zone) error {
	z.SetLocator(s.client.locator().locate)
	return s.run(ctx, z)
}

func (s *Source) run(ctx context.Context, z zone) error {
	w := &writer{zone: z, inbox: s.inbox, tracker: s.tracker, log: s.log, metrics: s.metrics}
	a := &auditor{
		kinds: s.auditKinds, inbox: s.inbox, tracker: s.tracker, log: s.log, metrics: s.metrics,
		relisted: map[string]time.Time{},
	}
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { s.follow(ctx) })
	group.Go(func() { a.run(ctx) })
	w.run(ctx)
	return nil
}

// auditKinds returns Services, and endpoints of the API in use.
func (s *Source) auditKinds() []auditKind {
	kinds := []auditKind{{
		name: "services", role: roleServices, at: s.servicesAt, list: s.client.services(), held: zone.ServiceVersions,
	}}
	if api := s.endpoints.api.Load(); api != nil {
		kinds = append(kinds, auditKind{
			name: api.resource.Name, role: roleEndpoints, at: api.at, api: api.name,
			list: api.resource.Where(api.all), held: zone.EndpointsVersions,
		})
	}
	return kinds
}

// follow requests the server's version, then follows Services. It follows endpoints once the zone
// holds all Services, which have to be served first.
func (s *Source) follow(ctx context.Context) {
	if !s.askVersion(ctx) {
		return
	}
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() { s.keepAskingVersion(ctx) })
	group.Go(func() {
		select {
		case <-ctx.Done():
		case <-s.inbox.servicesKnown:
			s.endpoints.run(ctx)
		}
	})
	resource := s.client.services()
	services := listwatch.Follower[kubedns.Service]{
		Resource: resource, Sink: queue[kubedns.Service]{to: s.inbox.services},
		Observer: s.tracker.of(roleServices, resource.Name), Log: s.log,
		Streaming: s.streaming, Position: s.servicesAt,
	}
	_ = services.Run(ctx) // it cannot be refused
}

// versionPause is the time between requests for a version that is unknown.
const versionPause = time.Minute

// askVersion requests the version until there is a reply. It reports false if ctx is done first. If
// the server sends no version, it is unknown until keepAskingVersion gets one. That only costs
// memory.
func (s *Source) askVersion(ctx context.Context) bool {
	var backoff listwatch.Backoff
	for {
		version, err := s.client.version(ctx)
		if ctx.Err() != nil {
			return false
		}
		if err == nil {
			s.setVersion(version)
			return true
		}
		s.tracker.of(roleServices, "services").Failed(err)
		if !backoff.Wait(ctx, err) {
			return false
		}
	}
}

// keepAskingVersion requests an unknown version from time to time.
func (s *Source) keepAskingVersion(ctx context.Context) {
	for s.serverVersion() == (serverVersion{}) && pause.For(ctx, versionPause) {
		if version, err := s.client.version(ctx); err == nil && version != (serverVersion{}) {
			s.setVersion(version)
		}
	}
}

func (s *Source) setVersion(v serverVersion) {
	s.version.Store(&v)
	// Servers stream lists since 1.32. Older servers ignore the request, and the end of the list
	// never arrives.
	s.streaming.SetAble(v.atLeast(32))
	s.log.Info("found the API server", "version", v.String(), "streaming", s.streaming.IsOn())
}

// serverVersion returns the version, as far as it is known.
func (s *Source) serverVersion() serverVersion {
	if v := s.version.Load(); v != nil {
		return *v
	}
	return serverVersion{}
}
