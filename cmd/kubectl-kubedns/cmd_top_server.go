package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/report"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/servers"
)

// byServer counts the queries to each upstream. Status pages have these metrics; the query log does
// not.
const byServer = "server"

// checkByServer refuses flags of the query log.
func (f *topFlags) checkByServer() error {
	switch {
	case f.rcode != "":
		return errors.New("--rcode counts queries of clients: leave it out with --by server")
	case f.switchOn != 0:
		return errors.New("--by server needs no query log: leave --switch-on out")
	}
	return nil
}

// A serverPage is a status page with metrics of upstreams.
type serverPage struct {
	pod     cluster.Pod
	port    int
	program string // kube-dns or dnsmasq
}

// serverPages returns the pages to read: kube-dns has its own metrics, and the sidecar has those of
// dnsmasq.
func serverPages(pods []dnsPod) (pages []serverPage) {
	for _, pod := range pods {
		if pod.ports.Status != 0 {
			pages = append(pages, serverPage{pod.Pod, pod.ports.Status, servers.KubeDNS})
		}
		if pod.ports.Sidecar != 0 {
			pages = append(pages, serverPage{pod.Pod, pod.ports.Sidecar, servers.Dnsmasq})
		}
	}
	return pages
}

// topServers adds up the metrics of all pods.
func (a *app) topServers(ctx context.Context, client *cluster.Client, f *topFlags) (servers.Sum, error) {
	ctx, cancel := a.limited(ctx)
	defer cancel()
	pods, err := dnsPods(ctx, client)
	if err != nil {
		return servers.Sum{}, err
	}
	pages := serverPages(pods)
	sums, errs := make([]servers.Sum, len(pages)), make([]error, len(pages))
	var wait sync.WaitGroup
	for i, page := range pages {
		wait.Go(func() {
			body, err := client.Get(ctx, page.pod, page.port, "/?format=json")
			if err == nil {
				sums[i], err = servers.Parse(body, page.program, f.window)
			}
			if err != nil {
				errs[i] = fmt.Errorf("pod %s, port %d, servers of %s: %w", page.pod.Name, page.port, page.program, err)
			}
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return servers.Sum{}, err
	}
	return servers.Add(len(pods), sums, f.limit), nil
}

func printServers(p *report.Printer, sum servers.Sum) error {
	switch {
	case p.Encodes():
		return p.Encode(struct {
			APIVersion string `json:"apiVersion"`
			By         string `json:"by"`
			servers.Sum
		}{"v1", byServer, sum})
	case p.Format == report.Name:
		for _, l := range sum.Lines {
			fmt.Fprintln(p.Out, l.Server)
		}
		return nil
	case len(sum.Lines) == 0 && !p.NoHeaders:
		fmt.Fprintf(p.Out, "no server was queried lately by %d pods: --watch repeats\n", sum.Pods)
		return nil
	}
	var rows [][]string
	for _, l := range sum.Lines {
		latency := "-"
		if l.Latency > 0 {
			latency = time.Duration(l.Latency * float64(time.Second)).Round(10 * time.Microsecond).String()
		}
		rows = append(rows, []string{
			fmt.Sprintf("%.0f", l.Queries), fmt.Sprintf("%.1f", l.PerSecond), fmt.Sprintf("%.0f", l.Failures),
			percent(l.Failed), latency, l.By, l.Server,
		})
	}
	columns := []string{"QUERIES", "/S", "FAILURES", "FAILED", "LATENCY", "BY", "SERVER"}
	if err := p.Rows(columns, rows); err != nil || p.NoHeaders {
		return err
	}
	fmt.Fprintf(p.Out, "%d pods, %.0f s\n", sum.Pods, sum.Window)
	return nil
}
