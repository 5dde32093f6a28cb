package kube

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// betterTime is how often a better API is tried while endpoints come from
// another one: a right may have been granted meanwhile, or the server upgraded.
// The first time is soon, since a server that has just started may have refused
// what it allows.
const (
	firstBetterTime = 30 * time.Second
	betterTime      = 5 * time.Minute
)

// An endpointsAPI is one of the APIs that endpoints can be read from.
type endpointsAPI struct {
	name     string // for people
	resource resource[kubedns.Endpoints]
	// all selects the objects that are held when they are read.
	all selector
	at  *position // of its follower
}

// endpointsAPIs returns the APIs for a server of that version, the best first.
// Hand-made Endpoints are mirrored into slices from 1.19 on; v1beta1 ended with
// 1.24.
func (c *Client) endpointsAPIs(v serverVersion) []*endpointsAPI {
	// There are slices of no Service.
	owned := selector{labels: "kubernetes.io/service-name,kubernetes.io/service-name!="}
	apis := []*endpointsAPI{{"endpointslices.discovery.k8s.io/v1", c.endpointSlices(), owned, newPosition()}}
	if v.atLeast(19) && !v.atLeast(25) {
		apis = append(apis, &endpointsAPI{"endpointslices.discovery.k8s.io/v1beta1", c.betaEndpointSlices(), owned, newPosition()})
	}
	return append(apis, &endpointsAPI{"endpoints/v1", c.endpoints(), selector{}, newPosition()})
}

// followEndpoints follows the first API that works. It steps down to the next one
// only before one was listed, and steps up as soon as a better one can be listed.
// The other API is listed completely before it replaces anything.
func (s *Source) followEndpoints(ctx context.Context) {
	var pause backoff
	var told bool
	for at := 0; ctx.Err() == nil; {
		apis := s.client.endpointsAPIs(s.serverVersion())
		last := len(apis) - 1
		at = min(at, last)
		err := s.followFrom(ctx, apis, at)
		switch {
		case ctx.Err() != nil:
			return
		case at < last:
			at++
			if at == last && !told {
				told = true
				s.logFallback(err)
			}
		default: // nothing is allowed: begin again
			s.tracker.of(roleEndpoints, apis[at].resource.name).failed(err)
			at = 0
			if !pause.wait(ctx, err) {
				return
			}
		}
	}
}

// followFrom follows one API after the other, each better than the last one. It
// returns an error when the first one is refused and was never listed.
func (s *Source) followFrom(ctx context.Context, apis []*endpointsAPI, at int) error {
	var start *found // nil: list first
	for {
		api := apis[at]
		s.kind.Store(api)
		s.metrics.setFallback(at == len(apis)-1)
		f := s.endpointsFollower(api)
		if start != nil {
			f.take(ctx, start.items, start.version, "paged")
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

// followUntilBetter runs f until ctx is done, or until one of the better APIs was
// listed.
func (s *Source) followUntilBetter(
	ctx context.Context, f *follower[kubedns.Endpoints], better []*endpointsAPI,
) (next *found, err error) {
	if len(better) == 0 {
		return nil, f.run(ctx)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	group.Go(func() {
		if next = s.findBetter(ctx, better); next != nil {
			cancel()
		}
	})
	err = f.run(ctx)
	cancel()
	group.Wait()
	return next, err
}

// findBetter lists one of the APIs, the best first, as soon as one can be listed.
// It returns nil when ctx is done before.
func (s *Source) findBetter(ctx context.Context, apis []*endpointsAPI) *found {
	for pause := firstBetterTime; sleep(ctx, pause/2+rand.N(pause/2)); pause = betterTime {
		for _, api := range apis {
			if _, err := api.resource.newestVersion(ctx); err != nil {
				s.log.Debug("tried a better API for endpoints", "api", api.name, "err", err)
				continue
			}
			items, version, err := api.resource.list(ctx)
			if err == nil {
				return &found{api: api, items: items, version: version}
			}
			if ctx.Err() == nil {
				s.tracker.report(roleEndpoints, api.resource.name, err)
			}
		}
	}
	return nil
}

func (s *Source) logFallback(err error) {
	if reasonOf(err) == Forbidden {
		s.log.Warn("not allowed to read EndpointSlices: reading Endpoints, up to 1000 addresses of one IP family each, until slices can be read",
			"err", err, "advice", "grant list and watch on endpointslices of discovery.k8s.io to the service account")
		return
	}
	s.log.Info("the API server has no EndpointSlices: reading Endpoints until it has", "err", err)
}

func (s *Source) endpointsFollower(api *endpointsAPI) *follower[kubedns.Endpoints] {
	return &follower[kubedns.Endpoints]{
		resource: api.resource,
		sink:     queue[kubedns.Endpoints]{to: s.endpoints, from: api},
		observer: s.tracker.of(roleEndpoints, api.resource.name), log: s.log, metrics: s.metrics,
		role: roleEndpoints, streaming: s.streaming, position: api.at, refusable: true,
	}
}
