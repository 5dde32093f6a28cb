package move

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/cluster"
	"github.com/kube-dns/kube-dns/internal/pause"
)

func with(m map[string]string, key, value string) map[string]string {
	m = maps.Clone(m)
	m[key] = value
	return m
}

func selectorText(selector map[string]string) string {
	parts := make([]string, 0, len(selector))
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		parts = append(parts, key+"="+selector[key])
	}
	return strings.Join(parts, ",")
}

func (m *mover) namespace() string { return m.from.Namespace }

func (m *mover) service(ctx context.Context) (*corev1.Service, error) {
	s, err := m.c.Services(m.namespace()).Get(ctx, m.plan.Service.Name, metav1.GetOptions{})
	return s, m.c.Explain(ctx, "get", "services", m.namespace(), err)
}

// updateService writes a Service that was just read. The API server refuses it if another client
// changed it in between.
func (m *mover) updateService(ctx context.Context, s *corev1.Service) error {
	_, err := m.c.Services(m.namespace()).Update(ctx, s, metav1.UpdateOptions{FieldManager: fieldManager})
	return m.c.Explain(ctx, "update", "services", m.namespace(), err)
}

// deployment returns a Deployment and whether it exists.
func (m *mover) deployment(ctx context.Context, name string) (appsv1.Deployment, bool, error) {
	d, err := m.c.Deployments(m.namespace()).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return appsv1.Deployment{}, false, nil
	}
	if err != nil {
		return appsv1.Deployment{}, false, m.c.Explain(ctx, "get", "deployments.apps", m.namespace(), err)
	}
	return *d, true, nil
}

func (m *mover) scale(ctx context.Context, name string, replicas int32) error {
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, replicas)
	_, err := m.c.Deployments(m.namespace()).Patch(ctx, name, types.MergePatchType, patch,
		metav1.PatchOptions{FieldManager: fieldManager})
	return m.c.Explain(ctx, "patch", "deployments.apps", m.namespace(), err)
}

// applyDeployment creates the target, or scales an existing one.
func (m *mover) applyDeployment(ctx context.Context) error {
	if m.plan.Reuses() {
		return m.scale(ctx, m.target, m.plan.Replicas)
	}
	_, err := m.c.Deployments(m.namespace()).
		Patch(ctx, m.target, types.ApplyPatchType, encode(m.plan.Objects.Deployment), force())
	return m.c.Explain(ctx, "patch", "deployments.apps", m.namespace(), err)
}

func force() metav1.PatchOptions {
	return metav1.PatchOptions{FieldManager: fieldManager, Force: new(true)}
}

// encode returns an object for a server-side apply. API types always encode.
func encode(object any) []byte {
	b, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		panic(err)
	}
	delete(fields, "status")
	b, err = json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return b
}

// objects applies the account, its rights, the ConfigMap and the disruption budget.
func (m *mover) objects(ctx context.Context) error {
	if m.plan.Reuses() {
		m.say("deployment/%s exists: its configuration stays", m.target)
		return nil
	}
	o, ns := m.plan.Objects, m.namespace()
	_, err := m.c.ServiceAccounts(ns).Patch(ctx, o.Account.Name, types.ApplyPatchType, encode(o.Account), force())
	if err != nil {
		return m.c.Explain(ctx, "patch", "serviceaccounts", ns, err)
	}
	if _, err = m.c.ClusterRoles().Patch(ctx, o.Role.Name, types.ApplyPatchType, encode(o.Role),
		force()); err != nil {
		return m.c.Explain(ctx, "patch", "clusterroles.rbac.authorization.k8s.io", "", err)
	}
	if _, err = m.c.ClusterRoleBindings().Patch(ctx, o.Binding.Name, types.ApplyPatchType, encode(o.Binding),
		force()); err != nil {
		return m.c.Explain(ctx, "patch", "clusterrolebindings.rbac.authorization.k8s.io", "", err)
	}
	if o.Budget != nil {
		_, err = m.c.PodDisruptionBudgets(ns).
			Patch(ctx, o.Budget.Name, types.ApplyPatchType, encode(o.Budget), force())
		if err != nil {
			return m.c.Explain(ctx, "patch", "poddisruptionbudgets.policy", ns, err)
		}
	}
	if err := m.writeConfigMap(ctx, o.ConfigMap); err != nil {
		return err
	}
	m.say("applied the service account, its rights and the ConfigMap %s", o.ConfigMap.Name)
	return nil
}

// writeConfigMap replaces the data of a ConfigMap, or creates it.
func (m *mover) writeConfigMap(ctx context.Context, want *corev1.ConfigMap) error {
	maps := m.c.ConfigMaps(m.namespace())
	got, err := maps.Get(ctx, want.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = maps.Create(ctx, want, metav1.CreateOptions{FieldManager: fieldManager})
	case err == nil:
		got.Data = want.Data
		_, err = maps.Update(ctx, got, metav1.UpdateOptions{FieldManager: fieldManager})
	}
	return m.c.Explain(ctx, "update", "configmaps", m.namespace(), err)
}

// allSets returns the ReplicaSets of a Deployment.
func (m *mover) allSets(ctx context.Context, d appsv1.Deployment) ([]appsv1.ReplicaSet, error) {
	list, err := m.c.ReplicaSets(m.namespace()).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, m.c.Explain(ctx, "list", "replicasets.apps", m.namespace(), err)
	}
	return slices.DeleteFunc(list.Items, func(r appsv1.ReplicaSet) bool { return !metav1.IsControlledBy(&r, &d) }), nil
}

// replicaSets returns the ReplicaSets of a Deployment with current or desired pods.
func (m *mover) replicaSets(ctx context.Context, d appsv1.Deployment) ([]appsv1.ReplicaSet, error) {
	sets, err := m.allSets(ctx, d)
	return slices.DeleteFunc(sets, func(r appsv1.ReplicaSet) bool {
		return r.Status.Replicas == 0 && (r.Spec.Replicas == nil || *r.Spec.Replicas == 0)
	}), err
}

// revision returns the label that selects exactly the pods of a Deployment.
func (m *mover) revision(ctx context.Context, d appsv1.Deployment) (string, error) {
	sets, err := m.replicaSets(ctx, d)
	if err != nil {
		return "", err
	}
	switch len(sets) {
	case 0:
		return "", nil
	case 1:
		return sets[0].Labels[hashLabel], nil
	}
	return "", fmt.Errorf("deployment/%s has pods of %d revisions: wait for kubectl rollout status deployment/%s",
		d.Name, len(sets), d.Name)
}

// podsOf returns the pods of one revision of a Deployment. An empty hash means all.
func (m *mover) podsOf(ctx context.Context, d appsv1.Deployment, hash string) ([]corev1.Pod, error) {
	pods, err := m.pods(ctx, d)
	return slices.DeleteFunc(pods, func(p corev1.Pod) bool { return hash != "" && p.Labels[hashLabel] != hash }), err
}

// pods returns the pods of a Deployment, including terminating pods, which the status of a
// ReplicaSet does not count.
func (m *mover) pods(ctx context.Context, d appsv1.Deployment) ([]corev1.Pod, error) {
	sets, err := m.allSets(ctx, d)
	if err != nil {
		return nil, err
	}
	list, err := m.c.Pods(m.namespace()).
		List(ctx, metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(d.Spec.Selector)})
	if err != nil {
		return nil, m.c.Explain(ctx, "list", "pods", m.namespace(), err)
	}
	return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool {
		return !slices.ContainsFunc(sets, func(r appsv1.ReplicaSet) bool { return metav1.IsControlledBy(&p, &r) })
	}), nil
}

// whyNotReady describes the first pod that is not ready.
func (m *mover) whyNotReady(ctx context.Context, d appsv1.Deployment) string {
	pods, err := m.pods(ctx, d)
	if err != nil {
		return err.Error()
	}
	if why := whyNot(pods); why != "" {
		return why
	}
	return fmt.Sprintf("%d of %d pods are ready", d.Status.ReadyReplicas, m.plan.Replicas)
}

// whyNot describes the first of the pods that is not ready, or returns "".
func whyNot(pods []corev1.Pod) string {
	for _, p := range pods {
		if cluster.IsReady(&p) || p.DeletionTimestamp != nil {
			continue
		}
		for _, s := range p.Status.ContainerStatuses {
			if w := s.State.Waiting; w != nil && w.Reason != "ContainerCreating" {
				return fmt.Sprintf("pod %s, container %s: %s %s", p.Name, s.Name, w.Reason, w.Message)
			}
		}
		for _, c := range p.Status.Conditions {
			if c.Status == corev1.ConditionFalse && c.Message != "" {
				return fmt.Sprintf("pod %s: %s", p.Name, c.Message)
			}
		}
		return fmt.Sprintf("pod %s is not ready", p.Name)
	}
	return ""
}

// endpoints returns the names of the pods that get queries of the Service.
func (m *mover) endpoints(ctx context.Context) ([]string, error) {
	list, err := m.c.EndpointSlices(m.namespace()).List(ctx, metav1.ListOptions{
		LabelSelector: "kubernetes.io/service-name=" + m.plan.Service.Name,
	})
	if err != nil {
		return nil, m.c.Explain(ctx, "list", "endpointslices.discovery.k8s.io", m.namespace(), err)
	}
	names := map[string]bool{}
	for _, slice := range list.Items {
		for _, e := range slice.Endpoints {
			if e.TargetRef != nil && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				names[e.TargetRef.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// waitEndpoints waits until the Service selects all ready pods of one revision of a Deployment, at
// least one, and no other pods.
func (m *mover) waitEndpoints(ctx context.Context, d appsv1.Deployment, hash string) error {
	err := m.poll(ctx, func(ctx context.Context) (string, error) {
		pods, err := m.podsOf(ctx, d, hash)
		if err != nil {
			return "", err
		}
		var want []string
		for _, p := range pods {
			if cluster.IsReady(&p) {
				want = append(want, p.Name)
			}
		}
		slices.Sort(want)
		got, err := m.endpoints(ctx)
		if err != nil || len(want) > 0 && slices.Equal(got, want) {
			return "", err
		}
		return fmt.Sprintf("it leads to the pods %v, want %v", got, want), nil
	})
	if err != nil {
		return fmt.Errorf("service/%s: %w", m.plan.Service.Name, err)
	}
	return nil
}

// waitGone waits until all pods of a Deployment have exited.
func (m *mover) waitGone(ctx context.Context, d appsv1.Deployment) error {
	return m.poll(ctx, func(ctx context.Context) (string, error) {
		pods, err := m.pods(ctx, d)
		if err != nil || len(pods) == 0 {
			return "", err
		}
		return fmt.Sprintf("%d pods of deployment/%s are left", len(pods), d.Name), nil
	})
}

// poll calls check until it returns "", or an error.
func (m *mover) poll(ctx context.Context, check func(context.Context) (string, error)) error {
	return pollFor(ctx, m.opts.Wait, check)
}

func pollFor(ctx context.Context, limit time.Duration, check func(context.Context) (string, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	last := "nothing was read"
	for {
		why, err := check(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil && why == "" {
			return nil
		}
		if err == nil {
			last = why
		}
		if pause.For(ctx, pollEvery) {
			continue
		}
		if errors.Is(context.Cause(ctx), context.Canceled) {
			return context.Canceled
		}
		return fmt.Errorf("after %v: %s", limit, last)
	}
}
