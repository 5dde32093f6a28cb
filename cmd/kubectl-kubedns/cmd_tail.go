package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/queries"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/report"
)

// tailFlags are the flags of tail.
type tailFlags struct {
	rcode, qtype, name, client, slower string
	length, switchOn                   time.Duration
	rate                               int
}

func (a *app) tailCommand() *cobra.Command {
	f := &tailFlags{}
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Show queries as they arrive at the kube-dns pods",
		Long: `Show queries as they arrive at the kube-dns pods, until --for has passed, or Ctrl-C.

The query log sends them. It is off by default: --switch-on switches it on in all pods for a
time (docs/querylog.md). Names and clients are personal data. dnsmasq's cache answers most
queries before they reach kube-dns; those are not shown. With -o json each line is one JSON
object, which "kubectl kubedns diff --from-log" reads.

Exit codes: 0 shown, 2 could not find out.`,
		Example: `  kubectl kubedns tail --switch-on 1m --for 1m
  kubectl kubedns tail --rcode SERVFAIL,NXDOMAIN --name example.com
  kubectl kubedns tail --for 10m -o json > queries.log`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error { return a.runTail(c.Context(), f) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.rcode, "rcode", "", "only these response `codes`, such as SERVFAIL,NXDOMAIN")
	fs.StringVar(&f.qtype, "type", "", "only these `types`, such as A,AAAA")
	fs.StringVar(&f.name, "name", "", "only this `name` and all below it")
	fs.StringVar(&f.client, "client", "", "only this client: an `address` or network")
	fs.StringVar(&f.slower, "slower", "", "only queries that took longer than this `time`, such as 100ms")
	fs.DurationVar(&f.length, "for", 30*time.Second, "`time` to show, at most 15m")
	fs.DurationVar(&f.switchOn, "switch-on", 0, "first switch the query log on, for this `time` (at most 15m)")
	fs.IntVar(&f.rate, "rate", 100, "`lines` per second from each pod, at most 1000")
	return cmd
}

// path returns the path of the request.
func (f *tailFlags) path() string {
	query := url.Values{"seconds": {strconv.Itoa(max(1, int(f.length.Seconds())))}, "rate": {strconv.Itoa(f.rate)}}
	for key, value := range map[string]string{
		"rcode": f.rcode, "type": f.qtype, "name": f.name, "client": f.client, "slower": f.slower,
	} {
		if value != "" {
			query.Set(key, value)
		}
	}
	return "/querylog?" + query.Encode()
}

func (a *app) runTail(ctx context.Context, f *tailFlags) error {
	p, err := a.printer()
	if err != nil {
		return err
	}
	switch {
	case p.Format == report.YAML:
		return errors.New("--output: tail writes table or json")
	case f.length < time.Second || f.length > 15*time.Minute:
		return fmt.Errorf("--for: %s is out of range: write 1s to 15m", f.length)
	case f.rate < 1 || f.rate > 1000:
		return fmt.Errorf("--rate: %d is out of range: write 1 to 1000", f.rate)
	}
	if err := checkSwitchOn(f.switchOn); err != nil {
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
	opening, cancel := a.limited(ctx)
	defer cancel()
	pods, err := logPods(opening, client)
	if err != nil {
		return err
	}
	return follow(ctx, p, pods, f.path())
}

// follow prints the lines of all pods until their streams end.
func follow(ctx context.Context, p *report.Printer, pods []logPod, path string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex // guards the output
	errs := make(chan error, len(pods))
	for _, pod := range pods {
		go func() { errs <- followPod(ctx, p, &mu, pod, path) }()
	}
	var first error
	for range pods {
		if err := <-errs; err != nil && first == nil {
			first = err
			cancel() // without the log of one pod the output is incomplete
		}
	}
	if errors.Is(first, context.Canceled) {
		return nil // Ctrl-C is the usual exit
	}
	return first
}

func followPod(ctx context.Context, p *report.Printer, mu *sync.Mutex, pod logPod, path string) error {
	body, err := cluster.Stream(ctx, "http://"+pod.addr+path)
	if err != nil {
		if ctx.Err() != nil {
			return context.Canceled
		}
		return logError(pod, err)
	}
	defer body.Close()
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		mu.Lock()
		err := printEntry(p, pod, lines.Bytes())
		mu.Unlock()
		if err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Canceled
	}
	return lines.Err()
}

func printEntry(p *report.Printer, pod logPod, line []byte) error {
	if p.Format == report.JSON {
		_, err := fmt.Fprintf(p.Out, "%s\n", line)
		return err
	}
	e, err := queries.ParseEntry(line)
	if err != nil {
		return fmt.Errorf("pod %s: its query log has a line that is not JSON: %w", pod.name, err)
	}
	tone := report.Good
	switch e.Rcode {
	case "NOERROR":
	case "NXDOMAIN":
		tone = report.Warn
	default:
		tone = report.Bad
	}
	_, err = fmt.Fprintf(p.Out, "%s %-15s %-3s %s %-5s %s %.1fms %s\n", e.Time.UTC().Format("15:04:05.000"),
		e.Client, e.Proto, p.Paint(tone, fmt.Sprintf("%-8s", e.Rcode)), e.Type, e.Name, e.Seconds*1000, e.Path)
	return err
}
