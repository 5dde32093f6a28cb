package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/snapshot"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// status answers for the state of the process over HTTP.
type status struct {
	zone     *kubedns.Zone
	settings *settings
	draining <-chan struct{}
	// waitingFor returns in one line what the source waits for, and why.
	waitingFor func() string
	// trouble returns in one line why changes do not arrive, or nothing. It may be nil.
	trouble func() string
	// alive is nil while queries are answered.
	alive   func(context.Context) error
	version string
	source  string
	start   time.Time
	keeper  *snapshot.Keeper // nil: no snapshot
	log     *slog.Logger
}

// ready says that queries are welcome, or why not.
func (s *status) ready() (string, error) {
	select {
	case <-s.draining:
		return "", errors.New("draining: this process is about to stop")
	default:
	}
	switch s.zone.Status() {
	case backend.NotReady, backend.Partial:
		return "", errors.New(s.waitingFor())
	case backend.Stale:
		if since, ok := s.staleSince(); ok {
			return fmt.Sprintf("ok (stale since %s)", since.UTC().Format(time.RFC3339)), nil
		}
	}
	if s.trouble != nil {
		if why := s.trouble(); why != "" {
			return fmt.Sprintf("ok (%s)", why), nil
		}
	}
	return "ok", nil
}

func (s *status) staleSince() (time.Time, bool) {
	if s.keeper == nil {
		return time.Time{}, false
	}
	return s.keeper.StaleSince()
}

// handler serves the status port.
func (s *status) handler(metrics http.Handler, metricsPath string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/readiness", func(w http.ResponseWriter, _ *http.Request) {
		text, err := s.ready()
		reply(w, text, err)
	})
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, r *http.Request) { reply(w, "ok", s.alive(r.Context())) })
	mux.Handle("/cache", &cacheHandler{status: s, running: make(chan struct{}, 1)})
	mux.HandleFunc("/{$}", s.page)
	if metrics != nil {
		mux.Handle(metricsPath, metrics)
	}
	return mux
}

func reply(w http.ResponseWriter, text string, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintln(w, text)
}

// Limits of /cache, which sends a large document.
const (
	// cacheWait is how long a request waits for the one before it.
	cacheWait = 2 * time.Second
	// cacheTimeout is how long a client may take to receive the document.
	cacheTimeout = 30 * time.Second
)

// A cacheHandler streams the document to one client at a time, so that neither
// the number of clients nor their pace decides how much memory it takes.
type cacheHandler struct {
	*status
	running chan struct{} // holds one token while the document is sent
}

func (s *cacheHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	timer := time.NewTimer(cacheWait)
	defer timer.Stop()
	select {
	case s.running <- struct{}{}:
		defer func() { <-s.running }()
	case <-r.Context().Done():
		return
	case <-timer.C:
		w.Header().Set("Retry-After", strconv.Itoa(int(cacheTimeout.Seconds())))
		http.Error(w, "another client is reading /cache", http.StatusServiceUnavailable)
		return
	}
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(cacheTimeout)); err != nil {
		s.log.Debug("/cache has no limit of time", "err", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Connection", "close") // the deadline is that of the connection
	if err := s.zone.Dump(r.Context(), w); err != nil {
		s.log.Debug("could not send /cache", "err", err)
		panic(http.ErrAbortHandler) // so that the client does not take it for complete
	}
}

// page is for people: what this is, and how it is.
func (s *status) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	state, err := s.ready()
	if err != nil {
		state = "not ready: " + err.Error()
	}
	shown := s.settings.shown.Load()
	fmt.Fprintf(w, "kube-dns %s, up %s\n\n", s.version, time.Since(s.start).Round(time.Second))
	fmt.Fprintf(w, "state          %s\n", state)
	fmt.Fprintf(w, "source         %s\n", s.source)
	fmt.Fprintf(w, "configuration  %s %q: nameservers %v, %d stub domains, %d federations\n", shown.Origin, shown.Version, shown.Upstreams, shown.StubDomains, shown.Federations)
	if shown.Refused != "" {
		fmt.Fprintf(w, "refused        %s\n", shown.Refused)
	}
	fmt.Fprintf(w, "\n/readiness  200 when queries are welcome\n/healthz    200 when queries are answered\n/cache      all names, as JSON\n")
}

// warnOfSlowSync logs once that the first lists are late. That is no reason to
// stop: names outside the cluster are answered meanwhile.
func (s *status) warnOfSlowSync(ctx context.Context, after time.Duration, reg prometheus.Registerer) error {
	late := prometheus.NewCounter(prometheus.CounterOpts{Name: "kubedns_initial_sync_timeouts_total", Help: "1 when the first lists of Services and endpoints took longer than --initial-sync-timeout."})
	reg.MustRegister(late)
	timer := time.NewTimer(after)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
		if s.zone.HasSynced() {
			return nil
		}
		late.Inc()
		if s.zone.Status() == backend.Stale {
			s.log.Warn("no list from the API server yet: still answering from the snapshot", "after", after, "err", s.waitingFor())
		} else {
			s.log.Warn("no data yet: names of the cluster are answered with SERVFAIL, others are forwarded", "after", after, "err", s.waitingFor())
		}
	}
	return nil
}
