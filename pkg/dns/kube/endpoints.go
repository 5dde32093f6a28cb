package kube

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

// betterTime is how often a better API is tried while another one is in use: permission can be
// granted, or the server upgraded. The first try is soon, because a server that has just started
// can refuse what it allows later.
const (
	firstBetterTime = 30 * time.Second
	betterTime      = 5 * time.Minute
)

// An endpointsSource follows endpoints through the best readable API.
type endpointsSource struct {
	client    *Client
	version   func() serverVersion
	to        chan<- delta[kubedns.Endpoints]
	tracker   *tracker
	streaming *listwatch.Streaming
	log       *slog.Logger
	metrics   *Metrics
	// api is the API in use. It is set before its follower starts.
	api atomic.Pointer[endpointsAPI]
}

// run follows the first API that works. It steps down only if no API was listed yet, and steps up
// as soon as a better one can be listed. The other API is listed completely before it replaces
// anything.
func (s *endpointsSource) run(ctx context.Context) {
	var backoff listwatch.Backoff
	var logged bool
	for at := 0; ctx.Err() == nil; {
		apis := s.client.endpointsAPIs(s.version())
		last := len(apis) - 1
		at = min(at, last)
		err := s.followFrom(ctx, apis, at)
		switch {
		case ctx.Err() != nil:
			return
		case at < last:
			at++
			if at == last && !logged {
				logged = true
				s.logFallback(err)
			}
		default: // no API is allowed: start over
			s.tracker.of(roleEndpoints, apis[at].resource.Name).Failed(err)
			at = 0
			if !backoff.Wait(ctx, err) {
				return
			}
		}
	}
}

// followFrom follows one API after another, each better than the last. It returns an error if the
// first one is refused and was never listed.
func (s *endpointsSource) followFrom(ctx context.Context, apis []*endpointsAPI, at int) error {
	var start *found // nil: list first
	for {
		api := apis[at]
		s.api.Store(api)
		s.metrics.setFallback(at == len(apis)-1)
		f := s.follower(api)
		if start != nil {
			f.Start(ctx, start.items, start.version)
		}
		next, err := s.followUntilBetter(ctx, f, apis[:at])
		if next == nil {
			return err
		}
		s.log.Info("reading a better API for endpoints", "from", next.api.name, "instead", api.name)
		for at > 0 && apis[at] != next.api {
			at--
		}
		start = next
	}
}

// A found is a complete list of a better API.
type found struct {
	api     *endpointsAPI
	items   []kubedns.Endpoints
	version string
}

// followUntilBetter runs f until ctx is done, or until a better API was listed.
func (s *endpointsSource) followUntilBetter(
	ctx context.Context, f *listwatch.Follower[kubedns.Endpoints], better []*endpointsAPI,
) (next *found, err error) {
	if len(better) == 0 {
		return nil, f.Run(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() {
		if next = s.findBetter(ctx, better); next != nil {
			cancel()
		}
	})
	err = f.Run(ctx)
	cancel()
	group.Wait()
	return next, err
}

// findBetter tries the APIs, the best first, until one can be listed. It returns nil if ctx is done
// first.
func (s *endpointsSource) findBetter(ctx context.Context, apis []*endpointsAPI) *found {
	for wait := firstBetterTime; pause.For(ctx, wait/2+rand.N(wait/2)); wait = betterTime {
		for _, api := range apis {
			if _, err := api.resource.NewestVersion(ctx); err != nil {
				s.log.Debug("tried a better API for endpoints", "api", api.name, "err", err)
				continue
			}
			items, version, err := api.resource.List(ctx)
			if err == nil {
				return &found{api: api, items: items, version: version}
			}
			if ctx.Err() == nil {
				s.tracker.report(roleEndpoints, api.resource.Name, err)
			}
		}
	}
	return nil
}

func (s *endpointsSource) logFallback(err error) {
	if listwatch.ReasonOf(err) == listwatch.Forbidden {
		s.log.Warn("not allowed to read EndpointSlices: reading Endpoints, up to 1000 addresses of one IP family each, "+
			"until slices can be read",
			"err", err, "advice", "grant list and watch on endpointslices of discovery.k8s.io to the service account")
		return
	}
	s.log.Info("the API server has no EndpointSlices: reading Endpoints until it has", "err", err)
}

func (s *endpointsSource) follower(api *endpointsAPI) *listwatch.Follower[kubedns.Endpoints] {
	return &listwatch.Follower[kubedns.Endpoints]{
		Resource: api.resource,
		Sink:     queue[kubedns.Endpoints]{to: s.to, from: api.name},
		Observer: s.tracker.of(roleEndpoints, api.resource.Name), Log: s.log,
		Streaming: s.streaming, Position: api.at, Refusable: true,
	}
}
