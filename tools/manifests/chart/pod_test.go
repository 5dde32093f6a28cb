package chart

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

// pod returns the Deployment that the chart renders with these values, without unknown
// fields.
func pod(t *testing.T, values map[string]any) appsv1.Deployment {
	t.Helper()
	var d appsv1.Deployment
	for _, doc := range render.Documents(chart(t, values)) {
		if !strings.Contains(string(doc), "kind: Deployment\n") {
			continue
		}
		if err := yaml.UnmarshalStrict(doc, &d); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
	}
	return d
}

// TestPodValues sets each value of the pod and looks for it in the Deployment.
func TestPodValues(t *testing.T) {
	image := "registry.example/dns/k8s-dns-sidecar@sha256:" + strings.Repeat("0a", 32)
	mount := map[string]any{"name": "extra", "mountPath": "/extra"}
	each := func(v any) map[string]any { return map[string]any{"kubedns": v, "dnsmasq": v, "sidecar": v} }
	d := pod(t, map[string]any{
		"images":                    map[string]any{"sidecar": image},
		"podAnnotations":            map[string]any{"a.example/b": "c", "prometheus.io/port": "10055"},
		"podLabels":                 map[string]any{"team": "network"},
		"deploymentAnnotations":     map[string]any{"d.example/e": "f"},
		"priorityClassName":         "system-node-critical",
		"affinity":                  map[string]any{"nodeAffinity": map[string]any{}},
		"topologySpreadConstraints": []any{},
		"updateStrategy": map[string]any{
			"rollingUpdate": map[string]any{"maxSurge": 1, "maxUnavailable": "25%"},
		},
		"lameduck":                      40,
		"terminationGracePeriodSeconds": 45,
		"env":                           each([]any{map[string]any{"name": "GODEBUG", "value": "x=1"}}),
		"volumes":                       []any{map[string]any{"name": "extra", "emptyDir": map[string]any{}}},
		"volumeMounts":                  each([]any{mount}),
		"probes": map[string]any{
			"kubedns": map[string]any{"readiness": map[string]any{"periodSeconds": 2}},
			"dnsmasq": map[string]any{"liveness": map[string]any{"failureThreshold": 9}},
		},
		"monitoring": map[string]any{"annotations": false},
	})
	template := d.Spec.Template
	for _, c := range template.Spec.Containers {
		if !slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool { return e.Name == "GODEBUG" && e.Value == "x=1" }) {
			t.Errorf("container %s has no variable of env: %v", c.Name, c.Env)
		}
		if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == "/extra" }) {
			t.Errorf("container %s has no mount of volumeMounts: %v", c.Name, c.VolumeMounts)
		}
	}
	kubedns, dnsmasq, sidecar := template.Spec.Containers[0], template.Spec.Containers[1], template.Spec.Containers[2]
	for _, check := range []struct {
		what string
		ok   bool
	}{
		{"image", sidecar.Image == image},
		{"podAnnotations", template.Annotations["a.example/b"] == "c" &&
			template.Annotations["prometheus.io/port"] == "10055"},
		{"monitoring.annotations", template.Annotations["prometheus.io/scrape"] == ""},
		{"podLabels", template.Labels["team"] == "network" && template.Labels["k8s-app"] == "kube-dns"},
		{"deploymentAnnotations", d.Annotations["d.example/e"] == "f"},
		{"priorityClassName", template.Spec.PriorityClassName == "system-node-critical"},
		{"affinity", template.Spec.Affinity.NodeAffinity != nil && template.Spec.Affinity.PodAntiAffinity == nil},
		{"topologySpreadConstraints", len(template.Spec.TopologySpreadConstraints) == 0},
		{"updateStrategy", d.Spec.Strategy.RollingUpdate.MaxUnavailable.StrVal == "25%"},
		{"terminationGracePeriodSeconds", *template.Spec.TerminationGracePeriodSeconds == 45},
		{"lameduck of dnsmasq", slices.Contains(dnsmasq.Args, "-lameduck=40s")},
		{"lameduck of kubedns", slices.Contains(kubedns.Args, "--lameduck=42s")},
		{"lameduck of sidecar", slices.Contains(sidecar.Args, "--lameduck=43s")},
		{"volumes", slices.ContainsFunc(template.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == "extra" })},
		{"readiness", kubedns.ReadinessProbe.PeriodSeconds == 2 && kubedns.ReadinessProbe.HTTPGet.Path == "/readiness"},
		{"liveness", dnsmasq.LivenessProbe.FailureThreshold == 9 && dnsmasq.LivenessProbe.TimeoutSeconds == 5},
		{"resources", kubedns.Resources.Requests.Memory().Equal(resource.MustParse("70Mi"))},
	} {
		if !check.ok {
			t.Errorf("%s is not in the Deployment", check.what)
		}
	}
}

// TestMonitoring renders monitors, rules, dashboards and the policy.
func TestMonitoring(t *testing.T) {
	label := map[string]any{"release": "prometheus"}
	on := map[string]any{"enabled": true, "labels": label}
	all := objects(t, chart(t, map[string]any{
		"monitoring": map[string]any{"podMonitor": on, "rules": on, "dashboards": map[string]any{"enabled": true}},
		"networkPolicy": map[string]any{
			"enabled":  true,
			"httpFrom": []any{map[string]any{"namespaceSelector": map[string]any{}}},
		},
	}))
	for _, key := range []string{"PodMonitor kube-dns", "PrometheusRule kube-dns"} {
		labels, _ := all[key]["metadata"].(map[string]any)["labels"].(map[string]any)
		if labels["release"] != "prometheus" {
			t.Errorf("%s has labels %v", key, labels)
		}
	}
	alerts := 0
	for _, group := range all["PrometheusRule kube-dns"]["spec"].(map[string]any)["groups"].([]any) {
		for _, rule := range group.(map[string]any)["rules"].([]any) {
			if rule.(map[string]any)["alert"] != nil {
				alerts++
			}
		}
	}
	if alerts < 40 {
		t.Errorf("the rules have %d alerts", alerts)
	}
	for _, name := range []string{"api", "fleet", "node-cache", "pod", "upstreams"} {
		if all["ConfigMap kube-dns-dashboard-"+name] == nil {
			t.Errorf("there is no ConfigMap for the dashboard %s", name)
		}
	}
	if all["NetworkPolicy kube-dns"] == nil {
		t.Error("there is no NetworkPolicy")
	}
}

// TestNoOperator checks that the chart names missing parts of a cluster that it can read.
func TestNoOperator(t *testing.T) {
	namespace := &corev1.Namespace{}
	namespace.APIVersion, namespace.Kind, namespace.Name = "v1", "Namespace", "kube-system"
	namespace.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{Version: "v1", Kind: "Namespace"})
	for _, value := range []string{"podMonitor", "rules"} {
		values := map[string]any{"monitoring": map[string]any{value: map[string]any{"enabled": true}}}
		_, err := executeIn(t, values, "v1.36.0", []runtime.Object{namespace}...)
		if err == nil || !strings.Contains(err.Error(), "monitoring."+value+" is on") {
			t.Errorf("%s: got error %v, want one that names it", value, err)
		}
	}
}

// TestHelmTest renders the pod of `helm test` for both IP families.
func TestHelmTest(t *testing.T) {
	for address, want := range map[string]string{"10.96.0.10": "udp,10.96.0.10,", "fd00::a": "udp,[fd00::a],"} {
		files, err := execute(t, map[string]any{"clusterIP": address, "clusterDomain": "k8s.example."})
		if err != nil {
			t.Fatal(err)
		}
		var p corev1.Pod
		if err := yaml.UnmarshalStrict([]byte(files["kube-dns/templates/tests/answers.yaml"]), &p); err != nil {
			t.Fatal(err)
		}
		args := strings.Join(p.Spec.Containers[0].Args, " ")
		if !strings.Contains(args, want+"kubernetes.default.svc.k8s.example,5,SRV") {
			t.Errorf("arguments of the test are %s, want %s", args, want)
		}
	}
}
