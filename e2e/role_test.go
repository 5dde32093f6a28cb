package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// sliceRole is the ClusterRole of the manifests that allows EndpointSlices,
// read from there so that a role that does not suffice fails here.
func sliceRole(t *testing.T) *rbacv1.ClusterRole {
	t.Helper()
	files, err := filepath.Glob("testdata/*.y*ml*")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for doc := range strings.SplitSeq(string(b), "\n---") {
			var role rbacv1.ClusterRole
			if yaml.Unmarshal([]byte(doc), &role) != nil || role.Kind != "ClusterRole" {
				continue
			}
			for _, rule := range role.Rules {
				if strings.Contains(strings.Join(rule.Resources, " "), "endpointslices") {
					return &role
				}
			}
		}
	}
	t.Fatal("../manifests/base has no ClusterRole for endpointslices")
	return nil
}
