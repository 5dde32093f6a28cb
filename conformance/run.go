package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// counts are the numbers of queries by outcome.
type counts struct{ right, wrong, skipped int }

func (c *counts) add(other counts) {
	c.right += other.right
	c.wrong += other.wrong
	c.skipped += other.skipped
}

func (c counts) String() string {
	return fmt.Sprintf("%d right, %d wrong, %d skipped", c.right, c.wrong, c.skipped)
}

// errWrong is the error of a run in which some reply was wrong.
var errWrong = errors.New("some replies were wrong")

// runFiles runs the files against the server. The error is errWrong if some reply was wrong.
func runFiles(ctx context.Context, o options, files []conformance.File, stdout io.Writer) error {
	resolver, err := conformance.NewResolver(o.resolver)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	ctx, stop := context.WithCancel(ctx)
	group.Go(func() error { return resolver.Run(ctx) })
	suite := &conformance.Suite{
		Target:    newTarget(o, files, resolver.Addr()),
		Resolver:  resolver,
		Endpoints: o.endpoints,
		Features:  o.features,
		Patience:  o.patience,
		Skip: func(file conformance.File, r conformance.Result) string {
			if !matches(o, file, r) {
				return notSelected
			}
			return ""
		},
	}
	var total counts
	for _, file := range files {
		if ctx.Err() == nil {
			total.add(runFile(ctx, o, suite, file, stdout))
		}
	}
	interrupted := ctx.Err()
	stop()
	if err := group.Wait(); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "total: %s\n", total)
	if interrupted == nil && total.wrong > 0 {
		return errWrong
	}
	return interrupted
}

// notSelected is the reason to skip queries that -run excludes.
const notSelected = "not selected"

func runFile(ctx context.Context, o options, suite *conformance.Suite, file conformance.File, stdout io.Writer) counts {
	var n counts
	reason := suite.Missing(file)
	if reason == "" && o.resolver == "" && file.Resolver.HasNames() {
		reason = "needs -resolver"
	}
	if reason != "" {
		for _, step := range file.AllSteps() {
			n.skipped += len(step.Queries)
		}
		fmt.Fprintf(stdout, "%s: %s (%s)\n", file.Name, n, reason)
		return n
	}
	reasons := ""
	suite.Play(ctx, file, func(r conformance.Result) {
		switch {
		case r.Skip == notSelected:
			return
		case r.Skip != "":
			n.skipped++
			if !strings.Contains(reasons, r.Skip) {
				reasons += " (" + r.Skip + ")"
			}
		case r.Failure != "":
			n.wrong++
			fmt.Fprintf(stdout, "WRONG %s/%s\n%s\n", file.Name, r.Title(), indent(r.Failure))
		default:
			n.right++
			if o.verbose {
				fmt.Fprintf(stdout, "right %s/%s\n", file.Name, r.Title())
			}
		}
	})
	fmt.Fprintf(stdout, "%s: %s%s\n", file.Name, n, reasons)
	return n
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}
