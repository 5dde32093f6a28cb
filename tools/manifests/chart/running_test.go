package chart

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func service(address string) *corev1.Service {
	s := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "kube-dns", Namespace: "kube-system"}}
	s.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Service"}
	s.Spec.ClusterIP = address
	return s
}

func deployment(name string, replicas int32, args []string, env ...corev1.EnvVar) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "kube-system"}}
	d.TypeMeta = metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}
	d.Spec.Replicas = &replicas
	d.Spec.Template.Labels = map[string]string{"k8s-app": "kube-dns"}
	d.Spec.Template.Spec.Containers = []corev1.Container{
		{Name: "kubedns", Args: args, Env: env}, {Name: "sidecar", Args: []string{"--probe=kubedns,127.0.0.1:10053,x"}},
	}
	return d
}

// TestKeepsWhatRuns checks that the chart keeps address, zone and number of pods of a running
// kube-dns.
func TestKeepsWhatRuns(t *testing.T) {
	old := deployment("kube-dns", 3, []string{"--domain=prod.example.", "--v=2"})
	ours := deployment("kube-dns", 5, []string{"--domain=$(CLUSTER_DOMAIN)."},
		corev1.EnvVar{Name: "CLUSTER_DOMAIN", Value: "prod.example"})
	none := deployment("kube-dns", 0, nil)
	autoscaler := map[string]any{"enabled": true, "image": "registry.example/cpa:v1"}
	for _, tt := range []struct {
		name     string
		values   map[string]any
		existing []runtime.Object
		want     string // text of a manifest or of the error
	}{
		{"address of the Service", map[string]any{"clusterIP": ""}, []runtime.Object{service("10.96.0.53")},
			`clusterIP: "10.96.0.53"`},
		{"another address", nil, []runtime.Object{service("10.96.0.53")},
			"has the address 10.96.0.53, which cannot become 10.96.0.10"},
		{"another zone", nil, []runtime.Object{old}, "set clusterDomain=prod.example"},
		{"another zone in a variable", nil, []runtime.Object{ours}, "set clusterDomain=prod.example"},
		{"replicas", map[string]any{"clusterDomain": "prod.example"}, []runtime.Object{old}, "replicas: 3"},
		{"replicas, final dot", map[string]any{"clusterDomain": "prod.example."}, []runtime.Object{ours},
			"replicas: 5"},
		{"replicas given", map[string]any{"clusterDomain": "prod.example", "replicas": 2}, []runtime.Object{old},
			"replicas: 2"},
		{"no replicas", nil, []runtime.Object{none}, "replicas: 0"},
		{"replicas for the autoscaler", map[string]any{"clusterDomain": "prod.example", "autoscaler": autoscaler},
			[]runtime.Object{old}, "replicas: 3"},
		{"replicas given, and the autoscaler",
			map[string]any{"clusterDomain": "prod.example", "autoscaler": autoscaler, "replicas": 2},
			[]runtime.Object{old}, "replicas: 3"},
		{"CoreDNS", nil, []runtime.Object{deployment("coredns", 2, nil)},
			"pods of the Deployment coredns are endpoints of the Service"},
		{"CoreDNS, allowed", map[string]any{"besideOthers": true}, []runtime.Object{deployment("coredns", 2, nil)},
			"WARNING: the Service kube-dns selects pods of coredns"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files, err := executeIn(t, tt.values, "v1.36.0", tt.existing...)
			if text := fmt.Sprint(files, err); !strings.Contains(text, tt.want) {
				t.Errorf("got %s, want %q in it", text, tt.want)
			}
		})
	}
}

// TestHelmKeeps checks for the annotation that prevents Helm from deleting objects, and that an
// add-on manager ignores all of them.
func TestHelmKeeps(t *testing.T) {
	all, err := execute(t, map[string]any{
		"nodeLocal": map[string]any{"enabled": true}, "config": map[string]any{"upstreamNameservers": []any{"192.0.2.3"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for name, text := range all {
		if !strings.HasSuffix(name, ".yaml") || strings.Contains(name, "/tests/") {
			continue
		}
		for doc := range strings.SplitSeq(text, "\n---\n") {
			if strings.TrimSpace(doc) == "" {
				continue
			}
			if !strings.Contains(doc, "addonmanager.kubernetes.io/mode: EnsureExists") {
				t.Errorf("an object of %s has no mode for an add-on manager", name)
			}
			keep := strings.Contains(doc, "helm.sh/resource-policy: keep")
			// The cache can be deleted: kube-dns then answers at the address of the Service.
			if keep != (!strings.Contains(doc, "\n  name: node-local-dns\n") && (strings.Contains(doc, "kind: Service\n") ||
				strings.Contains(doc, "kind: ConfigMap\n") || strings.Contains(doc, "apiVersion: v1\nkind: ServiceAccount\n"))) {
				t.Errorf("kept by Helm: %v in\n%s", keep, doc)
			}
			if keep {
				kept++
			}
		}
	}
	if kept != 4 {
		t.Errorf("%d objects are kept, want 4", kept)
	}
}
