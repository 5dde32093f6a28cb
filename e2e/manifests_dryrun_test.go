package e2e

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"
)

// TestManifestsDryRun applies base and each overlay like `kubectl apply --dry-run=server`. The API
// server must accept every field, without a warning. Their pods pass its admission of Pod Security
// Standards, in a namespace that enforces the documented standard.
func TestManifestsDryRun(t *testing.T) {
	folders, err := filepath.Glob("../manifests/overlays/*")
	if err != nil || len(folders) == 0 {
		t.Fatalf("overlays: %v, %v", folders, err)
	}
	namespaces := map[string]string{
		"baseline": standardNamespace(t, "baseline"), "restricted": standardNamespace(t, "restricted"),
	}
	for _, folder := range append(folders, "../manifests/base") {
		t.Run(filepath.Base(folder), func(t *testing.T) {
			client, warnings := warningClient(t)
			for _, object := range renderManifests(t, folder) {
				dryRun(t, client, object)
				if object.GetKind() != "Deployment" {
					continue
				}
				standard := "restricted"
				if name := filepath.Base(folder); name == "base" || name == "drop-in" {
					standard = "baseline"
				}
				dryRun(t, client, podOf(t, object, namespaces[standard]))
			}
			if list := warnings.list(); len(list) > 0 {
				t.Errorf("the API server warns: %q", list)
			}
		})
	}
}

// renderManifests are the objects of a folder with a kustomization.yaml.
func renderManifests(t *testing.T, folder string) []*unstructured.Unstructured {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", "-C", "../tools", "run", "./manifests",
		strings.TrimPrefix(folder, "../manifests/"))
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("render %s: %v\n%s", folder, err, &stderr)
	}
	var objects []*unstructured.Unstructured
	for doc := range bytes.SplitSeq(out, []byte("\n---\n")) {
		objects = append(objects, decoded(t, string(doc)))
	}
	return objects
}

// decoded is an object of its YAML.
func decoded(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := new(unstructured.Unstructured)
	if err := yaml.Unmarshal([]byte(text), &object.Object); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return object
}

// dryRun applies an object without storing it.
func dryRun(t *testing.T, client dynamic.Interface, object *unstructured.Unstructured) {
	t.Helper()
	gvk := object.GroupVersionKind()
	resource := schema.GroupVersionResource{
		Group: gvk.Group, Version: gvk.Version, Resource: strings.ToLower(gvk.Kind) + "s", // true for all of ours
	}
	data, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	force := true
	var to dynamic.ResourceInterface = client.Resource(resource)
	if namespace := object.GetNamespace(); namespace != "" {
		to = client.Resource(resource).Namespace(namespace)
	}
	if _, err := to.Patch(t.Context(), object.GetName(), types.ApplyPatchType, data, metav1.PatchOptions{
		DryRun: []string{metav1.DryRunAll}, FieldManager: "e2e", Force: &force, FieldValidation: metav1.FieldValidationStrict,
	}); err != nil {
		t.Errorf("apply %s %s: %v", gvk.Kind, object.GetName(), err)
	}
}

// standardNamespace is a namespace that enforces a Pod Security Standard.
func standardNamespace(t *testing.T, standard string) string {
	t.Helper()
	name := "manifests-" + standard
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{"pod-security.kubernetes.io/enforce": standard},
	}}
	namespaces := rig.cluster.client.CoreV1().Namespaces()
	if _, err := namespaces.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return name
}

// podOf is a pod of the Deployment as its controller would create it. It is in another namespace,
// and has no service account, which does not exist there.
func podOf(t *testing.T, deployment *unstructured.Unstructured, namespace string) *unstructured.Unstructured {
	t.Helper()
	var d appsv1.Deployment
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(deployment.Object, &d); err != nil {
		t.Fatal(err)
	}
	no := false
	pod := corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: *d.Spec.Template.ObjectMeta.DeepCopy(),
		Spec:       d.Spec.Template.Spec,
	}
	pod.Name, pod.Namespace = d.Name, namespace
	pod.Spec.ServiceAccountName, pod.Spec.AutomountServiceAccountToken = "", &no
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&pod)
	if err != nil {
		t.Fatal(err)
	}
	delete(fields, "status")
	return &unstructured.Unstructured{Object: fields}
}

// warnings are those that the API server has sent.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

func (w *warnings) list() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.texts)
}

// warningClient is the administrator's client, which collects warnings.
func warningClient(t *testing.T) (dynamic.Interface, *warnings) {
	t.Helper()
	w := new(warnings)
	config := rest.CopyConfig(rig.cluster.admin)
	config.WarningHandler = w
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client, w
}
