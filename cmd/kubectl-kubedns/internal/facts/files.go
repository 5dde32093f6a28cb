package facts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	syaml "sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/check"
)

// FromFiles reads the facts of files of manifests. A path is a file, a directory with
// *.yaml, *.yml and *.json, or "-" for stdin. As in kubectl, directories in a directory
// are not read.
func FromFiles(paths []string, stdin io.Reader, namespace string, opts check.Options) (*check.Facts, error) {
	f := &check.Facts{Namespace: namespace, Options: opts, Unread: map[string]string{}}
	for _, path := range paths {
		if path == "-" {
			f.Files = append(f.Files, "stdin")
			if err := addDocuments(f, "stdin", stdin); err != nil {
				return nil, err
			}
			continue
		}
		files, err := manifestFiles(path)
		if err != nil {
			return nil, err
		}
		f.Files = append(f.Files, files...)
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			if err := addDocuments(f, file, bytes.NewReader(b)); err != nil {
				return nil, err
			}
		}
	}
	if f.Objects.Service == nil {
		f.Unread["services"] = "the files have no Service kube-dns"
	}
	if len(f.Pods) == 0 && f.Objects.Config == nil && f.Objects.Service == nil {
		return nil, fmt.Errorf("-f %s: there is no Deployment, Service or ConfigMap of kube-dns",
			strings.Join(paths, " "))
	}
	return f, nil
}

// manifestFiles returns the files of a path.
func manifestFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("-f: %w", err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	var files []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml" || ext == ".json") {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("-f %s: no *.yaml, *.yml or *.json in it: name its directories if they have some", path)
	}
	return files, err
}

// addDocuments reads the objects of a file. Objects of other kinds and names are ignored.
func addDocuments(f *check.Facts, file string, r io.Reader) error {
	docs := yaml.NewYAMLOrJSONDecoder(r, 4096)
	for n := 1; ; n++ {
		var raw map[string]any
		err := docs.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && raw != nil {
			err = addDocument(f, raw)
		}
		if err != nil {
			return fmt.Errorf("-f %s: document %d: %w", file, n, err)
		}
	}
}

func addDocument(f *check.Facts, raw map[string]any) error {
	if items, ok := raw["items"].([]any); ok && raw["kind"] == "List" {
		for _, item := range items {
			object, _ := item.(map[string]any)
			if err := addDocument(f, object); err != nil {
				return err
			}
		}
		return nil
	}
	b, err := syaml.Marshal(raw)
	if err != nil {
		return err
	}
	var meta metav1.PartialObjectMetadata
	if err := syaml.Unmarshal(b, &meta); err != nil {
		return err
	}
	switch {
	case meta.Kind == "Deployment":
		return addDeployment(f, b)
	case meta.Kind == "Service" && meta.Name == serviceName:
		f.Objects.Service = new(corev1.Service)
		return syaml.Unmarshal(b, f.Objects.Service)
	case meta.Kind == "ConfigMap" && meta.Name == serviceName:
		f.Objects.Config = new(corev1.ConfigMap)
		return syaml.Unmarshal(b, f.Objects.Config)
	case meta.Kind == "PodDisruptionBudget":
		var p policyv1.PodDisruptionBudget
		err = syaml.Unmarshal(b, &p)
		f.Objects.Budgets = append(f.Objects.Budgets, p)
	}
	return err
}

// addDeployment adds a Deployment of DNS pods, and a pod of its template.
func addDeployment(f *check.Facts, b []byte) error {
	var d appsv1.Deployment
	if err := syaml.Unmarshal(b, &d); err != nil {
		return err
	}
	f.Objects.Autoscalers = append(f.Objects.Autoscalers, check.AutoscalersOf(&d)...)
	template := &d.Spec.Template
	if check.ServerOf(&template.Spec) == check.Other {
		return nil
	}
	f.Objects.Deployments = append(f.Objects.Deployments, d)
	f.Pods = append(f.Pods, check.Pod{
		Name: d.Name, Object: &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec},
	})
	return nil
}
