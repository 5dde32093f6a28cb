package e2e

import (
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// Tests use the deployed manifests: arguments and rights are read from here.
const manifests = "../manifests/base/"

// manifest decodes the object of a kind from a file of the manifests.
func manifest[T any](t *testing.T, file, kind string) *T {
	t.Helper()
	b, err := os.ReadFile(manifests + file)
	if err != nil {
		t.Fatal(err)
	}
	for doc := range strings.SplitSeq(string(b), "\n---") {
		var header struct{ Kind string }
		if err := yaml.Unmarshal([]byte(doc), &header); err != nil {
			t.Fatalf("%s%s: %v", manifests, file, err)
		}
		if header.Kind != kind {
			continue
		}
		object := new(T)
		if err := yaml.Unmarshal([]byte(doc), object); err != nil {
			t.Fatalf("%s%s: %v", manifests, file, err)
		}
		return object
	}
	t.Fatalf("%s%s: has no %s", manifests, file, kind)
	return nil
}

// sliceRole is the manifests' role of kube-dns for EndpointSlices.
func sliceRole(t *testing.T) (*rbacv1.ClusterRole, *rbacv1.ClusterRoleBinding) {
	t.Helper()
	return manifest[rbacv1.ClusterRole](t, "rbac.yaml", "ClusterRole"),
		manifest[rbacv1.ClusterRoleBinding](t, "rbac.yaml", "ClusterRoleBinding")
}

// manifestArgs returns the arguments of a container of the Deployment, with text changes for this
// machine: pairs of old and new text. A change without a match fails the test, since the manifest
// has changed.
func manifestArgs(t *testing.T, container string, changes ...string) []string {
	t.Helper()
	deployment := manifest[appsv1.Deployment](t, "deployment.yaml", "Deployment")
	for _, c := range deployment.Spec.Template.Spec.Containers {
		if c.Name != container {
			continue
		}
		all := strings.Join(expandedArgs(c), "\n")
		for pair := range slices.Chunk(changes, 2) {
			if !strings.Contains(all, pair[0]) {
				t.Fatalf("%sdeployment.yaml: container %s has no argument with %q", manifests, container, pair[0])
			}
		}
		return strings.Split(strings.NewReplacer(changes...).Replace(all), "\n")
	}
	t.Fatalf("%sdeployment.yaml: has no container %s", manifests, container)
	return nil
}

// expandedArgs are the arguments of a container as the kubelet passes them.
func expandedArgs(c corev1.Container) []string {
	var pairs []string
	for _, e := range c.Env {
		pairs = append(pairs, "$("+e.Name+")", e.Value)
	}
	change := strings.NewReplacer(pairs...)
	args := slices.Clone(c.Args)
	for i := range args {
		args[i] = change.Replace(args[i])
	}
	return args
}
