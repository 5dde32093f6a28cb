package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/check"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/facts"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/report"
	"github.com/kube-dns/kube-dns/internal/pause"
)

// checkFlags are the flags of check.
type checkFlags struct {
	only, skip, files []string
	failOn            string
	wait              time.Duration
	noHeaders         bool
	opts              check.Options
}

// waitPause is the time between two rounds of --wait.
const waitPause = 3 * time.Second

func (a *app) checkCommand() *cobra.Command {
	f := &checkFlags{}
	var about strings.Builder
	for _, c := range check.Codes() {
		fmt.Fprintf(&about, "\n  %s  %s", c[0], c[1])
	}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Find what is wrong with kube-dns, and how to fix it",
		Long: `Find what is wrong with kube-dns, and how to fix it.

Exit codes: 0 fine, 1 findings of --fail-on or worse, 2 could not find out.

Checks:` + about.String(),
		Example: `  kubectl kubedns check
  kubectl kubedns check --outside example.com --fail-on warning
  kubectl kubedns check --wait 5m                        # after a roll-out
  kubectl kubedns check --only KD204 -o json
  kubectl kubedns check -o name                          # codes of the checks with findings
  kubectl kustomize ./dns | kubectl kubedns check -f -   # before a roll-out, without a cluster`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error { return a.runCheck(c.Context(), f, c.InOrStdin()) },
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&f.only, "only", nil, "run only these checks, by `code`")
	fs.StringSliceVar(&f.skip, "skip", nil, "leave out these checks, by `code`")
	fs.StringArrayVarP(&f.files, "filename", "f", nil,
		"check manifests in this `file` or directory, or stdin (-), without a cluster")
	fs.StringVar(&f.failOn, "fail-on", string(check.Error), "`level` that makes the exit code 1: info, warning, error")
	fs.BoolVar(&f.noHeaders, "no-headers", false, "leave out the headings and the sum")
	fs.DurationVar(&f.wait, "wait", 0, "repeat for this `time` until there are no findings")
	fs.StringVar(&f.opts.Outside, "outside", "", "also resolve this `name` at each pod")
	fs.StringVar(&f.opts.Zone, "zone", "", "`zone` of the cluster (default: the one of the pods)")
	return cmd
}

func (a *app) runCheck(ctx context.Context, f *checkFlags, stdin io.Reader) error {
	p, err := a.printer(report.Wide, report.Name)
	if err != nil {
		return err
	}
	p.NoHeaders = f.noHeaders
	failOn, err := check.ParseLevel(f.failOn)
	if err != nil {
		return fmt.Errorf("--fail-on: %w", err)
	}
	if err := errors.Join(check.Known(f.only), check.Known(f.skip)); err != nil {
		return err
	}
	if len(f.files) > 0 {
		got, err := facts.FromFiles(f.files, stdin, a.conn.Namespace(), f.opts)
		if err != nil {
			return err
		}
		if !p.Encodes() && p.Format != report.Name && !f.noHeaders {
			fmt.Fprintf(p.Out, "Files\n  %s\n", strings.Join(got.Files, "\n  "))
		}
		return printResults(p, check.Run(got, f.only, f.skip), failOn)
	}
	end := time.Now().Add(f.wait)
	for {
		results, err := a.checkOnce(ctx, f)
		bad := err != nil || check.Worst(results).AtLeast(failOn)
		if !bad || ctx.Err() != nil || !time.Now().Add(waitPause).Before(end) {
			if err != nil {
				return err
			}
			return printResults(p, results, failOn)
		}
		if !pause.For(ctx, waitPause) {
			return ctx.Err()
		}
	}
}

// checkOnce checks the cluster once.
func (a *app) checkOnce(ctx context.Context, f *checkFlags) ([]check.Result, error) {
	ctx, cancel := a.limited(ctx)
	defer cancel()
	client, err := a.connect()
	if err != nil {
		return nil, err
	}
	defer client.Close()
	got, err := facts.Gather(ctx, client, f.opts)
	if err != nil {
		return nil, err
	}
	return check.Run(got, f.only, f.skip), nil
}

// tones are the words and colours of the levels.
var tones = map[check.Level]struct {
	word string
	tone report.Tone
}{
	check.OK: {"ok  ", report.Good}, check.Info: {"info", report.Plain},
	check.Warning: {"warn", report.Warn}, check.Error: {"fail", report.Bad},
}

// printResults prints the results and returns errFindings if any is of level failOn or worse.
func printResults(p *report.Printer, results []check.Result, failOn check.Level) error {
	bad := check.Worst(results).AtLeast(failOn)
	switch {
	case p.Encodes():
		if err := p.Encode(struct {
			APIVersion string         `json:"apiVersion"`
			Success    bool           `json:"success"`
			Checks     []check.Result `json:"checks"`
		}{"v1", !bad, results}); err != nil {
			return err
		}
	case p.Format == report.Name:
		printCodes(p, results)
	default:
		printTable(p, results)
	}
	if bad {
		return errFindings
	}
	return nil
}

// printCodes prints the codes of the checks with findings.
func printCodes(p *report.Printer, results []check.Result) {
	for _, r := range results {
		if len(r.Findings) > 0 {
			fmt.Fprintln(p.Out, r.Code)
		}
	}
}

// titles returns the subject of each check.
func titles() map[string]string {
	titles := map[string]string{}
	for _, c := range check.Codes() {
		titles[c[0]] = c[1]
	}
	return titles
}

func printTable(p *report.Printer, results []check.Result) {
	about := titles()
	const indent = "               "
	counts := map[check.Level]int{}
	skipped := map[string][]string{} // reason → codes
	group := ""
	for _, r := range results {
		counts[r.Level]++
		if r.Level == check.Skipped {
			skipped[r.Text] = append(skipped[r.Text], r.Code)
			continue
		}
		if r.Group != group && !p.NoHeaders {
			group = r.Group
			fmt.Fprintln(p.Out, group)
		}
		if len(r.Findings) == 0 {
			fmt.Fprintf(p.Out, "  %s  %s  %s\n", p.Paint(report.Good, tones[check.OK].word), r.Code, r.Text)
		}
		for _, f := range r.Findings {
			t := tones[f.Level]
			text := f.Text
			if f.Object != "" {
				text = f.Object + ": " + text
			}
			fmt.Fprintf(p.Out, "  %s  %s  %s\n", p.Paint(t.tone, t.word), r.Code, text)
			if f.Fix != "" {
				fmt.Fprintf(p.Out, "%s%s\n", indent, f.Fix)
			}
		}
		if p.Format == report.Wide {
			fmt.Fprintf(p.Out, "%schecked: %s\n", indent, about[r.Code])
		}
	}
	printSkipped(p, skipped)
	if p.NoHeaders {
		return
	}
	fmt.Fprintf(p.Out, "ok: %d, warnings: %d, errors: %d, skipped: %d\n",
		counts[check.OK]+counts[check.Info], counts[check.Warning], counts[check.Error], counts[check.Skipped])
}

// printSkipped prints the skipped checks, by reason.
func printSkipped(p *report.Printer, skipped map[string][]string) {
	if len(skipped) > 0 && !p.NoHeaders {
		fmt.Fprintln(p.Out, "Skipped")
	}
	for _, why := range slices.SortedFunc(maps.Keys(skipped), func(a, b string) int {
		return strings.Compare(skipped[a][0], skipped[b][0])
	}) {
		fmt.Fprintf(p.Out, "  %s: %s\n", strings.Join(skipped[why], ", "), why)
	}
}
