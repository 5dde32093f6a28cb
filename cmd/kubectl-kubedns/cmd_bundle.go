package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/bundle"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/check"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/facts"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/report"
)

// logLimit limits the log of one container.
const logLimit = 10 << 20

// bundleFlags are the flags of support-bundle.
type bundleFlags struct {
	names, file string
	since       time.Duration
	check       check.Options
}

func (a *app) bundleCommand() *cobra.Command {
	f := &bundleFlags{}
	cmd := &cobra.Command{
		Use:   "support-bundle",
		Short: "Write the state of kube-dns into one archive, for a bug report",
		Long: `Write the state of kube-dns into one archive, for a bug report: the checks, the objects of
kube-dns, its status pages, metrics, names, logs and events. Its index.html has the findings,
and a link to each file.

Secrets are never read. Names of users and addresses are replaced by hashes, unless
--names=plain. Read the archive before you publish it: names without dots in logs, such as
those of nodes and pods, are as they are.

Exit codes: 0 written, 2 could not write it.`,
		Example: `  kubectl kubedns support-bundle
  kubectl kubedns support-bundle --since 2h -f /tmp/dns.tar.gz --names plain`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error { return a.runBundle(c.Context(), f) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.names, "names", "hash", "`how` names and addresses are written: hash, plain")
	fs.StringVarP(&f.file, "file", "f", "", "`file` to write (default kube-dns-TIME.tar.gz)")
	fs.DurationVar(&f.since, "since", time.Hour, "`time` to look back for logs")
	return cmd
}

func (a *app) runBundle(ctx context.Context, f *bundleFlags) (err error) {
	if f.names != "hash" && f.names != "plain" {
		return fmt.Errorf("--names: %q is neither hash nor plain", f.names)
	}
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	limited, cancel := a.limited(ctx)
	defer cancel()
	got, err := facts.Gather(limited, client, f.check)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	dir := "kube-dns-" + now.Format("20060102T150405Z")
	if f.file == "" {
		f.file = dir + ".tar.gz"
	}
	out, err := os.OpenFile(f.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("--file: %w", err)
	}
	w := bundle.NewWriter(out, dir, now, hider(f.names, got.Options.Zone))
	err = errors.Join(f.write(ctx, client, w, got), w.Close(), out.Close())
	if err != nil {
		return errors.Join(err, os.Remove(f.file))
	}
	for _, file := range w.Files() {
		fmt.Fprintf(a.out, "%9d  %s\n", file.Size, file.Name)
	}
	fmt.Fprintf(a.out, "wrote %s: read it before you publish it\n", f.file)
	return nil
}

// hider returns the Hider that --names selects, or nil for plain names.
func hider(names, zone string) *bundle.Hider {
	if names == "plain" {
		return nil
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	return bundle.NewHider(secret, zone)
}

// write writes all files of the bundle.
func (f *bundleFlags) write(ctx context.Context, client *cluster.Client, w *bundle.Writer, got *check.Facts) error {
	found := check.Run(got, nil, nil)
	results, err := json.MarshalIndent(found, "", "  ")
	if err != nil {
		return err
	}
	if err := w.Add("check.json", results); err != nil {
		return err
	}
	if err := addObjects(w, got); err != nil {
		return err
	}
	events, err := client.Events(client.Namespace).List(ctx, metav1.ListOptions{})
	if err == nil {
		for i := range events.Items {
			events.Items[i].ManagedFields = nil
		}
		err = addYAML(w, "events.yaml", events.Items)
	} else {
		err = w.Add("events.error", []byte(client.Explain(ctx, "list", "events", client.Namespace, err).Error()))
	}
	if err != nil {
		return err
	}
	for i := range got.Pods {
		if err := f.addPod(ctx, client, w, &got.Pods[i]); err != nil {
			return err
		}
	}
	var lines bytes.Buffer
	printTable(&report.Printer{Out: &lines}, found)
	return w.AddIndex(strings.Split(strings.TrimSpace(lines.String()), "\n"))
}

// addObjects adds the objects of kube-dns.
func addObjects(w *bundle.Writer, got *check.Facts) error {
	o := got.Objects
	for i := range o.Deployments {
		o.Deployments[i].ManagedFields = nil
	}
	for i := range o.Slices {
		o.Slices[i].ManagedFields = nil
	}
	for i := range o.Budgets {
		o.Budgets[i].ManagedFields = nil
	}
	objects := map[string]any{"deployments": o.Deployments, "endpointslices": o.Slices,
		"poddisruptionbudgets": o.Budgets}
	if o.Service != nil {
		o.Service.ManagedFields = nil
		objects["service"] = o.Service
	}
	if o.Config != nil {
		o.Config.ManagedFields = nil
		objects["configmap"] = o.Config
	}
	if err := addYAML(w, "objects.yaml", objects); err != nil {
		return err
	}
	return addYAML(w, "unread.yaml", got.Unread)
}

func addYAML(w *bundle.Writer, name string, v any) error {
	b, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	return w.Add(name, b)
}

// addPod adds a pod, its pages, and the logs of its containers.
func (f *bundleFlags) addPod(ctx context.Context, client *cluster.Client, w *bundle.Writer, p *check.Pod) error {
	p.Object.ManagedFields = nil
	dir := "pods/" + p.Name + "/"
	if err := addYAML(w, dir+"pod.yaml", p.Object); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.Pages)) {
		page := p.Pages[name]
		file := dir + strings.ReplaceAll(name, " ", "-")
		body := page.Body
		if page.Err != "" {
			file, body = file+".error", []byte(page.Err)
		}
		if err := w.Add(file, body); err != nil {
			return err
		}
	}
	if check.ServerOf(&p.Object.Spec) == check.KubeDNS {
		pod := cluster.Pod{Namespace: p.Object.Namespace, Name: p.Name}
		body, err := client.Get(ctx, pod, facts.PortsOf(&p.Object.Spec).Status, "/cache")
		if err == nil && w.Hide == nil {
			// The page has only labels, which hiding would not find.
			if err := w.Add(dir+"cache.json", body); err != nil {
				return err
			}
		}
	}
	return f.addLogs(ctx, client, w, p, dir)
}

// addLogs adds the logs of the containers of a pod, and those of their last run.
func (f *bundleFlags) addLogs(
	ctx context.Context, client *cluster.Client, w *bundle.Writer, p *check.Pod, dir string,
) error {
	for _, c := range p.Object.Spec.Containers {
		name := dir + c.Name + ".log"
		body, err := f.logs(ctx, client, p, c.Name, false)
		if err != nil {
			name, body = name+".error", []byte(client.Explain(ctx, "get", "pods/log", client.Namespace, err).Error())
		}
		if err := w.Add(name, body); err != nil {
			return err
		}
		body, err = f.logs(ctx, client, p, c.Name, true)
		if err != nil {
			continue // most containers have no earlier run
		}
		if err := w.Add(dir+c.Name+".previous.log", body); err != nil {
			return err
		}
	}
	return nil
}

func (f *bundleFlags) logs(
	ctx context.Context, client *cluster.Client, p *check.Pod, container string, previous bool,
) ([]byte, error) {
	since, limit := int64(max(1, f.since.Seconds())), int64(logLimit)
	opts := &corev1.PodLogOptions{Container: container, Previous: previous, SinceSeconds: &since, LimitBytes: &limit}
	stream, err := client.Logs(client.Namespace, p.Name, opts).Stream(ctx)
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(stream, logLimit))
	return b.Bytes(), err
}
