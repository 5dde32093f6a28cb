package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/report"
	"github.com/kube-dns/kube-dns/internal/cli"
)

// An app has the streams and flags common to all commands.
type app struct {
	out, err io.Writer
	conn     cluster.Flags
	output   string
	noColor  bool
	timeout  time.Duration
}

// run executes the command line args and returns the exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	a := &app{out: out, err: errOut}
	root := a.command()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	reportError(errOut, err)
	return exitCode(err)
}

// command returns the root command with its subcommands.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-kubedns",
		Short: "Check and explain the kube-dns of a cluster",
		Long: `Check and explain the kube-dns of a cluster. It changes nothing without
migrate --apply, or --switch-on of top and tail.

The connection flags of kubectl that are not listed below (kubectl options) work too.

Exit codes: 0 fine, 1 findings, 2 could not find out.`,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl kubedns"},
		Version:       cli.Version(),
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("there is no command %q: see kubectl kubedns --help", args[0])
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("kubectl-kubedns {{.Version}}\n")
	root.SetOut(a.out)
	root.SetErr(a.err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return fmt.Errorf("%w: see %s --help", err, c.CommandPath())
	})
	fs := root.PersistentFlags()
	a.conn.Bind(fs)
	fs.StringVarP(&a.output, "output", "o", "table",
		"`format` of the output: "+report.FormatNames()+" (check and top: also wide, name)")
	fs.BoolVar(&a.noColor, "no-color", false, "do not colour the output (also NO_COLOR, TERM=dumb)")
	fs.DurationVar(&a.timeout, "timeout", 30*time.Second, "`time` after which the command gives up")
	root.AddCommand(a.migrateCommand(), a.checkCommand(), a.explainCommand(), a.diffCommand(), a.topCommand(),
		a.tailCommand(), a.bundleCommand(), a.versionCommand())
	return root
}

// printer returns the printer of a command, in the format of -o: table, json, yaml, or one of
// extra.
func (a *app) printer(extra ...report.Format) (*report.Printer, error) {
	format, err := report.ParseFormat(a.output, extra...)
	if err != nil {
		return nil, fmt.Errorf("--output: %w", err)
	}
	return &report.Printer{Out: a.out, Format: format, Color: !a.noColor && report.Colored(a.out, os.Getenv)}, nil
}

// connect returns a client of the cluster selected by the flags.
func (a *app) connect() (*cluster.Client, error) { return a.conn.Connect(a.err) }

// limited returns a context with the timeout of --timeout.
func (a *app) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, a.timeout, fmt.Errorf("no reply within %s (--timeout)", a.timeout))
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of the plugin", Args: exactly(),
		RunE: func(*cobra.Command, []string) error {
			p, err := a.printer()
			if err != nil {
				return err
			}
			if p.Format != report.Table {
				return p.Encode(map[string]string{"apiVersion": "v1", "version": cli.Version()})
			}
			fmt.Fprintf(a.out, "kubectl-kubedns %s\n", cli.Version())
			return nil
		},
	}
}
