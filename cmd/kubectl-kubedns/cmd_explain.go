package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/ask"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/facts"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/local"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/report"
	"github.com/kube-dns/kube-dns/internal/explain"
)

// explainFlags are the flags of explain.
type explainFlags struct {
	question            explain.Question
	from, zone          string
	local, ask, allPods bool
}

// A walk is the path of one look-up, as one server explains it.
type walk struct {
	Pod     string `json:"pod"` // empty: from the objects only
	Summary string `json:"summary"`
	Steps   []step `json:"steps"`
}

type step struct {
	Name   string `json:"name"`
	Result string `json:"result"`
	Answer string `json:"answer,omitempty"`
	Object string `json:"object,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// asksOutside is the result of a step outside the cluster.
const asksOutside = "asked outside"

func (a *app) explainCommand() *cobra.Command {
	f := &explainFlags{}
	cmd := &cobra.Command{
		Use:   "explain NAME",
		Short: "Show what a pod gets for a name, and why",
		Long: `Show what a pod gets for a name or an address, and why: each query of the search list, its
reply, and the object or the server that the reply comes from.

A kube-dns pod explains it. With --local the plugin does, from the Services, EndpointSlices
and the ConfigMap of the cluster.

Exit codes: 0 some query has an answer or goes outside, 1 none has, 2 could not find out.`,
		Example: `  kubectl kubedns explain shop.prod
  kubectl kubedns explain shop --from dev/web-0       # as that pod queries
  kubectl kubedns explain shop --in dev -t SRV
  kubectl kubedns explain shop.prod --resolver musl
  kubectl kubedns explain www.example.com --ask       # also send the query outside
  kubectl kubedns explain shop.prod --all-pods        # where do pods differ?
  kubectl kubedns explain 10.96.0.10 --local`,
		Args: exactly("NAME"),
		RunE: func(c *cobra.Command, args []string) error { return a.runExplain(c.Context(), f, args[0]) },
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.question.Type, "type", "t", "A", "`type` of the records: "+strings.Join(explain.Types(), ", "))
	fs.StringVar(&f.from, "from", "", "the `pod` that queries: NAMESPACE/NAME")
	fs.StringVar(&f.question.Namespace, "in", "default", "the `namespace` of the pod that queries")
	fs.StringVar(&f.question.Resolver, "resolver", "glibc",
		"`library` that asks: "+strings.Join(explain.Resolvers(), ", "))
	fs.StringVar(&f.question.Ndots, "ndots", "5", "`number` of the option ndots")
	fs.StringVar(&f.question.Search, "search", "", "search `domains` of the node, after those of the cluster")
	fs.BoolVar(&f.local, "local", false, "explain from the objects of the cluster, without a kube-dns pod")
	fs.BoolVar(&f.ask, "ask", false, "also query a kube-dns pod for names outside the cluster")
	fs.BoolVar(&f.allPods, "all-pods", false, "get explanations from all kube-dns pods, and show where they differ")
	fs.StringVar(&f.zone, "zone", "", "`zone` of the cluster (default: the one of the pods, else cluster.local)")
	cmd.MarkFlagsMutuallyExclusive("from", "in")
	cmd.MarkFlagsMutuallyExclusive("local", "all-pods")
	return cmd
}

// exactly returns a check for exactly the named arguments, which its error lists.
func exactly(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		if len(names) == 0 {
			return fmt.Errorf("%s takes no arguments, and got %q: see %s --help", c.CommandPath(), args[0],
				c.CommandPath())
		}
		return fmt.Errorf("%s takes %s: see %s --help", c.CommandPath(), strings.Join(names, " and "), c.CommandPath())
	}
}

func (a *app) runExplain(ctx context.Context, f *explainFlags, name string) error {
	p, err := a.printer()
	if err != nil {
		return err
	}
	if !slices.Contains(explain.Types(), strings.ToUpper(f.question.Type)) {
		return fmt.Errorf("--type: %q cannot be explained: use %s", f.question.Type,
			strings.Join(explain.Types(), ", "))
	}
	ctx, cancel := a.limited(ctx)
	defer cancel()
	client, err := a.connect()
	if err != nil {
		return err
	}
	defer client.Close()
	if err := f.checkAsker(ctx, client); err != nil {
		return err
	}
	walks, err := f.walks(ctx, client, name)
	if err != nil {
		return err
	}
	return printWalks(p, f, name, walks)
}

// checkAsker verifies that the querying pod and its namespace exist, and use cluster DNS.
func (f *explainFlags) checkAsker(ctx context.Context, client *cluster.Client) error {
	if f.from == "" {
		_, err := client.Namespaces().Get(ctx, f.question.Namespace, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("--in: the cluster at %s has no namespace %s", client.Host(), f.question.Namespace)
		}
		return nil // without permission to read it, its name is enough
	}
	namespace, name, ok := strings.Cut(f.from, "/")
	if !ok {
		return fmt.Errorf("--from: %q is not a pod: write NAMESPACE/NAME", f.from)
	}
	pod, err := client.Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("--from: there is no pod %s in namespace %s", name, namespace)
	}
	if err != nil {
		return client.Explain(ctx, "get", "pods", namespace, err)
	}
	f.question.Namespace = namespace
	if policy := pod.Spec.DNSPolicy; policy == "Default" || policy == "None" ||
		policy == "ClusterFirst" && pod.Spec.HostNetwork {
		return fmt.Errorf("--from: pod %s does not query kube-dns: dnsPolicy %s, hostNetwork %t", f.from, policy,
			pod.Spec.HostNetwork)
	}
	return nil
}

// walks explains a name by one kube-dns pod, by all, or by the objects.
func (f *explainFlags) walks(ctx context.Context, client *cluster.Client, name string) ([]walk, error) {
	if f.local {
		w, err := f.localWalk(ctx, client, name)
		return []walk{w}, err
	}
	pods, err := dnsPods(ctx, client)
	if errors.Is(err, errNoServer) {
		err = fmt.Errorf("%w: --local explains it from the objects", err)
	}
	if err != nil {
		return nil, err
	}
	var walks []walk
	var errs []error
	for _, pod := range pods {
		w, err := f.podWalk(ctx, client, pod, name)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if walks = append(walks, w); !f.allPods {
			return walks, nil
		}
	}
	if len(errs) > 0 { // of all pods, or of one of --all-pods
		return nil, fmt.Errorf("%w; --local explains it from the objects", errs[0])
	}
	return walks, nil
}

// podWalk reads the explanation of a pod from its status page.
func (f *explainFlags) podWalk(ctx context.Context, client *cluster.Client, pod dnsPod, name string) (walk, error) {
	query := url.Values{
		"format": {"json"}, "name": {name}, "namespace": {f.question.Namespace}, "type": {f.question.Type},
		"resolver": {f.question.Resolver}, "ndots": {f.question.Ndots}, "search": {f.question.Search},
	}
	body, err := client.Get(ctx, pod.Pod, pod.ports.Status, "/?"+query.Encode())
	if err != nil {
		return walk{}, fmt.Errorf("pod %s: %w", pod, err)
	}
	var page struct {
		Question *struct {
			Summary string
			Steps   *struct{ Rows [][]string }
		}
	}
	if err := json.Unmarshal(body, &page); err != nil || page.Question == nil {
		return walk{}, fmt.Errorf("pod %s: its kube-dns cannot explain names (upstream's cannot)", pod)
	}
	if page.Question.Steps == nil {
		return walk{}, errors.New(page.Question.Summary)
	}
	w := walk{Pod: pod.Name, Summary: page.Question.Summary}
	for _, row := range page.Question.Steps.Rows {
		row = append(row, make([]string, 5)...) // an older version can have fewer columns
		w.Steps = append(w.Steps, step{row[0], row[1], row[2], row[3], row[4]})
	}
	return w, f.askOutside(ctx, client, pod, &w)
}

// askOutside sends the query outside the cluster, if requested.
func (f *explainFlags) askOutside(ctx context.Context, client *cluster.Client, pod dnsPod, w *walk) error {
	if !f.ask || len(w.Steps) == 0 || w.Steps[len(w.Steps)-1].Result != asksOutside {
		return nil
	}
	addr, err := client.Forward(ctx, pod.Pod, pod.ports.DNS)
	if err != nil {
		return fmt.Errorf("--ask: %w", err)
	}
	server := &ask.Server{Addr: addr}
	defer server.Close()
	last := &w.Steps[len(w.Steps)-1]
	r := server.Ask(ctx, last.Name, f.question.Type)
	if r.Err != "" {
		return fmt.Errorf("--ask: %s: %s", last.Name, r.Err)
	}
	last.Result = r.Rcode
	var data []string
	for _, rr := range r.Answer {
		data = append(data, fmt.Sprintf("%s (TTL %d)", rr, rr.TTL))
	}
	last.Answer = strings.Join(data, ", ")
	w.Summary = fmt.Sprintf("The pod gets %s with %d records at query %d: %s", r.Rcode, len(data), len(w.Steps),
		last.Name)
	return nil
}

// localWalk explains a name from the objects of the cluster.
func (f *explainFlags) localWalk(ctx context.Context, client *cluster.Client, name string) (walk, error) {
	services, slices, err := local.Objects(ctx, client)
	if err != nil {
		return walk{}, err
	}
	m, err := client.ConfigMaps(client.Namespace).Get(ctx, "kube-dns", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		m, err = nil, nil
	}
	if err != nil {
		return walk{}, client.Explain(ctx, "get", "configmaps", client.Namespace, err)
	}
	zone := zoneOf(ctx, client, f.zone)
	explainer, err := local.Explainer(services, slices, m, zone+".")
	if err != nil {
		return walk{}, err
	}
	q := f.question
	q.Name = name
	got, err := explainer.Explain(ctx, q)
	if err != nil {
		return walk{}, err
	}
	w := walk{Summary: got.Summary}
	for _, s := range got.Steps {
		w.Steps = append(w.Steps, step{s.Name, s.Result, strings.Join(s.Answer, ", "), s.Objects[0], s.Reason})
	}
	return w, nil
}

// zoneOf returns the zone of --zone, or the zone of the pods, without a final dot.
func zoneOf(ctx context.Context, client *cluster.Client, flag string) string {
	if flag != "" {
		return strings.Trim(strings.ToLower(flag), ".")
	}
	pods, _ := client.DNSPods(ctx)
	return cmp.Or(facts.ZoneOf(pods), "cluster.local")
}

// printWalks prints the walks, and returns errFindings if the name is not found or pods
// differ.
func printWalks(p *report.Printer, f *explainFlags, name string, walks []walk) error {
	agree := true
	for _, w := range walks {
		agree = agree && slices.Equal(w.Steps, walks[0].Steps)
	}
	if p.Format != report.Table {
		if err := p.Encode(struct {
			APIVersion string `json:"apiVersion"`
			Name       string `json:"name"`
			Type       string `json:"type"`
			Namespace  string `json:"namespace"`
			Agree      bool   `json:"agree"`
			Walks      []walk `json:"walks"`
		}{"v1", name, strings.ToUpper(f.question.Type), f.question.Namespace, agree, walks}); err != nil {
			return err
		}
	} else if err := printWalkTable(p, f, walks, agree); err != nil {
		return err
	}
	if !agree ||
		!slices.ContainsFunc(walks[0].Steps, func(s step) bool { return s.Answer != "" || s.Result == asksOutside }) {
		return errFindings
	}
	return nil
}

func printWalkTable(p *report.Printer, f *explainFlags, walks []walk, agree bool) error {
	shown := walks
	if agree {
		shown = walks[:1]
	}
	for _, w := range shown {
		by := "the objects of the cluster"
		if w.Pod != "" {
			by = "pod " + w.Pod
		}
		if agree && len(walks) > 1 {
			by = fmt.Sprintf("%d pods, which agree", len(walks))
		}
		fmt.Fprintf(p.Out, "A pod in namespace %s sends these queries (according to %s):\n", f.question.Namespace, by)
		rows := make([][]string, 0, len(w.Steps))
		for i, s := range w.Steps {
			text := s.Answer
			for _, more := range []string{s.Object, s.Reason} {
				if more != "" && text != "" {
					text += "; "
				}
				text += more
			}
			rows = append(rows, []string{fmt.Sprintf("%d", i+1), s.Name, s.Result, text})
		}
		if err := p.Rows(nil, rows); err != nil {
			return err
		}
		fmt.Fprintln(p.Out, w.Summary)
	}
	if !agree {
		fmt.Fprintln(p.Out, "The pods differ: kubectl kubedns check --only KD203,KD204,KD205")
	}
	return nil
}
