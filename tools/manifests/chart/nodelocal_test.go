package chart

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

// TestNodeLocal checks the values of the cache that have no variant in the manifests.
func TestNodeLocal(t *testing.T) {
	both := service("10.96.0.10")
	both.Spec.ClusterIPs = []string{"10.96.0.10", "fd00:96::a"}
	for _, tt := range []struct {
		name     string
		values   map[string]any
		dual     bool
		existing *corev1.Service
		image    string
		args     []string
		probed   string
	}{
		{
			name: "all", values: map[string]any{"localIP": "169.254.25.10", "image": "registry.example/cache:v2",
				"tracked": true, "healthPort": 9254, "extraArgs": []any{"-lameduck=5s"}},
			image: "registry.example/cache:v2", args: []string{"-localip=169.254.25.10,10.96.0.10",
				"-health-listen-address=169.254.25.10:9254", "-health-port=9254", "-tracked=true", "-lameduck=5s"},
			probed: "169.254.25.10",
		},
		{
			name: "IPv6", values: map[string]any{"localIP": "fd00::53", "mode": "ipvs"},
			image: "localhost/k8s-dns-node-cache:dev",
			args:  []string{"-localip=fd00::53", "-health-listen-address=[fd00::53]:8080"}, probed: "fd00::53",
		},
		{
			name: "both families", dual: true, existing: both, image: "localhost/k8s-dns-node-cache:dev",
			args: []string{"-localip=169.254.20.10,10.96.0.10,fd00:96::a"}, probed: "169.254.20.10",
		},
		{
			name: "a Service with both families, of which one is used", existing: both,
			image: "localhost/k8s-dns-node-cache:dev", args: []string{"-localip=169.254.20.10,10.96.0.10"},
			probed: "169.254.20.10",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := cacheContainer(t, tt.values, tt.dual, tt.existing)
			if c["image"] != tt.image {
				t.Errorf("the image is %v, want %s", c["image"], tt.image)
			}
			for _, arg := range tt.args {
				if !slices.Contains(c["args"].([]any), any(arg)) {
					t.Errorf("arguments %v, want %s", c["args"], arg)
				}
			}
			for _, probe := range []string{"livenessProbe", "readinessProbe"} {
				if host, _, _ := unstructured.NestedString(c, probe, "httpGet", "host"); host != tt.probed {
					t.Errorf("the %s asks %s, want %s", probe, host, tt.probed)
				}
			}
		})
	}
}

// cacheContainer returns the container of the cache.
func cacheContainer(t *testing.T, values map[string]any, dual bool, existing *corev1.Service) map[string]any {
	t.Helper()
	given := map[string]any{"enabled": true}
	maps.Copy(given, values)
	all := map[string]any{"nodeLocal": given, "dualStack": dual}
	files, err := execute(t, all)
	if existing != nil {
		files, err = executeIn(t, all, "v1.36.0", existing)
	}
	if err != nil {
		t.Fatal(err)
	}
	objects, err := render.Objects([]byte(files["kube-dns/templates/nodelocal.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	containers, _, err := unstructured.NestedSlice(objects["DaemonSet node-local-dns"], "spec", "template", "spec",
		"containers")
	if err != nil || len(containers) != 1 {
		t.Fatal(fmt.Errorf("containers %v, %w", containers, err))
	}
	return containers[0].(map[string]any)
}

// TestPodMonitor checks that the PodMonitor exists only if requested: it requires the Prometheus
// operator.
func TestPodMonitor(t *testing.T) {
	for _, monitor := range []bool{false, true} {
		all := objects(t, chart(t, map[string]any{"nodeLocal": map[string]any{"enabled": true, "podMonitor": monitor}}))
		if got := all["PodMonitor node-local-dns"] != nil; got != monitor {
			t.Errorf("podMonitor=%v: there is a PodMonitor: %v", monitor, got)
		}
	}
}
