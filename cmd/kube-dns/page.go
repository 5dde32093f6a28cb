package main

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/explain"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/internal/statuspage"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// A pageMaker makes the page for operators.
type pageMaker struct {
	*status
	ready func(context.Context) (string, error) // as /readiness
	// explaining holds one token: names are explained one at a time, so that clients
	// cannot take more than one processor.
	explaining chan struct{}
}

// newHistory returns the history of the replies.
func newHistory(reg prometheus.Gatherer) *statuspage.History {
	return statuspage.NewHistory(reg,
		statuspage.Counted{Title: "Replies by response code", Metric: "kubedns_dns_responses_total", Label: "rcode"},
		statuspage.Counted{Title: "Replies by type", Metric: "kubedns_dns_responses_total", Label: "type"},
	)
}

// newPageMaker returns the page of a process whose /readiness is ready.
func newPageMaker(s *status, ready func(context.Context) (string, error)) *pageMaker {
	return &pageMaker{status: s, ready: ready, explaining: make(chan struct{}, 1)}
}

func (p *pageMaker) page(r *http.Request) statuspage.Page {
	page := statuspage.Page{
		Command: "kube-dns", Version: p.version, Started: p.start,
		Parts:    p.parts(r.Context()),
		Tables:   append([]statuspage.Table{p.upstreams()}, p.queries.tables(r)...),
		Charts:   p.history.Charts(),
		Question: p.question(r),
		Links: []statuspage.Link{
			{Path: "/readiness", Text: "200 when queries are welcome"},
			{Path: "/healthz", Text: "200 when queries are answered"},
			{Path: "/cache", Text: "all names, as JSON"},
			{Path: "/querylog", Text: "whether queries are logged; see docs/querylog.md"},
		},
	}
	return page
}

func (p *pageMaker) parts(ctx context.Context) []statuspage.Part {
	parts := append([]statuspage.Part{p.answers(ctx)}, p.inputs.parts()...)
	if p.keeper != nil {
		parts = append(parts, p.snapshot())
	}
	parts = append(parts, p.configuration(), p.servers())
	return append(parts, p.queries.parts()...)
}

// answers is the part that clients notice.
func (p *pageMaker) answers(ctx context.Context) statuspage.Part {
	part := statuspage.Part{Name: "answers", Level: statuspage.OK}
	if _, err := p.alive(ctx); err != nil {
		part.Level, part.Text = statuspage.Failed, err.Error()
		return part
	}
	if _, err := p.ready(ctx); err != nil {
		part.Level, part.Text = statuspage.Failed, "not ready: "+err.Error()
		return part
	}
	c := p.zone.Counts()
	part.Text = fmt.Sprintf("%d Services, %d endpoints, %d names", c.Services, c.Endpoints, c.Names)
	return part
}

func (p *pageMaker) snapshot() statuspage.Part {
	part := statuspage.Part{Name: "snapshot", Level: statuspage.OK, Text: "kept for the next start in " + p.keeper.Path}
	if since, ok := p.keeper.StaleSince(); ok && p.zone.Status() == backend.Stale {
		part.Level, part.Since = statuspage.Warning, since
		part.Text = "answers come from it, until the API server is read"
	}
	return part
}

func (p *pageMaker) configuration() statuspage.Part {
	c := p.settings.shown.Load()
	part := statuspage.Part{Name: "configuration", Level: statuspage.OK, Since: c.Since}
	part.Text = fmt.Sprintf("%s %q: nameservers %s, stub domains %d, federations %d",
		c.Origin, c.Version, cmp.Or(strings.Join(c.Upstreams, ", "), "none"), c.StubDomains, c.Federations)
	if c.Refused != "" {
		part.Level, part.Since = statuspage.Warning, c.RefusedSince
		part.Text = "refused: " + c.Refused + ". In use: " + part.Text
	}
	return part
}

// servers sums up the servers for names outside the cluster.
func (p *pageMaker) servers() statuspage.Part {
	part := statuspage.Part{Name: "upstreams", Level: statuspage.OK}
	servers := p.settings.forwarder.Servers()
	var down []string
	for _, s := range servers {
		if !s.Up {
			down = append(down, s.Addr.String())
		}
	}
	slices.Sort(down)
	switch {
	case len(servers) == 0:
		part.Level, part.Text = statuspage.Warning, "no server for names outside the cluster is configured"
	case len(down) > 0:
		part.Level = statuspage.Warning
		part.Text = fmt.Sprintf("%d of %d do not answer: %s", len(down), len(servers), strings.Join(down, ", "))
	default:
		part.Text = fmt.Sprintf("none of %d is known to be down", len(servers))
	}
	return part
}

// upstreams lists the servers for names outside the cluster.
func (p *pageMaker) upstreams() statuspage.Table {
	t := statuspage.Table{
		Caption: "Servers for names outside the cluster, as kube-dns itself asks them",
		Columns: []string{"server", "state", "time to reply"},
		Empty:   "None is configured.",
	}
	servers := p.settings.forwarder.Servers()
	slices.SortFunc(servers, func(a, b upstream.Server) int { return a.Addr.Compare(b.Addr) })
	for _, s := range servers {
		state, took := "answers", s.RTT.Round(10*time.Microsecond).String()
		switch {
		case !s.Up:
			state, took = "does not answer", ""
		case s.RTT == 0:
			state, took = "not asked lately", ""
		}
		t.Rows = append(t.Rows, []string{s.Addr.String(), state, took})
	}
	return t
}

// route reports which servers are asked for a name.
func (p *pageMaker) route(name string) string {
	domain, servers := p.settings.forwarder.Route(name)
	switch {
	case len(servers) == 0:
		return ""
	case domain != "":
		return fmt.Sprintf("%s, of the stub domain %s", strings.Join(servers, ", "), strings.TrimSuffix(domain, "."))
	}
	return "the nameservers " + strings.Join(servers, ", ")
}

// question is the form that explains a name, and its answer.
func (p *pageMaker) question(r *http.Request) *statuspage.Question {
	asked := r.URL.Query()
	q := explain.Question{Name: asked.Get("name"), Namespace: asked.Get("namespace"), Type: asked.Get("type")}
	form := &statuspage.Question{
		Title: "What does a pod get for a name?",
		Fields: []statuspage.Field{
			{Name: "name", Label: "Name or address", Value: q.Name, Hint: "web.prod"},
			{Name: "namespace", Label: "Namespace of the pod", Value: cmp.Or(q.Namespace, "default")},
			{Name: "type", Label: "Type", Value: cmp.Or(strings.ToUpper(q.Type), "A"), Options: explain.Types()},
		},
	}
	if !asked.Has("name") {
		return form
	}
	form.Asked = true
	select {
	case p.explaining <- struct{}{}:
		defer func() { <-p.explaining }()
	case <-r.Context().Done():
		return form
	}
	explainer := &explain.Explainer{Zone: p.zone, Domain: p.settings.domain, Route: p.route}
	walk, err := explainer.Explain(r.Context(), q)
	if err != nil {
		form.Summary = "This cannot be asked: " + err.Error()
		return form
	}
	form.Summary = walk.Summary
	form.Steps = &statuspage.Table{Columns: []string{"query", "result", "answer", "from", "because"}}
	for _, s := range walk.Steps {
		form.Steps.Rows = append(form.Steps.Rows,
			[]string{s.Name, s.Result, strings.Join(s.Answer, ", "), s.Object, s.Reason})
	}
	form.Notes = []string{"The search list is the one of a pod with dnsPolicy ClusterFirst and ndots 5, " +
		"without the search domains of its node. This server answers alone: dnsmasq in front of it may have " +
		"options of its own."}
	return form
}

// handler serves the status port.
func (s *status) handler() *http.ServeMux {
	ready := httpd.UntilDraining(s.draining, s.ready)
	mux := http.NewServeMux()
	mux.Handle("/readiness", ready)
	mux.Handle("/healthz", httpd.Check(s.alive))
	mux.Handle("GET /cache", &cacheHandler{status: s, running: make(chan struct{}, 1)})
	s.queries.handle(mux)
	mux.Handle("/{$}", statuspage.Handler(newPageMaker(s, ready).page))
	return mux
}
