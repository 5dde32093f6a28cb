package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

// linear has the parameters of the cluster-proportional-autoscaler below the key of that name. Its
// README describes them.
type linear struct {
	CoresPerReplica           float64 `json:"coresPerReplica"`
	NodesPerReplica           float64 `json:"nodesPerReplica"`
	Min                       int     `json:"min"`
	Max                       int     `json:"max"`
	PreventSinglePointFailure bool    `json:"preventSinglePointFailure"`
	IncludeUnschedulableNodes bool    `json:"includeUnschedulableNodes"`
}

// replicas is the equation of the README. A parameter of zero is not set.
func (l linear) replicas(nodes, cores int) int {
	n := 0
	if l.CoresPerReplica > 0 {
		n = int(math.Ceil(float64(cores) / l.CoresPerReplica))
	}
	if l.NodesPerReplica > 0 {
		n = max(n, int(math.Ceil(float64(nodes)/l.NodesPerReplica)))
	}
	if l.PreventSinglePointFailure && nodes > 1 {
		n = max(n, 2)
	}
	if l.Max > 0 {
		n = min(n, l.Max)
	}
	return max(n, l.Min, 1)
}

// autoscaler is the name of its ConfigMap, Deployment, account and rights.
const autoscaler = "kube-dns-autoscaler"

// TestAutoscalerReplicas checks the parameters, the resulting numbers of replicas, and their
// table in docs/install.md.
func TestAutoscalerReplicas(t *testing.T) {
	config := object[corev1.ConfigMap](t, "ConfigMap kube-dns-autoscaler")
	if len(config.Data) != 1 {
		t.Errorf("got %d keys, want linear alone: the program takes one of them", len(config.Data))
	}
	var params linear
	decoder := json.NewDecoder(strings.NewReader(config.Data["linear"]))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&params); err != nil {
		t.Fatalf("linear: %v", err)
	}
	table := "| nodes | pods, 4 cores a node | pods, 64 cores a node |\n| ---: | ---: | ---: |\n"
	for _, nodes := range []int{1, 2, 10, 100, 5000} {
		small, large := params.replicas(nodes, 4*nodes), params.replicas(nodes, 64*nodes)
		table += fmt.Sprintf("| %d | %d | %d |\n", nodes, small, large)
		for _, got := range []int{small, large} {
			// At least two, and in large clusters at most every fourth node.
			if got < 2 || got > max(3, nodes/4) {
				t.Errorf("%d nodes: got %d pods, want 2 to %d", nodes, got, max(3, nodes/4))
			}
		}
	}
	docs, err := os.ReadFile("../../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(docs, []byte(table)) {
		t.Errorf("docs/install.md does not have this table:\n%s", table)
	}
}

// TestAutoscalerObjects checks that the objects in the program's arguments exist.
func TestAutoscalerObjects(t *testing.T) {
	const name, namespace = autoscaler, "kube-system"
	flags := map[string]string{}
	var account string
	for _, d := range deployments(t, "overlays/autoscaler") {
		switch {
		case d.Name == "kube-dns" && d.Spec.Replicas != nil:
			t.Errorf("the Deployment kube-dns has %d replicas: each apply would undo the autoscaler's",
				*d.Spec.Replicas)
		case d.Name == name:
			account = d.Spec.Template.Spec.ServiceAccountName
			for _, arg := range d.Spec.Template.Spec.Containers[0].Command[1:] {
				key, value, _ := strings.Cut(arg, "=")
				flags[key] = value
			}
		}
	}
	want := map[string]string{
		"--namespace": namespace, "--configmap": name, "--target": "Deployment/kube-dns", "--logtostderr": "true", "--v": "2",
	}
	if diff := cmp.Diff(want, flags); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if account != name {
		t.Errorf("service account: got %q, want %q", account, name)
	}
	// They exist under the names of the arguments, in that namespace.
	for key, got := range map[string]string{
		"ConfigMap":      object[corev1.ConfigMap](t, "ConfigMap "+name).Namespace,
		"Deployment":     kubeDNSNamespace(t),
		"ServiceAccount": object[corev1.ServiceAccount](t, "ServiceAccount "+name).Namespace,
		"Role":           object[rbacv1.Role](t, "Role "+name).Namespace,
		"RoleBinding":    object[rbacv1.RoleBinding](t, "RoleBinding "+name).Namespace,
	} {
		if got != namespace {
			t.Errorf("%s: got namespace %q, want %q", key, got, namespace)
		}
	}
}

// TestAutoscalerRights checks that the rights are exactly those that the program uses, for its
// account and its objects.
func TestAutoscalerRights(t *testing.T) {
	const name, namespace = autoscaler, "kube-system"
	everywhere := object[rbacv1.ClusterRole](t, "ClusterRole "+name).Rules
	if diff := cmp.Diff([]rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"nodes"}, Verbs: []string{"list", "watch"}},
	}, everywhere); diff != "" {
		t.Errorf("rights in all namespaces (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]rbacv1.PolicyRule{
		{APIGroups: []string{"apps"}, Resources: []string{"deployments/scale"}, ResourceNames: []string{"kube-dns"},
			Verbs: []string{"get", "update"}},
		{APIGroups: []string{""}, Resources: []string{"configmaps"}, ResourceNames: []string{name},
			Verbs: []string{"get"}},
	}, object[rbacv1.Role](t, "Role "+name).Rules); diff != "" {
		t.Errorf("rights in %s (-want +got):\n%s", namespace, diff)
	}
	cluster, local := object[rbacv1.ClusterRoleBinding](t,
		"ClusterRoleBinding "+name), object[rbacv1.RoleBinding](t, "RoleBinding "+name)
	subject := []rbacv1.Subject{{Kind: "ServiceAccount", Name: name, Namespace: namespace}}
	if cluster.RoleRef.Kind != "ClusterRole" || cluster.RoleRef.Name != name || !slices.Equal(cluster.Subjects,
		subject) {
		t.Errorf("ClusterRoleBinding: got %v for %v", cluster.RoleRef, cluster.Subjects)
	}
	if local.RoleRef.Kind != "Role" || local.RoleRef.Name != name || !slices.Equal(local.Subjects, subject) {
		t.Errorf("RoleBinding: got %v for %v", local.RoleRef, local.Subjects)
	}
}

// kubeDNSNamespace is the namespace of the overlay's Deployment kube-dns.
func kubeDNSNamespace(t *testing.T) string {
	t.Helper()
	for _, d := range deployments(t, "overlays/autoscaler") {
		if d.Name == "kube-dns" {
			return d.Namespace
		}
	}
	t.Fatal("no Deployment kube-dns")
	return ""
}

// object decodes the overlay's object "<kind> <name>".
func object[T any](t *testing.T, key string) *T {
	t.Helper()
	objects, err := render.Objects(rendered(t, "overlays/autoscaler"))
	if err != nil {
		t.Fatal(err)
	}
	if objects[key] == nil {
		t.Fatalf("the overlay has no %s", key)
	}
	text, err := yaml.Marshal(objects[key])
	if err != nil {
		t.Fatal(err)
	}
	out := new(T)
	if err := yaml.UnmarshalStrict(text, out); err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return out
}
