// Package facts collects the facts for package check: from a cluster, or from files.
package facts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/check"
	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
)

// serviceName is the name of the Service, the ConfigMap and the service account.
const serviceName = "kube-dns"

// A gatherer fills in facts. Its methods run concurrently.
type gatherer struct {
	client *cluster.Client
	mu     sync.Mutex // guards facts
	facts  *check.Facts
}

// Gather reads the facts of a cluster. It fails if it cannot read any pods, for any reason. Other
// unreadable facts are in Unread.
func Gather(ctx context.Context, c *cluster.Client, opts check.Options) (*check.Facts, error) {
	pods, err := c.DNSPods(ctx)
	if err != nil {
		return nil, err
	}
	g := &gatherer{client: c, facts: &check.Facts{
		Namespace: c.Namespace, Options: opts, Unread: map[string]string{}, Account: map[string]bool{},
	}}
	g.facts.Pods = make([]check.Pod, len(pods))
	for i := range pods {
		g.facts.Pods[i] = check.Pod{Name: pods[i].Name, Object: &pods[i]}
	}
	if g.facts.Options.Zone == "" {
		g.facts.Options.Zone = ZoneOf(pods)
	}
	var wait sync.WaitGroup
	for _, read := range []func(context.Context){
		g.services, g.slices, g.deployments, g.budgets, g.config, g.kubelets, g.nodes, g.account,
	} {
		wait.Go(func() { read(ctx) })
	}
	for i := range g.facts.Pods {
		wait.Go(func() { g.pod(ctx, &g.facts.Pods[i]) })
	}
	wait.Wait()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("query the pods and the API server %s: %w", c.Host(), context.Cause(ctx))
	}
	return g.facts, nil
}

// ZoneOf returns the zone of the first kube-dns pod, or "".
func ZoneOf(pods []corev1.Pod) string {
	for i := range pods {
		if zone := check.ZoneOf(&pods[i].Spec); zone != "" {
			return zone
		}
	}
	return ""
}

// set changes the facts, or records why something could not be read.
func (g *gatherer) set(ctx context.Context, verb, what, namespace string, err error, change func(*check.Facts)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		name, _, _ := strings.Cut(what, ".")
		g.facts.Unread[name] = g.client.Explain(ctx, verb, what, namespace, err).Error()
		return
	}
	change(g.facts)
}

func (g *gatherer) services(ctx context.Context) {
	ns := g.client.Namespace
	s, err := g.client.Services(ns).Get(ctx, serviceName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return
	}
	g.set(ctx, "get", "services", ns, err, func(f *check.Facts) { f.Objects.Service = s })
	k, err := g.client.Services("default").Get(ctx, "kubernetes", metav1.GetOptions{})
	if err == nil && g.facts.Options.Zone != "" {
		g.set(ctx, "", "", "", nil, func(f *check.Facts) {
			for _, a := range k.Spec.ClusterIPs {
				if !strings.Contains(a, ":") { // the query is for type A
					f.Objects.Kubernetes = append(f.Objects.Kubernetes, a)
				}
			}
		})
	}
}

func (g *gatherer) slices(ctx context.Context) {
	ns := g.client.Namespace
	list, err := g.client.EndpointSlices(ns).List(ctx, metav1.ListOptions{
		LabelSelector: "kubernetes.io/service-name=" + serviceName,
	})
	g.set(ctx, "list", "endpointslices.discovery.k8s.io", ns, err,
		func(f *check.Facts) { f.Objects.Slices = list.Items })
}

func (g *gatherer) deployments(ctx context.Context) {
	ns := g.client.Namespace
	list, err := g.client.Deployments(ns).List(ctx, metav1.ListOptions{})
	g.set(ctx, "list", "deployments.apps", ns, err, func(f *check.Facts) {
		selector, err := labels.Parse(g.client.Selector)
		if err != nil {
			return // listing pods has already failed
		}
		for _, d := range list.Items {
			if selector.Matches(labels.Set(d.Spec.Template.Labels)) {
				f.Objects.Deployments = append(f.Objects.Deployments, d)
			}
			f.Objects.Autoscalers = append(f.Objects.Autoscalers, check.AutoscalersOf(&d)...)
		}
	})
}

func (g *gatherer) budgets(ctx context.Context) {
	ns := g.client.Namespace
	list, err := g.client.PodDisruptionBudgets(ns).List(ctx, metav1.ListOptions{})
	g.set(ctx, "list", "poddisruptionbudgets.policy", ns, err, func(f *check.Facts) { f.Objects.Budgets = list.Items })
}

func (g *gatherer) config(ctx context.Context) {
	ns := g.client.Namespace
	m, err := g.client.ConfigMaps(ns).Get(ctx, serviceName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return
	}
	g.set(ctx, "get", "configmaps", ns, err, func(f *check.Facts) { f.Objects.Config = m })
}

func (g *gatherer) unread(what, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.facts.Unread[what] = why
}

func (g *gatherer) nodes(ctx context.Context) {
	list, err := g.client.Nodes().List(ctx, metav1.ListOptions{})
	g.set(ctx, "list", "nodes", "", err, func(f *check.Facts) {
		f.Objects.Zones = map[string]string{}
		for i := range list.Items {
			n := &list.Items[i]
			f.Objects.Zones[n.Name] = n.Labels[corev1.LabelTopologyZone]
		}
	})
}

// account checks the permissions of the pods' service account.
func (g *gatherer) account(ctx context.Context) {
	account := serviceName
	if i := slices.IndexFunc(g.facts.Pods, func(p check.Pod) bool {
		return check.ServerOf(&p.Object.Spec) == check.KubeDNS
	}); i >= 0 {
		account = cmp.Or(g.facts.Pods[i].Object.Spec.ServiceAccountName, account)
	}
	for _, resource := range []string{"services", "endpoints", "endpointslices.discovery.k8s.io"} {
		allowed := true
		for _, verb := range []string{"list", "watch"} {
			can, err := g.client.AccountCan(ctx, g.client.Namespace, account,
				cluster.Right{Verb: verb, Resource: resource})
			if err != nil {
				g.unread("rights", err.Error())
				return
			}
			allowed = allowed && can
		}
		name, _, _ := strings.Cut(resource, ".")
		g.set(ctx, "", "", "", nil, func(f *check.Facts) { f.Account[name] = allowed })
	}
}
