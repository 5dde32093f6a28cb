package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

// TestCanary checks that the canary has no object, address or label of the running kube-dns:
// neither apply nor delete changes it.
func TestCanary(t *testing.T) {
	tree, err := render.Load("../../manifests", foreign)
	if err != nil {
		t.Fatal(err)
	}
	out, err := tree.YAML("overlays/canary")
	if err != nil {
		t.Fatal(err)
	}
	objects, err := render.Objects(out)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"ClusterRole kube-dns-canary", "ClusterRoleBinding kube-dns-canary", "Deployment kube-dns-canary",
		"Service kube-dns-canary",
	}
	var got []string
	for key := range objects {
		got = append(got, key)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	if strings.Contains(string(out), foreign.Address) {
		t.Errorf("the canary has the address %s of the Service kube-dns", foreign.Address)
	}
	label := map[string]any{"k8s-app": "kube-dns-canary"}
	template := objects["Deployment kube-dns-canary"]["spec"].(map[string]any)["template"].(map[string]any)
	for what, labels := range map[string]any{
		"pods":     template["metadata"].(map[string]any)["labels"],
		"selector": objects["Service kube-dns-canary"]["spec"].(map[string]any)["selector"],
	} {
		if diff := cmp.Diff(label, labels); diff != "" {
			t.Errorf("labels of the %s (-want +got):\n%s", what, diff)
		}
	}
	if got := template["spec"].(map[string]any)["serviceAccountName"]; got != "kube-dns" {
		t.Errorf("the service account is %v, want that of kube-dns", got)
	}
}
