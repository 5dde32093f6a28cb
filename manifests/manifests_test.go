// The manifests decode strictly into the API's
// types, and every flag that they give to a command exists.
package manifests

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

var kinds = map[string]func() any{
	"ServiceAccount":     func() any { return new(corev1.ServiceAccount) },
	"ConfigMap":          func() any { return new(corev1.ConfigMap) },
	"Service":            func() any { return new(corev1.Service) },
	"Deployment":         func() any { return new(appsv1.Deployment) },
	"ClusterRole":        func() any { return new(rbacv1.ClusterRole) },
	"ClusterRoleBinding": func() any { return new(rbacv1.ClusterRoleBinding) },
}

// objects decodes all documents of base; anything unknown fails the test.
func objects(t *testing.T) []any {
	t.Helper()
	paths, err := filepath.Glob("base/*.yaml")
	if err != nil || len(paths) < 2 {
		t.Fatalf("%v, %v", paths, err)
	}
	var out []any
	for _, path := range paths {
		if filepath.Base(path) == "kustomization.yaml" {
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for doc := range bytes.SplitSeq(data, []byte("\n---\n")) {
			var meta metav1.TypeMeta
			if err := yaml.Unmarshal(doc, &meta); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if kinds[meta.Kind] == nil {
				t.Fatalf("%s: unknown kind %q", path, meta.Kind)
			}
			o := kinds[meta.Kind]()
			if err := yaml.UnmarshalStrict(doc, o); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			out = append(out, o)
		}
	}
	return out
}

func TestKustomizationNamesEveryFile(t *testing.T) {
	data, err := os.ReadFile("base/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob("base/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if name := filepath.Base(path); name != "kustomization.yaml" && !strings.Contains(string(data), "- "+name+"\n") {
			t.Errorf("%s is not among the resources", name)
		}
	}
}

func TestFlagsExist(t *testing.T) {
	commands := map[string]string{"kubedns": "kube-dns", "dnsmasq": "dnsmasq-nanny", "sidecar": "sidecar"}
	checked := 0
	for _, o := range objects(t) {
		deployment, ok := o.(*appsv1.Deployment)
		if !ok {
			continue
		}
		for _, c := range deployment.Spec.Template.Spec.Containers {
			help, err := os.ReadFile(filepath.Join("..", "cmd", commands[c.Name], "testdata", "help.golden"))
			if err != nil {
				t.Fatalf("container %s: %v", c.Name, err)
			}
			for _, arg := range c.Args {
				if arg == "--" {
					break // the rest is dnsmasq's
				}
				name, _, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
				if !regexp.MustCompile(`(?m)^ .*-` + regexp.QuoteMeta(name) + `\b`).Match(help) {
					t.Errorf("container %s: the help does not know the flag of %s", c.Name, arg)
				}
				checked++
			}
		}
	}
	if checked == 0 {
		t.Error("no flag was checked")
	}
}
