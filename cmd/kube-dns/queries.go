package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/internal/httpd"
	"github.com/kube-dns/kube-dns/internal/statuspage"
	"github.com/kube-dns/kube-dns/pkg/querylog"
	"github.com/kube-dns/kube-dns/pkg/querylog/dnstap"
)

// queryLogFlags are the flags of the query log.
type queryLogFlags struct {
	allow   httpd.Access
	sample  float64
	clients querylog.Clients
	dnstap  dnstap.Target
}

func (f *queryLogFlags) add(fs *pflag.FlagSet) {
	f.allow, f.sample, f.clients = httpd.Loopback, 1, querylog.FullClients
	fs.Var(cli.Parsed(&f.allow, "string", httpd.ParseAccess), "querylog-allow",
		"`who` may switch the query log on and read it, at the healthz-port: none, loopback "+
			"(which kubectl port-forward reaches), or any client")
	fs.Var(cli.Parsed(&f.sample, "float", querylog.ParseSample), "querylog-sample",
		"`share` of the queries that the query log samples while it is on, such as 0.01")
	fs.Var(cli.Parsed(&f.clients, "string", querylog.ParseClients), "querylog-clients",
		"how `much` of client addresses the query log keeps: full, prefix (/24 and /56), or none")
	fs.Var(cli.Parsed(&f.dnstap, "target", dnstap.ParseTarget), "querylog-dnstap",
		"`target` that gets --querylog-sample of the queries in dnstap form, all the time: "+
			"unix:/PATH or file:/PATH. Empty: none")
}

// queryLog is the query log of a process, with its access control.
type queryLog struct {
	*querylog.Log
	allow  httpd.Access
	dnstap *dnstap.Output // nil: none
}

func newQueryLog(f queryLogFlags, reg prometheus.Registerer, log *slog.Logger) *queryLog {
	opts := querylog.Options{Sample: f.sample, Clients: f.clients, Metrics: querylog.NewMetrics(reg), Logger: log}
	q := &queryLog{allow: f.allow}
	if f.dnstap != "" {
		host, _ := os.Hostname() // the name of the pod; empty if unknown
		q.dnstap = dnstap.New(dnstap.Options{
			Target: f.dnstap, Identity: host, Version: "kube-dns " + cli.Version(),
			Dropped: opts.Metrics.Dropped("dnstap"), Logger: log,
		})
		opts.Always = q.dnstap
	}
	q.Log = querylog.New(opts)
	return q
}

// Run works until ctx is done.
func (q *queryLog) Run(ctx context.Context) error {
	if q.dnstap == nil {
		return q.Log.Run(ctx)
	}
	// The output stops after the log, to send its last entries.
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	var g errgroup.Group
	g.Go(func() error { return q.dnstap.Run(sending) })
	err := q.Log.Run(ctx)
	stop()
	return errors.Join(err, g.Wait())
}

// handle adds the handlers of the query log.
func (q *queryLog) handle(mux *http.ServeMux) {
	why := fmt.Sprintf("not allowed by --querylog-allow=%s: loopback allows kubectl port-forward", q.allow)
	h := q.allow.Guard(why, q.Handler())
	mux.Handle("/querylog", h)
	mux.Handle("/top", h)
}

// parts show that the log is on.
func (q *queryLog) parts() []statuspage.Part {
	var parts []statuspage.Part
	if q.dnstap != nil {
		parts = append(parts, statuspage.Part{
			Name: "dnstap", Level: statuspage.OK, Text: fmt.Sprintf("queries are sent to %s", q.dnstap.Target),
		})
	}
	s := q.State()
	if !s.On {
		return parts
	}
	return append(parts, statuspage.Part{
		Name: "query log", Level: statuspage.OK, Since: s.Since,
		Text: fmt.Sprintf("on until %s: %v of all queries are sampled, client addresses: %s",
			s.Until.UTC().Format(time.RFC3339), s.Sample, s.Clients),
	})
}

// topRows is the maximum number of rows in a table.
const topRows = 10

// tables show the most frequent entries of the last minutes. Only clients with access to the query
// log see them.
func (q *queryLog) tables(r *http.Request) []statuspage.Table {
	if !q.allow.Allows(r) {
		return nil
	}
	var tables []statuspage.Table
	for _, t := range []struct {
		caption string
		column  string
		by      querylog.By
		rcode   string
	}{
		{"Most frequent names", "name", querylog.ByName, ""},
		{"Names with most SERVFAIL replies", "name", querylog.ByName, "SERVFAIL"},
		{"Most frequent clients", "client", querylog.ByClient, ""},
	} {
		report, err := q.Report(querylog.Question{Window: 5 * time.Minute, By: t.by, Rcode: t.rcode, Limit: topRows})
		if err != nil { // it is off
			return nil
		}
		table := statuspage.Table{
			Caption: fmt.Sprintf("%s, last %v", t.caption, time.Duration(report.Window*float64(time.Second)).Round(time.Second)),
			Columns: []string{t.column, "queries/s", "share", "NXDOMAIN", "SERVFAIL", "types"},
			Empty:   "There are none.",
		}
		for _, row := range report.Rows {
			table.Rows = append(table.Rows, topRow(report, row))
		}
		tables = append(tables, table)
	}
	return tables
}

// topRow shows one name or client.
func topRow(report querylog.Report, row querylog.Row) []string {
	perSecond := 0.0
	if report.Window > 0 {
		perSecond = float64(row.Count) / report.Window / report.Sampled
	}
	share := func(n, of uint64) string { return fmt.Sprintf("%.0f%%", 100*float64(n)/float64(max(of, 1))) }
	var counted uint64
	for _, n := range row.Rcodes {
		counted += n
	}
	return []string{
		cmp.Or(row.Name, row.Client), fmt.Sprintf("%.1f", perSecond), share(row.Count, report.Total),
		share(row.Rcodes["NXDOMAIN"], counted), share(row.Rcodes["SERVFAIL"], counted),
		strings.Join(slices.Sorted(maps.Keys(row.Types)), ","),
	}
}
