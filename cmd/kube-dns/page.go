package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/internal/explain"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/internal/statuspage"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// newHistory returns the history of the replies.
func newHistory(reg prometheus.Gatherer) *statuspage.History {
	return statuspage.NewHistory(reg,
		statuspage.Counted{Title: "Replies by response code", Metric: "kubedns_dns_responses_total", Label: "rcode"},
		statuspage.Counted{Title: "Replies by type", Metric: "kubedns_dns_responses_total", Label: "type"},
		statuspage.Counted{Title: "Replies of each upstream", Metric: "kubedns_dns_upstream_duration_seconds_count",
			Label: "server"},
		statuspage.Counted{
			Title: "Seconds until the replies of each upstream", Metric: "kubedns_dns_upstream_duration_seconds_sum",
			Label: "server",
		},
		statuspage.Counted{Title: "Failures of each upstream", Metric: "kubedns_dns_upstream_failures_total",
			Label: "server"},
	)
}

// page is the page for operators.
func (s *status) page(r *http.Request) statuspage.Page {
	parts := append([]statuspage.Part{s.answers(r.Context())}, s.inputs.parts()...)
	if s.keeper != nil {
		parts = append(parts, s.snapshot())
	}
	upstreams, servers := s.upstreams()
	parts = append(parts, s.configuration(), upstreams)
	return statuspage.Page{
		Command: "kube-dns", Version: cli.Version(), Started: s.start,
		Parts:    append(parts, s.queries.parts()...),
		Tables:   append([]statuspage.Table{servers}, s.queries.tables(r)...),
		Charts:   s.history.Charts(),
		Question: s.question(r),
		Links: []statuspage.Link{
			{Path: "/readiness", Text: "200 when queries are welcome"},
			{Path: "/healthz", Text: "200 when queries are answered"},
			{Path: "/cache", Text: "all names, as JSON"},
			{Path: "/explain?name=kubernetes.default", Text: "what a pod gets for a name, as JSON"},
			{Path: "/querylog", Text: "whether queries are logged; see docs/querylog.md"},
		},
	}
}

// answers is the part about clients.
func (s *status) answers(ctx context.Context) statuspage.Part {
	_, err := s.alive(ctx)
	if err == nil {
		if _, err = s.ready(ctx); err != nil {
			err = fmt.Errorf("not ready: %w", err)
		}
	}
	return statuspage.Check("answers", size(s.zone), err)
}

// size describes the data of a zone.
func size(z *kubedns.Zone) string {
	if z.Status() == backend.Stale {
		return "the names of the snapshot" // they are not counted
	}
	c := z.Counts()
	return strings.Join([]string{count(c.Services, "Service"), count(c.Endpoints, "endpoint"), count(c.Names, "name")},
		", ")
}

// count formats a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

func (s *status) snapshot() statuspage.Part {
	part := statuspage.Part{Name: "snapshot", Level: statuspage.OK, Text: "saved for the next start in " + s.keeper.Path}
	if since, ok := s.keeper.StaleSince(); ok && s.zone.Status() == backend.Stale {
		part.Level, part.Since = statuspage.Warning, since
		part.Text = "answers come from it, until the API server is read"
	}
	return part
}

func (s *status) configuration() statuspage.Part {
	c := s.settings.shown.Load()
	part := statuspage.Part{Name: "configuration", Level: statuspage.OK, Since: c.Since}
	name := strings.TrimSpace(strings.ReplaceAll(c.Origin, "_", " ") + " " + c.Version)
	part.Text = fmt.Sprintf("%s: nameservers %s, %s, %s", name, cmp.Or(strings.Join(c.Upstreams, ", "), "none"),
		count(len(c.Config.StubDomains), "stub domain"), count(len(c.Config.Federations), "federation"))
	if c.Refused != "" {
		part.Level, part.Since = statuspage.Warning, c.RefusedSince
		part.Text = "refused: " + c.Refused + ". In use: " + part.Text
	}
	return part
}

// upstreams lists the servers for names outside the cluster, and sums them up.
func (s *status) upstreams() (statuspage.Part, statuspage.Table) {
	part := statuspage.Part{Name: "upstreams", Level: statuspage.OK}
	t := statuspage.Table{
		Caption: "Servers that kube-dns itself queries for names outside the cluster",
		Columns: []string{"server", "state", "time to reply"},
		Empty:   "None is configured.",
	}
	servers := s.settings.forwarder.Servers()
	slices.SortFunc(servers, func(a, b upstream.Server) int { return a.Addr.Compare(b.Addr) })
	var down []string
	for _, server := range servers {
		state, took := "answers", server.RTT.Round(10*time.Microsecond).String()
		switch {
		case !server.Up:
			down = append(down, server.Addr.String())
			state, took = "does not answer", ""
		case server.RTT == 0:
			state, took = "not queried lately", ""
		}
		t.Rows = append(t.Rows, []string{server.Addr.String(), state, took})
	}
	switch {
	case len(servers) == 0:
		part.Level, part.Text = statuspage.Warning, "no server for names outside the cluster is configured"
	case len(down) > 0:
		part.Level = statuspage.Warning
		part.Text = fmt.Sprintf("%d of %d do not answer: %s", len(down), len(servers), strings.Join(down, ", "))
	default:
		part.Text = fmt.Sprintf("none of %d is known to be down", len(servers))
	}
	return part, t
}

// route returns the servers for a name.
func (s *status) route(name string) explain.Route {
	domain, servers := s.settings.forwarder.Route(name)
	return explain.Route{Domain: domain, Servers: servers}
}

// questionOf returns the question in the parameters of a request.
func questionOf(r *http.Request) explain.Question {
	q := r.URL.Query()
	return explain.Question{
		Name: q.Get("name"), Namespace: q.Get("namespace"), Type: q.Get("type"),
		Resolver: q.Get("resolver"), Ndots: q.Get("ndots"), Search: q.Get("search"),
	}
}

// explain explains a name. It explains one name at a time, so clients cannot use more than one
// processor.
func (s *status) explain(ctx context.Context, q explain.Question) (explain.Walk, error) {
	s.explaining.Lock()
	defer s.explaining.Unlock()
	if ctx.Err() != nil { // the client has disconnected
		return explain.Walk{}, ctx.Err()
	}
	explainer := &explain.Explainer{
		Zone: s.zone, Domain: s.settings.domain, Route: s.route, Waiting: s.inputs.waitingFor,
	}
	return explainer.Explain(ctx, q)
}

// question is the form that explains a name, with its answer.
func (s *status) question(r *http.Request) *statuspage.Question {
	q := questionOf(r)
	form := &statuspage.Question{
		Title: "What does a pod get for a name?",
		Fields: []statuspage.Field{
			{Name: "name", Label: "Name or address", Value: q.Name, Hint: "web.prod"},
			{Name: "namespace", Label: "Namespace of the pod", Value: cmp.Or(q.Namespace, "default")},
			{Name: "type", Label: "Type", Value: cmp.Or(strings.ToUpper(q.Type), "A"), Options: explain.Types()},
			{Name: "resolver", Label: "Resolver", Value: cmp.Or(q.Resolver, "glibc"), Options: explain.Resolvers()},
			{Name: "ndots", Label: "ndots", Value: cmp.Or(q.Ndots, "5")},
			{Name: "search", Label: "Search domains of the node", Value: q.Search, Hint: "example.com"},
		},
	}
	if !r.URL.Query().Has("name") {
		return form
	}
	form.Asked = true
	walk, err := s.explain(r.Context(), q)
	if err != nil {
		form.Summary = "Invalid question: " + err.Error()
		return form
	}
	form.Summary = walk.Summary
	form.Steps = &statuspage.Table{Columns: []string{"query", "result", "answer", "from", "because"}}
	for _, step := range walk.Steps {
		form.Steps.Rows = append(form.Steps.Rows,
			[]string{step.Name, step.Result, strings.Join(step.Answer, ", "), step.Objects[0], step.Reason})
	}
	form.Notes = []string{"The search list is the one of a pod with dnsPolicy ClusterFirst. The result is that of this " +
		"server: dnsmasq in front of it may have options of its own. Endpoints of ClusterIP Services that are not ready " +
		"are not shown."}
	return form
}

// serveExplain serves the explanation of a name as JSON.
func (s *status) serveExplain(w http.ResponseWriter, r *http.Request) {
	walk, err := s.explain(r.Context(), questionOf(r))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(walk) // an error means that the client has disconnected
}

// handler serves the status port.
func (s *status) handler() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/readiness", httpd.Check(s.ready))
	mux.Handle("/healthz", httpd.Check(s.alive))
	mux.Handle("GET /cache", &cacheHandler{zone: s.zone, log: s.log, running: make(chan struct{}, 1)})
	s.queries.handle(mux)
	mux.Handle(cli.LevelPath, httpd.Loopback.Guard(httpd.OnlyLoopback, cli.LevelHandler(s.log)))
	mux.HandleFunc("GET /explain", s.serveExplain)
	mux.Handle("/{$}", statuspage.Handler(s.page))
	return mux
}
