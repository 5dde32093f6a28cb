package migrate

import (
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/manifests"
)

// A patch of the manifests has the same effect as with kustomize and kubectl.
func TestOverlay(t *testing.T) {
	var want, got *appsv1.Deployment
	for _, d := range []**appsv1.Deployment{&want, &got} {
		if err := decodeManifest("base/deployment.yaml", 0, d); err != nil {
			t.Fatal(err)
		}
	}
	if err := modern(got); err != nil {
		t.Fatal(err)
	}
	text, err := fs.ReadFile(manifests.Files(), "components/modern/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	patch, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	original, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	result, err := strategicpatch.StrategicMergePatch(original, patch, appsv1.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	want = &appsv1.Deployment{}
	if err := json.Unmarshal(result, want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
