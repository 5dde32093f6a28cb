package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/internal/pause"
	"github.com/kube-dns/kube-dns/internal/statuspage"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/snapshot"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// status reports the state of the process over HTTP.
type status struct {
	zone     *kubedns.Zone
	settings *settings
	inputs   inputs
	keeper   *snapshot.Keeper // nil: no snapshot
	server   *skydns.Server
	queries  *queryLog
	history  *statuspage.History
	draining <-chan struct{}
	start    time.Time
	log      *slog.Logger

	explaining sync.Mutex
}

// ready returns "ok", with a remark if changes do not arrive, or an error that explains why clients
// should not send queries here.
func (s *status) ready(ctx context.Context) (string, error) {
	return httpd.UntilDraining(s.draining, s.readiness)(ctx)
}

func (s *status) readiness(context.Context) (string, error) {
	switch s.zone.Status() {
	case backend.NotReady, backend.Partial:
		return "", errors.New(s.inputs.waitingFor())
	case backend.Stale:
		if s.keeper != nil {
			if since, ok := s.keeper.StaleSince(); ok {
				return fmt.Sprintf("ok (stale since %s)", since.UTC().Format(time.RFC3339)), nil
			}
		}
	}
	if s.inputs.trouble != nil {
		if why := s.inputs.trouble(); why != "" {
			return fmt.Sprintf("ok (%s)", why), nil
		}
	}
	return "ok", nil
}

// registerMetrics registers the numbers of published objects, and the gauge that matches
// /readiness.
func (s *status) registerMetrics(ctx context.Context, reg prometheus.Registerer) {
	gauge := func(name, help string, value func() float64) {
		promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	gauge("kubedns_zone_services", "Services that have records. Those of a snapshot are not counted.",
		func() float64 { return float64(s.zone.Counts().Services) })
	gauge("kubedns_zone_endpoints", "Addresses of headless Services that have records.",
		func() float64 { return float64(s.zone.Counts().Endpoints) })
	gauge("kubedns_zone_names",
		"Names that have records, of Services, their addresses and their ports, without reverse names.",
		func() float64 { return float64(s.zone.Counts().Names) })
	gauge("kubedns_zone_digest",
		"A hash of the names and records of all Services, as a number of 52 bits. Pods with the same data have the same one.",
		func() float64 { return float64(s.zone.Digest()) })
	gauge("kubedns_ready", "1 while /readiness returns 200: clients may send queries.", func() float64 {
		if _, err := s.ready(ctx); err != nil {
			return 0
		}
		return 1
	})
}

// alive returns "ok" while queries are answered and changes make progress. It depends
// neither on the API server nor on upstreams.
func (s *status) alive(ctx context.Context) (string, error) {
	if s.inputs.alive != nil {
		if err := s.inputs.alive(time.Now()); err != nil {
			return "", err
		}
	}
	return "ok", s.server.Alive(ctx)
}

// Limits of /cache, which sends a large document.
const (
	cacheWait    = 2 * time.Second  // of a request for the one before it
	cacheTimeout = 30 * time.Second // for a client to receive the document
)

// A cacheHandler streams the document to one client at a time, so that slow or numerous clients use
// no more memory.
type cacheHandler struct {
	zone    *kubedns.Zone
	log     *slog.Logger
	running chan struct{} // holds one token while the document is sent
}

func (c *cacheHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	wait, cancel := context.WithTimeout(r.Context(), cacheWait)
	defer cancel()
	select {
	case c.running <- struct{}{}:
		defer func() { <-c.running }()
	case <-wait.Done():
		w.Header().Set("Retry-After", strconv.Itoa(int(cacheTimeout.Seconds())))
		http.Error(w, "another client is reading /cache", http.StatusServiceUnavailable)
		return
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(cacheTimeout)); err != nil {
		c.log.Debug("cannot limit the time of /cache", "err", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Connection", "close") // the deadline applies to the connection
	if err := c.zone.Dump(r.Context(), w); err != nil {
		c.log.Debug("cannot send /cache", "err", err)
		panic(http.ErrAbortHandler) // the client then sees an incomplete document
	}
}

// warnOfSlowSync logs and counts once if the first lists are late. kube-dns continues: it forwards
// queries for names outside the cluster.
func (s *status) warnOfSlowSync(ctx context.Context, after time.Duration, reg prometheus.Registerer) error {
	late := promauto.With(reg).NewCounter(prometheus.CounterOpts{
		Name: "kubedns_initial_sync_timeouts_total",
		Help: "1 when the first lists of Services and endpoints took longer than --initial-sync-timeout.",
	})
	if !pause.For(ctx, after) || s.zone.HasSynced() {
		return nil
	}
	late.Inc()
	if s.zone.Status() == backend.Stale {
		s.log.Warn("no list from the API server yet: still answering from the snapshot",
			"after", after, "err", s.inputs.waitingFor())
	} else {
		s.log.Warn("no data yet: names of the cluster are answered with SERVFAIL, others are forwarded",
			"after", after, "err", s.inputs.waitingFor())
	}
	return nil
}
