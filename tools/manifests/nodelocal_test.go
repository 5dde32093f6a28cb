package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

const linkLocal = "169.254.20.10"

// TestNodeLocal checks the cache of both modes of kube-proxy.
func TestNodeLocal(t *testing.T) {
	tree, err := render.Load("../../manifests", render.Default())
	if err != nil {
		t.Fatal(err)
	}
	for component, addresses := range map[string]string{
		"node-local": linkLocal + ",10.96.0.10", "node-local-ipvs": linkLocal,
	} {
		t.Run(component, func(t *testing.T) {
			text := "resources: [../../base, ../../cluster]\ncomponents: [../../components/" + component + "]\n"
			if err := tree.Write("overlays/cache/kustomization.yaml", []byte(text)); err != nil {
				t.Fatal(err)
			}
			out, err := tree.YAML("overlays/cache")
			if err != nil {
				t.Fatal(err)
			}
			objects, err := render.Objects(out)
			if err != nil {
				t.Fatal(err)
			}
			d := typed[appsv1.DaemonSet](t, objects["DaemonSet node-local-dns"])
			c := d.Spec.Template.Spec.Containers[0]
			if got := one(t, flags(expanded(c)), "localip", ""); got != addresses {
				t.Errorf("-localip is %s, want %s", got, addresses)
			}
			checkUpdate(t, d)
			checkProbesOfCache(t, c)
			checkPrivileges(t, d)
			checkMetrics(t, typed[corev1.Service](t, objects["Service node-local-dns"]))
		})
	}
}

// checkUpdate checks that the new pod of an update can run next to the old pod.
func checkUpdate(t *testing.T, d appsv1.DaemonSet) {
	t.Helper()
	update := d.Spec.UpdateStrategy.RollingUpdate
	surge, err := intstr.GetScaledValueFromIntOrPercent(update.MaxSurge, 1, true)
	if err != nil || surge != 1 || update.MaxUnavailable.String() != "0" {
		t.Errorf("on one node maxSurge is %v, %v and maxUnavailable %v, want 1 and 0", surge, err, update.MaxUnavailable)
	}
	for _, c := range d.Spec.Template.Spec.Containers {
		if len(c.Ports) > 0 {
			t.Errorf("container %s has ports: the second pod on a node would stay Pending", c.Name)
		}
	}
}

// checkProbesOfCache checks that the probes use the address of the cache.
func checkProbesOfCache(t *testing.T, c corev1.Container) {
	t.Helper()
	want := one(t, flags(c.Args), "health-listen-address", "")
	for path, probe := range map[string]*corev1.Probe{"/ready": c.ReadinessProbe, "/health": c.LivenessProbe} {
		get := probe.HTTPGet
		if got := get.Host + ":" + get.Port.String(); got != want || get.Path != path {
			t.Errorf("a probe asks for %s at %s, want %s at %s", get.Path, got, path, want)
		}
	}
}

// checkPrivileges checks that the pod has no unneeded privileges. hostNetwork and NET_ADMIN are
// beyond the standard baseline.
func checkPrivileges(t *testing.T, d appsv1.DaemonSet) {
	t.Helper()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	pod := d.Spec.Template
	var reasons []string
	for _, r := range evaluator.EvaluatePod(api.LevelVersion{Level: api.LevelBaseline, Version: api.LatestVersion()},
		&pod.ObjectMeta, &pod.Spec) {
		if !r.Allowed {
			reasons = append(reasons, r.ForbiddenReason)
		}
	}
	slices.Sort(reasons)
	want := []string{"host namespaces", "hostPath volumes", "non-default capabilities", "probe or lifecycle host"}
	if !slices.Equal(reasons, want) {
		t.Errorf("the pod is not baseline for %q, want %q", reasons, want)
	}
}

// checkMetrics checks that Prometheus finds the port, which the container does not name.
func checkMetrics(t *testing.T, s corev1.Service) {
	t.Helper()
	if len(s.Spec.Ports) != 1 || s.Spec.Ports[0].TargetPort != intstr.FromInt32(9253) || s.Spec.ClusterIP != "None" {
		t.Errorf("got %+v, want the number 9253 without a ClusterIP", s.Spec)
	}
}

// checkNodeLocal checks that the cache is that of the cluster.
func checkNodeLocal(t *testing.T, objects map[string]map[string]any, cluster render.Cluster, parsers *parsers) {
	t.Helper()
	d := typed[appsv1.DaemonSet](t, objects["DaemonSet node-local-dns"])
	c := d.Spec.Template.Spec.Containers[0]
	if want := cluster.Registry + "/k8s-dns-node-cache:" + cluster.Version; c.Image != want {
		t.Errorf("the image is %s, want %s", c.Image, want)
	}
	args := expanded(c)
	addresses := strings.Split(one(t, flags(args), "localip", ""), ",")
	if addresses[0] != linkLocal || len(addresses) > 1 && addresses[1] != cluster.Address {
		t.Errorf("-localip is %s, want %s and perhaps %s", addresses, linkLocal, cluster.Address)
	}
	service := typed[corev1.Service](t, objects["Service "+one(t, flags(args), "upstreamsvc", "")])
	if service.Spec.ClusterIP != "" || service.Spec.Selector["k8s-app"] != "kube-dns" {
		t.Errorf("the upstream has %+v, want the pods of kube-dns and an address of its own", service.Spec)
	}
	config := typed[corev1.ConfigMap](t, objects["ConfigMap node-local-dns"])
	if text := config.Data["Corefile"]; !strings.HasPrefix(text, cluster.Zone+":53 {\n    errors\n") ||
		strings.Count(text, ":53 {\n") != 4 || strings.Contains(text, "cluster.local") {
		t.Errorf("the Corefile does not begin with the zone %s:\n%s", cluster.Zone, text)
	}
	parsers.run(t, filepath.Join(parsers.dir, "node-cache"), append(slices.Clone(args), "-version"))
}

// typed decodes an object into its type.
func typed[T any](t *testing.T, object map[string]any) T {
	t.Helper()
	var out T
	text, err := yaml.Marshal(object)
	if err != nil || object == nil {
		t.Fatalf("object %v: %v", object, err)
	}
	if err := yaml.UnmarshalStrict(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
