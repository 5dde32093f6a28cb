package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/queries"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/report"
	"github.com/kube-dns/kube-dns/internal/pause"
)

// topFlags are the flags of top.
type topFlags struct {
	by, rcode string
	window    time.Duration
	limit     int
	switchOn  time.Duration
	watch     bool
	clients   bool
	noHeaders bool
}

// topPause is the time between two updates of --watch.
const topPause = 5 * time.Second

func (a *app) topCommand() *cobra.Command {
	f := &topFlags{}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show the most frequent names, clients and upstream servers",
		Long: `Show which names and clients are most frequent, or how upstream servers reply, added up over
all kube-dns pods.

The query log counts names, clients, response codes and types. It is off by default:
--switch-on switches it on in all pods for a time (docs/querylog.md). Names and
clients are personal data. dnsmasq's cache answers most queries before they reach kube-dns;
those are not counted.

--by server needs no query log. Status pages have the figures of each server that dnsmasq or
kube-dns sends queries to. dnsmasq does not measure the latency. The queries of kube-dns are
those with a reply, late ones included.

Exit codes: 0 shown, 2 could not find out.`,
		Example: `  kubectl kubedns top --switch-on 5m --watch
  kubectl kubedns top --by name --rcode NXDOMAIN
  kubectl kubedns top -o wide                    # with all response codes, and the error of counts
  kubectl kubedns top --rcode NXDOMAIN -o name   # names alone
  kubectl kubedns top --by client --clients      # names of pods instead of addresses
  kubectl kubedns top --by server --window 1m    # queries, failures, latency of upstream servers
  kubectl kubedns top --by server -o json`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error { return a.runTop(c.Context(), f) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.by, "by", "name", "`what` to count: name, client, rcode, type, server")
	fs.StringVar(&f.rcode, "rcode", "", "only rows that have this response `code`")
	fs.DurationVar(&f.window, "window", 5*time.Minute, "`time` to look back, 30s to 10m")
	fs.IntVar(&f.limit, "limit", 20, "`number` of rows")
	fs.DurationVar(&f.switchOn, "switch-on", 0, "first switch the query log on, for this `time` (at most 15m)")
	fs.BoolVar(&f.noHeaders, "no-headers", false, "leave out the headings and the sum")
	fs.BoolVar(&f.watch, "watch", false, "repeat until Ctrl-C")
	fs.BoolVar(&f.clients, "clients", false, "show names of pods instead of addresses of clients; lists all pods")
	return cmd
}

func (f *topFlags) check() error {
	switch {
	case !slices.Contains([]string{"name", "client", "rcode", "type", byServer}, f.by):
		return fmt.Errorf("--by: %q cannot be counted: write name, client, rcode, type or server", f.by)
	case f.window < 30*time.Second || f.window > 10*time.Minute:
		return fmt.Errorf("--window: %s is out of range: write 30s to 10m", f.window)
	case f.limit < 1 || f.limit > 1000:
		return fmt.Errorf("--limit: %d is out of range: write 1 to 1000", f.limit)
	case f.clients && f.by != "client":
		return errors.New("--clients needs --by client")
	case f.by == byServer:
		return f.checkByServer()
	}
	return checkSwitchOn(f.switchOn)
}

func checkSwitchOn(d time.Duration) error {
	if d < 0 || d > 15*time.Minute {
		return fmt.Errorf("--switch-on: %s is out of range: write 1s to 15m", d)
	}
	return nil
}

func (a *app) runTop(ctx context.Context, f *topFlags) error {
	p, err := a.printer(report.Wide, report.Name)
	if err != nil {
		return err
	}
	p.NoHeaders = f.noHeaders
	if err := f.check(); err != nil {
		return err
	}
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := a.switchOn(ctx, client, f.switchOn); err != nil {
		return err
	}
	for {
		show, err := a.topOnce(ctx, client, f)
		if err != nil {
			if f.watch && ctx.Err() != nil {
				return nil // Ctrl-C is the usual exit
			}
			return err
		}
		if err := show(p); err != nil || !f.watch {
			return err
		}
		if !pause.For(ctx, topPause) {
			return nil
		}
		fmt.Fprintln(p.Out)
	}
}

// topOnce reads the metrics once, and returns the function that prints them.
func (a *app) topOnce(ctx context.Context, client *cluster.Client, f *topFlags) (func(*report.Printer) error, error) {
	if f.by == byServer {
		sum, err := a.topServers(ctx, client, f)
		return func(p *report.Printer) error { return printServers(p, sum) }, err
	}
	sum, err := a.topQueries(ctx, client, f)
	return func(p *report.Printer) error { return printTop(p, f, sum) }, err
}

// A logPod is a pod with a query log, and the local address of its status port.
type logPod struct{ name, addr string }

// logPods opens the status port of each kube-dns pod. The query log only serves the pod's loopback
// address, which a port-forward uses.
func logPods(ctx context.Context, client *cluster.Client) ([]logPod, error) {
	pods, err := dnsPods(ctx, client)
	if err != nil {
		return nil, err
	}
	var list []logPod
	for _, pod := range pods {
		addr, err := client.Forward(ctx, pod.Pod, pod.ports.Status)
		if err != nil {
			return nil, fmt.Errorf("port-forward to pod %s: %w", pod, err)
		}
		list = append(list, logPod{pod.Name, addr})
	}
	return list, nil
}

// switchOn enables the query log of all pods for d, unless d is 0.
func (a *app) switchOn(ctx context.Context, client *cluster.Client, d time.Duration) error {
	if d == 0 {
		return nil
	}
	ctx, cancel := a.limited(ctx)
	defer cancel()
	pods, err := logPods(ctx, client)
	if err != nil {
		return err
	}
	for _, pod := range pods {
		path := "/querylog?seconds=" + strconv.Itoa(max(1, int(d.Seconds())))
		if _, err := cluster.Request(ctx, http.MethodPost, "http://"+pod.addr+path); err != nil {
			return logError(pod, err)
		}
	}
	fmt.Fprintf(a.err, "the query log is on in %d pods for %s\n", len(pods), d)
	return nil
}

// logError explains a pod's error reply to a request for its query log.
func logError(pod logPod, err error) error {
	status, ok := errors.AsType[*cluster.StatusError](err)
	switch {
	case ok && status.Code == http.StatusNotFound:
		return fmt.Errorf("pod %s: its kube-dns has no query log: it needs a newer version", pod.name)
	case ok && status.Code == http.StatusConflict:
		return fmt.Errorf("pod %s: the query log is off: switch it on with --switch-on 5m", pod.name)
	case ok && status.Code == http.StatusForbidden:
		return fmt.Errorf("pod %s: %s: kube-dns runs with --querylog-allow=none", pod.name, status.Body)
	}
	return fmt.Errorf("pod %s: %w", pod.name, err)
}

func (a *app) topQueries(ctx context.Context, client *cluster.Client, f *topFlags) (queries.Sum, error) {
	ctx, cancel := a.limited(ctx)
	defer cancel()
	pods, err := logPods(ctx, client)
	if err != nil {
		return queries.Sum{}, err
	}
	// Rows of other pods can be more frequent than the last rows of a pod.
	query := url.Values{"window": {f.window.String()}, "by": {f.by}, "limit": {strconv.Itoa(min(1000, 5*f.limit))}}
	if f.rcode != "" {
		query.Set("rcode", strings.ToUpper(f.rcode))
	}
	reports, errs := make([]queries.Report, len(pods)), make([]error, len(pods))
	var wait sync.WaitGroup
	for i, pod := range pods {
		wait.Go(func() {
			body, err := cluster.Request(ctx, http.MethodGet, "http://"+pod.addr+"/top?"+query.Encode())
			if err != nil {
				errs[i] = logError(pod, err)
				return
			}
			reports[i], errs[i] = queries.ParseReport(body)
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return queries.Sum{}, err
		}
	}
	sum := queries.Add(reports, f.limit)
	if f.clients {
		return sum, nameClients(ctx, client, sum.Lines)
	}
	return sum, nil
}

// nameClients replaces the addresses of pods by their names.
func nameClients(ctx context.Context, client *cluster.Client, lines []queries.Line) error {
	names := map[string]string{}
	for opts := (metav1.ListOptions{Limit: 500}); ; {
		list, err := client.Pods("").List(ctx, opts)
		if err != nil {
			return fmt.Errorf("--clients: %w", client.Explain(ctx, "list", "pods", "", err))
		}
		for i := range list.Items {
			pod := &list.Items[i]
			for _, ip := range pod.Status.PodIPs {
				if !pod.Spec.HostNetwork {
					names[ip.IP] = pod.Namespace + "/" + pod.Name
				}
			}
		}
		if opts.Continue = list.Continue; opts.Continue == "" {
			break
		}
	}
	for i := range lines {
		if name := names[lines[i].Key]; name != "" {
			lines[i].Key = name
		}
	}
	return nil
}

func printTop(p *report.Printer, f *topFlags, sum queries.Sum) error {
	switch {
	case p.Encodes():
		return p.Encode(struct {
			APIVersion string `json:"apiVersion"`
			By         string `json:"by"`
			queries.Sum
		}{"v1", f.by, sum})
	case p.Format == report.Name:
		for _, l := range sum.Lines {
			fmt.Fprintln(p.Out, l.Key)
		}
		return nil
	case len(sum.Lines) == 0 && !p.NoHeaders:
		fmt.Fprintf(p.Out, "no query has been counted yet in %d pods: --watch repeats\n", sum.Pods)
		return nil
	}
	columns := []string{"QUERIES", "/S", "SHARE", "NXDOMAIN", "SERVFAIL", "TYPES", strings.ToUpper(f.by)}
	if p.Format == report.Wide {
		columns = append(columns, "RCODES", "TOO HIGH BY")
	}
	var rows [][]string
	worst := 0.0
	for _, l := range sum.Lines {
		worst = max(worst, l.Error/max(1, l.Queries))
		row := []string{
			fmt.Sprintf("%.0f", l.Queries), fmt.Sprintf("%.1f", l.PerSecond), percent(l.Share),
			percent(l.ShareOf("NXDOMAIN")), percent(l.ShareOf("SERVFAIL")), l.TypeNames(), l.Key,
		}
		if p.Format == report.Wide {
			row = append(row, strings.Join(slices.Sorted(maps.Keys(l.Rcodes)), ","), fmt.Sprintf("%.0f", l.Error))
		}
		rows = append(rows, row)
	}
	if err := p.Rows(columns, rows); err != nil || p.NoHeaders {
		return err
	}
	fmt.Fprintf(p.Out, "%d pods, %.0f queries in %.0f s (%.1f/s)", sum.Pods, sum.Queries, sum.Window, sum.PerSecond)
	if worst > 0 {
		fmt.Fprintf(p.Out, "; counts are at most %s too high", percent(worst))
	}
	fmt.Fprintln(p.Out)
	return nil
}

func percent(share float64) string { return fmt.Sprintf("%.0f%%", 100*share) }
