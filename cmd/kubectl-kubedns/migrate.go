package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/manifests"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/migrate"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/move"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/report"
	"github.com/kube-dns/kube-dns/internal/cli"
)

// A migration is one run of the command migrate.
type migration struct {
	app       *app
	opts      migrate.Options
	files     []string
	dir       string
	report    bool
	apply     bool
	status    bool
	noCompare bool
	wait      time.Duration
	drain     time.Duration
	namespace string
}

func (a *app) migrateCommand() *cobra.Command {
	m := &migration{app: a}
	c := &cobra.Command{
		Use:   "migrate --to kube-dns|coredns",
		Short: "Plan and make the move from CoreDNS or another kube-dns, or back",
		Long: `Read the DNS server that runs, translate its configuration, and write the manifests of the other
one with the same address, zone, number of pods, resources and tolerations. A kube-dns with other
images, such as upstream's, keeps all of that: only its images change.

A setting that has no equivalent is refused with its line and a code. --accept CODE leaves it out.
Nothing in the cluster changes without --apply. With --apply the move is made in steps: the new pods
start next to the old ones and get no queries, their replies are compared, then the Service's selector
changes. A move that stops before that is rolled back; the same command continues one that stops later.

Exit codes: 0 fine, 1 a setting was refused, 2 error.`,
		Example: `  # Show what would change
  kubectl kubedns migrate --to kube-dns --report

  # Write a kustomization and Helm values
  kubectl kubedns migrate --to kube-dns --registry registry.example/dns --out ./dns

  # Move, see how far the move is, and move back
  kubectl kubedns migrate --to kube-dns --registry registry.example/dns --apply
  kubectl kubedns migrate --status
  kubectl kubedns migrate --to coredns --apply

  # Without a cluster
  kubectl kubedns migrate --to kube-dns -f coredns.yaml --out ./dns`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error {
			m.namespace = c.Flag("namespace").Value.String()
			return m.run(c.Context(), c.InOrStdin())
		},
	}
	fs := c.Flags()
	fs.StringVar(&m.opts.To, "to", "", "the `server` to move to: kube-dns or coredns")
	fs.StringArrayVarP(&m.files, "filename", "f", nil,
		"read manifests from this `file` or directory, or stdin (-), instead of a cluster")
	fs.StringVar(&m.dir, "out", "", "write the manifests into this new `folder`")
	fs.StringSliceVar(&m.opts.Accept, "accept", nil, "leave out refused settings of these `codes`, such as MG41")
	fs.BoolVar(&m.report, "report", false, "list all settings, and the differences for clients")
	fs.BoolVar(&m.status, "status", false, "show the progress of a move")
	fs.BoolVar(&m.apply, "apply", false, "make the move, step by step")
	fs.StringVar(&m.opts.Registry, "registry", "", "`registry` of the images of kube-dns, such as registry.example/dns")
	fs.StringVar(&m.opts.Tag, "tag", cli.Version(), "`tag` of the images of kube-dns")
	fs.StringVar(&m.opts.Image, "image", "",
		"`image` of CoreDNS (default that of its Deployment, else "+migrate.DefaultCoreDNSImage+")")
	fs.DurationVar(&m.wait, "wait", 5*time.Minute, "`time` that one step of --apply may take")
	fs.DurationVar(&m.drain, "drain", 30*time.Second, "`time` from the switch to the end of the old pods")
	fs.BoolVar(&m.noCompare, "no-compare", false, "do not compare the replies of both servers before the switch")
	_ = c.RegisterFlagCompletionFunc("to", cobra.FixedCompletions([]string{migrate.KubeDNS, migrate.CoreDNS},
		cobra.ShellCompDirectiveNoFileComp))
	return c
}

// check refuses flags that exclude each other.
func (m *migration) check() error {
	switch {
	case m.status && len(m.files) > 0:
		return errors.New("--status needs a cluster: leave -f out")
	case m.status && m.apply:
		return errors.New("--status and --apply: write one of them")
	case m.status:
		return nil
	case m.opts.To == "":
		return errors.New("--to is missing: write --to kube-dns or --to coredns")
	case m.opts.To != migrate.KubeDNS && m.opts.To != migrate.CoreDNS:
		return fmt.Errorf("--to %q: write kube-dns or coredns", m.opts.To)
	case m.apply && len(m.files) > 0:
		return errors.New("--apply needs a cluster: leave -f out, or write the manifests with --out")
	case m.apply && m.dir != "":
		return errors.New("--apply and --out: write one of them")
	}
	return nil
}

func (m *migration) run(ctx context.Context, in io.Reader) error {
	if err := m.check(); err != nil {
		return err
	}
	p, err := m.app.printer()
	if err != nil {
		return err
	}
	if len(m.files) > 0 {
		inv := migrate.Inventory{Namespace: m.namespace}
		if _, err := manifests.Read(m.files, in, inv.Add); err != nil {
			return err
		}
		_, err = m.plan(p, inv)
		return err
	}
	c, err := m.app.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	m.namespace = c.Namespace
	reading, cancel := context.WithTimeout(ctx, m.app.timeout)
	defer cancel()
	inv, err := readCluster(reading, c)
	if err != nil {
		return err
	}
	if m.status {
		return move.Status(reading, c, inv, m.app.out)
	}
	if m.opts.Old, err = isOld(reading, c); err != nil {
		return err
	}
	plan, err := m.plan(p, inv)
	if err != nil || !m.apply {
		return err
	}
	fmt.Fprintln(m.app.err)
	err = move.Run(ctx, c, plan, move.Options{Wait: m.wait, Drain: m.drain, Compare: !m.noCompare, Out: m.app.err})
	if err != nil {
		return err
	}
	fmt.Fprintf(m.app.err, "\nThe way back: %s\n", strings.Join(plan.WayBack(), "\n"))
	return nil
}

// plan makes and prints a plan, and writes it. The error is errFindings if a setting is
// refused.
func (m *migration) plan(p *report.Printer, inv migrate.Inventory) (migrate.Plan, error) {
	plan, err := migrate.Make(inv, m.opts)
	if err != nil {
		return plan, err
	}
	if p.Format != report.Table {
		err = p.Encode(plan.Summary())
	} else {
		err = plan.Print(m.app.out, m.report)
	}
	if err != nil {
		return plan, err
	}
	if left := plan.Unaccepted(m.opts.Accept); len(left) > 0 && !plan.Reuses() {
		codes := map[string]bool{}
		for _, f := range left {
			codes[f.Code] = true
		}
		fmt.Fprintf(m.app.err, "\n%d settings are refused: nothing was written. Change them, or leave them out with "+
			"--accept %s (docs/move.md)\n", len(left), strings.Join(slices.Sorted(maps.Keys(codes)), ","))
		return plan, errFindings
	}
	if (m.apply || m.dir != "") && plan.NoRegistry {
		return plan, errors.New("--registry is missing: write where the images of kube-dns are, such as --registry " +
			"registry.example/dns")
	}
	if m.dir == "" {
		return plan, nil
	}
	return plan, m.write(plan)
}

// write writes the files of a plan into a new or empty folder.
func (m *migration) write(plan migrate.Plan) error {
	if entries, err := os.ReadDir(m.dir); err == nil && len(entries) > 0 {
		return fmt.Errorf("--out %s: the folder is not empty; name a new one", m.dir)
	}
	files, err := plan.Files()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(m.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
		if err := os.WriteFile(path, files[name], 0o600); err != nil {
			return fmt.Errorf("--out: %w", err)
		}
	}
	fmt.Fprintf(m.app.err, "\nwrote %d files into %s\nthe difference: kubectl diff -k %s\nthe way back:   %s\n",
		len(files), m.dir, m.dir, strings.Join(plan.WayBack(), "\n"))
	return nil
}

// readCluster reads the objects of the namespace.
func readCluster(ctx context.Context, c *cluster.Client) (migrate.Inventory, error) {
	inv := migrate.Inventory{Namespace: c.Namespace}
	deployments, err := c.Deployments(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return inv, c.Explain(ctx, "list", "deployments.apps", c.Namespace, err)
	}
	services, err := c.Services(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return inv, c.Explain(ctx, "list", "services", c.Namespace, err)
	}
	configMaps, err := c.ConfigMaps(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return inv, c.Explain(ctx, "list", "configmaps", c.Namespace, err)
	}
	inv.Deployments, inv.Services, inv.ConfigMaps = deployments.Items, services.Items, configMaps.Items
	return inv, nil
}

// isOld reports whether the API server is older than 1.22.
func isOld(ctx context.Context, c *cluster.Client) (bool, error) {
	major, minor, err := c.Version(ctx)
	return major == 1 && minor < 22, err
}
