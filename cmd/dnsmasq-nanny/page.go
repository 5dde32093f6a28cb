package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/internal/statuspage"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq"
)

// newHistory returns the history of the nanny's actions.
func newHistory(reg prometheus.Gatherer) *statuspage.History {
	return statuspage.NewHistory(reg,
		statuspage.Counted{
			Title: "Starts of dnsmasq by reason", Metric: "kubedns_nanny_dnsmasq_starts_total", Label: "reason",
		},
		statuspage.Counted{Title: "Changes of servers by result", Metric: "kubedns_nanny_reloads_total", Label: "result"},
	)
}

// page returns the page for operators. ready is the check of /readiness.
func page(
	nanny *dnsmasq.Nanny, history *statuspage.History, started time.Time,
	ready func(context.Context) (string, error),
) func(*http.Request) statuspage.Page {
	return func(r *http.Request) statuspage.Page {
		state := nanny.State()
		_, notReady := ready(r.Context())
		_, notAlive := nanny.Alive(r.Context())
		p := statuspage.Page{
			Command: "dnsmasq-nanny", Version: cli.Version(), Started: started,
			Parts: []statuspage.Part{
				statuspage.Check("dnsmasq", "answers", notReady), configuration(state), servers(state), replies(state),
			},
			Tables: []statuspage.Table{serverTable(state)},
			Charts: history.Charts(),
			Links: []statuspage.Link{
				{Path: "/readiness", Text: "200 while dnsmasq answers"},
				{Path: "/healthz", Text: "200 while the nanny works"},
				{Path: "/metrics", Text: "for Prometheus"},
			},
		}
		if notAlive != nil {
			p.Parts = append(p.Parts, statuspage.Check("nanny", "", notAlive))
		}
		return p
	}
}

func configuration(state dnsmasq.State) statuspage.Part {
	part := statuspage.Part{Name: "configuration", Level: statuspage.OK, Since: state.Since}
	part.Text = strings.TrimSpace(strings.ReplaceAll(state.Source, "_", " ") + " " + state.Version)
	if state.Refused != "" {
		part.Level, part.Since = statuspage.Warning, state.RefusedSince
		part.Text = "refused: " + state.Refused + ". In use: " + part.Text
	}
	return part
}

func servers(state dnsmasq.State) statuspage.Part {
	part := statuspage.Part{Name: "servers", Level: statuspage.OK}
	left := 0
	for _, s := range state.Servers {
		if s.LeftOut != "" {
			left++
		}
	}
	part.Text = fmt.Sprintf("%d of the configuration; a change restarts dnsmasq", state.Total)
	if state.Signalled {
		part.Text = fmt.Sprintf("%d of the configuration; a change does not restart dnsmasq", state.Total)
	}
	switch {
	case left > 0:
		part.Level = statuspage.Warning
		part.Text = fmt.Sprintf("%d of %d are left out, see below", left, state.Total)
	case state.Unresolved > 0:
		part.Level = statuspage.Warning
		part.Text = fmt.Sprintf("%d names of stub servers have no address", state.Unresolved)
	}
	return part
}

// namedServers is the number of failing servers that the part names.
const namedServers = 5

// replies describes the servers' replies to the tests of the nanny.
func replies(state dnsmasq.State) statuspage.Part {
	part := statuspage.Part{Name: "replies of servers", Level: statuspage.OK, Text: "no server fails its tests"}
	if len(state.Failing) == 0 {
		return part
	}
	var names []string
	for _, s := range state.Failing[:min(namedServers, len(state.Failing))] {
		names = append(names, s.Server+" replies with "+s.Rcode)
	}
	if more := len(state.Failing) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	part.Level, part.Text = statuspage.Warning, "test queries fail: "+strings.Join(names, ", ")
	return part
}

func serverTable(state dnsmasq.State) statuspage.Table {
	t := statuspage.Table{
		Caption: "Servers of the configuration, as dnsmasq reads them", Columns: []string{"server", "state"},
		Empty: "None: dnsmasq uses the servers of its own arguments.",
	}
	failing := map[string]string{}
	for _, s := range state.Failing {
		failing[s.Server] = s.Rcode
	}
	for _, s := range state.Servers {
		text := "in use"
		if rcode := failing[s.Server]; rcode != "" {
			text = "in use, but replies to tests with " + rcode
		}
		if s.LeftOut != "" {
			text = "left out: " + s.LeftOut
		}
		t.Rows = append(t.Rows, []string{s.Server, text})
	}
	if more := state.Total - len(t.Rows); more > 0 {
		t.Rows = append(t.Rows, []string{fmt.Sprintf("and %d more", more), ""})
	}
	return t
}
