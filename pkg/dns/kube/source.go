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
	// Log is told what changes in how the source fares. Nil discards.
	Log *slog.Logger
	// Metrics count it. Nil counts for nobody.
	Metrics *Metrics
}

// A Source feeds a zone from the API server. It implements dns.Source.
//
// Endpoints come from EndpointSlices. Where these are missing, forbidden, or
// older than the controller that mirrors hand-made Endpoints into them, they
// come from Endpoints, and stay so until the process restarts; never from both.
type Source struct {
	client    *Client
	log       *slog.Logger
	metrics   *Metrics
	tracker   *tracker
	streaming *streaming
	services  chan delta[kubedns.Service]   // from the follower of Services
	endpoints chan delta[kubedns.Endpoints] // from the follower of endpoints
	jobs      chan fetch                    // from the writer to the fetchers
	fetched   chan fetch                    // from the fetchers to the writer
	questions chan question                 // from the auditor to the writer
	// kind is the API that endpoints are read from. Set before its follower
	// starts.
	kind atomic.Pointer[endpointsAPI]
	// servicesAt is how far the follower of Services is.
	servicesAt *position
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
		jobs:       make(chan fetch),
		fetched:    make(chan fetch),
		questions:  make(chan question),
		servicesAt: newPosition(),
	}, nil
}

// Status says how the source fares. It may be called at any time.
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
	group.Go(func() { s.follow(ctx, z, w.servicesKnown) })
	for range fetchers {
		group.Go(func() { s.fetchAll(ctx) })
	}
	group.Go(func() { newAuditor(s).run(ctx) })
	w.run(ctx)
	return nil
}

// follow asks the server what it is, then follows Services, and endpoints as
// soon as the zone knows which of them it wants.
func (s *Source) follow(ctx context.Context, z zone, servicesKnown <-chan struct{}) {
	version, ok := s.serverVersion(ctx)
	if !ok {
		return
	}
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		select {
		case <-ctx.Done():
		case <-servicesKnown:
			s.followEndpoints(ctx, z, version)
		}
	})
	services := follower[kubedns.Service]{
		resource: s.client.services(), sink: queue[kubedns.Service]{to: s.services},
		observer: s.tracker.of(roleServices), log: s.log, metrics: s.metrics, streaming: s.streaming,
		position: s.servicesAt,
	}
	_ = services.run(ctx) // it cannot be refused
}

// serverVersion asks until it gets an answer, and reports false when ctx is
// done before.
func (s *Source) serverVersion(ctx context.Context) (serverVersion, bool) {
	var pause backoff
	for {
		version, err := s.client.version(ctx)
		if ctx.Err() != nil {
			return serverVersion{}, false
		}
		if err == nil {
			s.tracker.setServer(version)
			// Lists are streamed from 1.32 on. Older servers ignore the
			// request, and then there is no end to wait for.
			s.streaming.on.Store(version.atLeast(32))
			s.log.Info("found the API server", "version", version.String(), "streaming", s.streaming.isOn())
			return version, true
		}
		s.tracker.of(roleServices).failed(err)
		if !pause.wait(ctx, err) {
			return serverVersion{}, false
		}
	}
}

// An endpointsAPI is one of the APIs that endpoints can be read from.
type endpointsAPI struct {
	name     string // for people
	resource resource[kubedns.Endpoints]
	// all selects the objects that are held when they are read.
	all selector
	// of selects the objects of one Service.
	of func(kubedns.Key) selector
	at *position // of its follower
}

func (c *Client) endpointsAPIs(v serverVersion) []*endpointsAPI {
	bySlice := func(k kubedns.Key) selector {
		return selector{namespace: k.Namespace, labels: "kubernetes.io/service-name=" + k.Name}
	}
	byName := func(k kubedns.Key) selector {
		return selector{namespace: k.Namespace, fields: "metadata.name=" + k.Name}
	}
	// There are slices of no Service.
	owned := selector{labels: "kubernetes.io/service-name,kubernetes.io/service-name!="}
	apis := []*endpointsAPI{{"endpointslices.discovery.k8s.io/v1", c.endpointSlices(), owned, bySlice, newPosition()}}
	// Hand-made Endpoints are mirrored into slices from 1.19 on; v1beta1 ended
	// with 1.24.
	if v.atLeast(19) && !v.atLeast(25) {
		apis = append(apis, &endpointsAPI{"endpointslices.discovery.k8s.io/v1beta1", c.betaEndpointSlices(), owned, bySlice, newPosition()})
	}
	return append(apis, &endpointsAPI{"endpoints/v1", c.endpoints(), selector{}, byName, newPosition()})
}

// followEndpoints follows the first API that works. From then on it only steps
// down the list: what follows is read completely before it replaces anything,
// so the old endpoints are served until then.
func (s *Source) followEndpoints(ctx context.Context, z zone, version serverVersion) {
	apis := s.client.endpointsAPIs(version)
	last := len(apis) - 1
	var pause backoff
	var settled, fallenBack bool
	for at := 0; ctx.Err() == nil; {
		s.kind.Store(apis[at])
		f := s.endpointsFollower(z, apis[at])
		err := f.run(ctx)
		if ctx.Err() != nil {
			return
		}
		settled = settled || f.listed
		if at < last {
			at++
			if at == last && !fallenBack {
				fallenBack = true
				s.logFallback(err)
			}
			continue
		}
		s.tracker.of(roleEndpoints).failed(err)
		if !settled {
			at = 0 // nothing has worked yet: begin anew
		}
		if !pause.wait(ctx, err) {
			return
		}
	}
}

func (s *Source) logFallback(err error) {
	s.metrics.fallbacks.Inc()
	if reasonOf(err) == Forbidden {
		s.log.Info("not allowed to read EndpointSlices: reading Endpoints, up to 1000 addresses of one IP family each, until the next start",
			"err", err, "advice", "grant list and watch on endpointslices of discovery.k8s.io to the service account")
		return
	}
	s.log.Info("the API server has no EndpointSlices: reading Endpoints until the next start", "err", err)
}

func (s *Source) endpointsFollower(z zone, api *endpointsAPI) *follower[kubedns.Endpoints] {
	return &follower[kubedns.Endpoints]{
		resource: api.resource,
		sink:     queue[kubedns.Endpoints]{to: s.endpoints, from: api},
		observer: s.tracker.of(roleEndpoints), log: s.log, metrics: s.metrics,
		shrink:    func(e kubedns.Endpoints) kubedns.Endpoints { return dropUnwanted(z, e) },
		streaming: s.streaming, position: api.at, refusable: true,
	}
}
