package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/ask"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/compare"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/local"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/report"
	"github.com/kube-dns/kube-dns/internal/pause"
)

// diffFlags are the flags of diff.
type diffFlags struct {
	names, log, zone string
	types, ignore    []string
	limit, rate      int
	watch            bool
	every            time.Duration
	options          compare.Options
}

func (a *app) diffCommand() *cobra.Command {
	f := &diffFlags{}
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Query two DNS servers, and show where their replies differ",
		Long: `Send two DNS servers the same queries over TCP, and show each kind of difference with one
example, and whether clients notice.

A and B are a pod (NAME or pod/NAME), deployment/NAME or service/NAME (one of its ready
pods), or an address (192.0.2.1 or 192.0.2.1:10053), in the namespace of -n.

The questions are all names that Services and endpoints of the cluster have, those of a
file, or those of a log: of kube-dns (kubectl kubedns tail), of dnsmasq (--log-queries) or
of CoreDNS (plugin log).

Exit codes: 0 no difference, 1 differences, 2 could not find out.`,
		Example: `  kubectl kubedns diff deployment/coredns deployment/kube-dns-shadow   # before a switch
  kubectl kubedns diff kube-dns-6f7c-x2x9k kube-dns-6f7c-9zk4p
  kubectl kubedns diff 192.0.2.10 192.0.2.11:10053 --names names.txt --types A,AAAA
  kubectl kubedns diff deployment/coredns deployment/kube-dns --from-log queries.log --watch`,
		Args: exactly("A", "B"),
		RunE: func(c *cobra.Command, args []string) error { return a.runDiff(c.Context(), f, c.InOrStdin(), args) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.names, "names", "", "query the names in this `file` (- is stdin): NAME or NAME TYPE on each line")
	fs.StringVar(&f.log, "from-log", "", "query the names in this query log `file` (- is stdin)")
	fs.StringSliceVar(&f.types, "types", nil, "query only these `types` (default: A for --names, else all)")
	fs.StringSliceVar(&f.ignore, "ignore", []string{"ttl", "aa"},
		"do not compare `these`: ttl, aa, none. The order of records is never compared")
	fs.IntVar(&f.limit, "limit", 2000, "`number` of questions, spread evenly over all")
	fs.IntVar(&f.rate, "rate", 50, "`queries` per second to each server")
	fs.BoolVar(&f.watch, "watch", false, "repeat until Ctrl-C, and print each difference when it appears or disappears")
	fs.DurationVar(&f.every, "every", 10*time.Second, "`time` between two rounds of --watch")
	fs.StringVar(&f.zone, "zone", "", "`zone` of the cluster (default: the one of the pods, else cluster.local)")
	cmd.MarkFlagsMutuallyExclusive("names", "from-log")
	return cmd
}

// check returns an error for flags without effect.
func (f *diffFlags) check() error {
	switch {
	case f.rate < 1 || f.rate > 10000:
		return fmt.Errorf("--rate: %d is out of range: write 1 to 10000", f.rate)
	case f.limit < 1:
		return fmt.Errorf("--limit: %d is out of range: write 1 or more", f.limit)
	case f.every <= 0:
		return fmt.Errorf("--every: %s is out of range: write a time such as 10s", f.every)
	}
	for i, t := range f.types {
		f.types[i] = strings.ToUpper(t)
		if _, err := compare.NewQuestion("example.com", t); err != nil {
			return fmt.Errorf("--types: %w", err)
		}
	}
	for _, what := range f.ignore {
		switch what {
		case "ttl":
			f.options.TTL = true
		case "aa":
			f.options.AA = true
		case "order", "none":
		default:
			return fmt.Errorf("--ignore: %q is not compared: write ttl, aa or none", what)
		}
	}
	return nil
}

func (a *app) runDiff(ctx context.Context, f *diffFlags, stdin io.Reader, args []string) error {
	p, err := a.printer()
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	if f.watch && p.Format != report.Table {
		return fmt.Errorf("--watch prints lines: leave out --output %s", p.Format)
	}
	var client *cluster.Client
	if needsCluster(f, args) {
		if client, err = a.connect(); err != nil {
			return err
		}
		defer client.Close()
	}
	sides, err := a.openSides(ctx, client, args)
	if err != nil {
		return err
	}
	questions, err := a.questions(ctx, client, f, stdin)
	if err != nil {
		return err
	}
	if f.watch {
		return f.watchSides(ctx, a.out, sides, questions)
	}
	start := time.Now()
	found, err := f.round(ctx, sides, questions)
	if err != nil {
		return err
	}
	return printDifferences(p, f, found, len(questions), time.Since(start))
}

// needsCluster reports whether the command reads the cluster.
func needsCluster(f *diffFlags, args []string) bool {
	if f.names == "" && f.log == "" {
		return true
	}
	return slices.ContainsFunc(args, func(arg string) bool { _, ok := address(arg); return !ok })
}

// address returns an address with a port, 53 if there is none.
func address(s string) (string, bool) {
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return netip.AddrPortFrom(a, 53).String(), true
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.String(), true
	}
	return "", false
}

// openSides returns the two servers.
func (a *app) openSides(ctx context.Context, client *cluster.Client, args []string) ([2]*ask.Server, error) {
	ctx, cancel := a.limited(ctx)
	defer cancel()
	var sides [2]*ask.Server
	for i, arg := range args {
		addr, ok := address(arg)
		if !ok {
			var err error
			if addr, err = openTarget(ctx, client, arg); err != nil {
				return sides, fmt.Errorf("%s: %w", arg, err)
			}
		}
		sides[i] = &ask.Server{Addr: addr}
	}
	return sides, nil
}

// questions returns the questions to compare.
func (a *app) questions(
	ctx context.Context, client *cluster.Client, f *diffFlags, stdin io.Reader,
) ([]compare.Question, error) {
	ctx, cancel := a.limited(ctx)
	defer cancel()
	var all []compare.Question
	var err error
	switch {
	case f.names != "":
		types := f.types
		if len(types) == 0 {
			types = []string{"A"}
		}
		all, err = readFile(f.names, stdin, func(r io.Reader) ([]compare.Question, error) {
			return compare.ReadNames(r, types)
		})
	case f.log != "":
		all, err = readFile(f.log, stdin, compare.ReadLog)
	default:
		services, slices, lerr := local.Objects(ctx, client)
		if lerr != nil {
			return nil, lerr
		}
		all = compare.OfObjects(services, slices, zoneOf(ctx, client, f.zone))
	}
	if err != nil {
		return nil, err
	}
	if len(f.types) > 0 {
		all = compare.Only(all, f.types)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("--types: no name has one of these types: add a type")
	}
	return compare.Sample(all, f.limit), nil
}

func readFile(
	path string, stdin io.Reader, read func(io.Reader) ([]compare.Question, error),
) ([]compare.Question, error) {
	if path == "-" {
		return read(stdin)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	all, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return all, nil
}

// round sends all questions to both servers. It fails if a server replies to none.
func (f *diffFlags) round(
	ctx context.Context, sides [2]*ask.Server, questions []compare.Question,
) ([]compare.Difference, error) {
	defer sides[0].Close()
	defer sides[1].Close()
	pace := time.NewTicker(time.Second / time.Duration(f.rate))
	defer pace.Stop()
	var found []compare.Difference
	var replied [2]bool
	for _, q := range questions {
		left, right := askBoth(ctx, sides, q)
		if ctx.Err() != nil {
			return nil, context.Canceled
		}
		for i, r := range []ask.Reply{left, right} {
			if r.Err != "" && !replied[i] {
				return nil, fmt.Errorf("%s does not reply over TCP: %s", sides[i].Addr, r.Err)
			}
			replied[i] = true
		}
		if d, ok := compare.Compare(q, left, right, f.options); ok {
			found = append(found, d)
		}
		select {
		case <-pace.C:
		case <-ctx.Done():
			return nil, context.Canceled
		}
	}
	return found, nil
}

// askBoth queries both servers at the same time, so that zone changes matter less.
func askBoth(ctx context.Context, sides [2]*ask.Server, q compare.Question) (left, right ask.Reply) {
	done := make(chan ask.Reply, 1)
	go func() { done <- sides[1].Ask(ctx, q.Name, q.Type) }()
	left = sides[0].Ask(ctx, q.Name, q.Type)
	return left, <-done
}

// watchSides compares in a loop and prints changes, until Ctrl-C.
func (f *diffFlags) watchSides(
	ctx context.Context, out io.Writer, sides [2]*ask.Server, questions []compare.Question,
) error {
	old := map[compare.Question]bool{}
	for first := true; ; first = false {
		found, err := f.round(ctx, sides, questions)
		if ctx.Err() != nil {
			return nil
		}
		now := time.Now().UTC().Format(time.TimeOnly)
		if err != nil {
			fmt.Fprintf(out, "%s %v\n", now, err)
		} else {
			old = printChanges(out, now, old, found)
		}
		if first && err == nil {
			fmt.Fprintf(out, "%s %d same, %d different of %d\n", now, len(questions)-len(found), len(found),
				len(questions))
		}
		if !pause.For(ctx, f.every) {
			return nil
		}
	}
}
