// Command api decodes manifests into the types of one release of the Kubernetes API and refuses
// every field unknown to that release:
//
//	go -C tools run -modfile=manifests/api/1.22.mod ./manifests/api base.yaml
//	go -C tools run -modfile=manifests/api/1.16.mod -tags=api116 ./manifests/api base.yaml
//
// Each file NAME.mod names a release, and NAME.sum has its checksums. The module's own go.mod names
// the newest.
package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// kinds are the types of the objects, by version and kind; policy.go has those that some releases
// lack.
var kinds = map[string]func() any{
	"v1 ServiceAccount":  func() any { return new(corev1.ServiceAccount) },
	"v1 ConfigMap":       func() any { return new(corev1.ConfigMap) },
	"v1 Service":         func() any { return new(corev1.Service) },
	"apps/v1 Deployment": func() any { return new(appsv1.Deployment) },
	"apps/v1 DaemonSet":  func() any { return new(appsv1.DaemonSet) },
	"rbac.authorization.k8s.io/v1 ClusterRole":        func() any { return new(rbacv1.ClusterRole) },
	"rbac.authorization.k8s.io/v1 ClusterRoleBinding": func() any { return new(rbacv1.ClusterRoleBinding) },
	"rbac.authorization.k8s.io/v1 Role":               func() any { return new(rbacv1.Role) },
	"rbac.authorization.k8s.io/v1 RoleBinding":        func() any { return new(rbacv1.RoleBinding) },
}

func main() {
	maps.Copy(kinds, policyKinds)
	bad := 0
	for _, path := range os.Args[1:] {
		n, err := check(path)
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			bad++
			continue
		}
		fmt.Printf("%s: %d objects\n", path, n)
	}
	if bad > 0 || len(os.Args) < 2 {
		os.Exit(1)
	}
}

// check decodes all documents of a file and returns their number.
func check(path string) (int, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	docs := bytes.Split(data, []byte("\n---\n"))
	for i, doc := range docs {
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(doc, &meta); err != nil {
			return 0, fmt.Errorf("document %d: %w", i+1, err)
		}
		kind := meta.APIVersion + " " + meta.Kind
		if kinds[kind] == nil {
			return 0, fmt.Errorf("document %d: this release has no %s", i+1, kind)
		}
		if err := yaml.UnmarshalStrict(doc, kinds[kind]()); err != nil {
			return 0, fmt.Errorf("document %d, %s: %w", i+1, kind, err)
		}
	}
	return len(docs), nil
}
