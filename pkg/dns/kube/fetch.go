package kube

import (
	"context"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

// fetchers is how many Services are fetched at once.
const fetchers = 4

// A fetch is the question for the endpoints of one Service, and the answer.
type fetch struct {
	service kubedns.Key
	api     *endpointsAPI
	round   int // see merge
	found   []kubedns.Endpoints
	err     error
}

// fetchAll does what the writer asks for, one fetch after the other.
func (s *Source) fetchAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-s.jobs:
			f.found, f.err = s.fetch(ctx, f)
			select {
			case <-ctx.Done():
				return
			case s.fetched <- f:
			}
		}
	}
}

// fetch lists the endpoints of one Service: the right to list is all that the
// role of kube-dns has. It tries until it gets them, or until they come from
// another API.
func (s *Source) fetch(ctx context.Context, f fetch) ([]kubedns.Endpoints, error) {
	var pause backoff
	for {
		found, _, err := f.api.resource.where(f.api.of(f.service)).list(ctx)
		if err == nil {
			s.metrics.fetches.WithLabelValues("ok").Inc()
			s.log.Debug("fetched the endpoints of a Service", "service", f.service.String(), "objects", len(found))
			return found, nil
		}
		if ctx.Err() == nil {
			s.metrics.fetches.WithLabelValues("error").Inc()
			s.tracker.report(roleEndpoints, err)
		}
		if !pause.wait(ctx, err) || s.kind.Load() != f.api {
			return nil, err
		}
	}
}
