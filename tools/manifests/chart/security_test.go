package chart

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

// TestPodSecurity checks the Pod Security Standard of the chart's pods: kube-dns, the
// autoscaler and the pod of `helm test`.
func TestPodSecurity(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	scaled := map[string]any{"enabled": true, "image": "registry.example/cpa:v1"}
	for _, tt := range []struct {
		values map[string]any
		level  api.Level
		pods   int
	}{
		{nil, api.LevelRestricted, 2},
		{map[string]any{"clusterFirst": true}, api.LevelRestricted, 2},
		{map[string]any{"autoscaler": scaled}, api.LevelRestricted, 3},
		{map[string]any{"modern": false}, api.LevelBaseline, 2},
	} {
		files, err := execute(t, tt.values)
		if err != nil {
			t.Fatal(err)
		}
		pods := podsOf(t, files)
		if len(pods) != tt.pods {
			t.Errorf("%v: got %d pods, want %d", tt.values, len(pods), tt.pods)
		}
		for name, pod := range pods {
			for _, r := range evaluator.EvaluatePod(api.LevelVersion{Level: tt.level, Version: api.LatestVersion()},
				&pod.ObjectMeta, &pod.Spec) {
				if !r.Allowed {
					t.Errorf("%v: %s is not %s: %s: %s", tt.values, name, tt.level, r.ForbiddenReason, r.ForbiddenDetail)
				}
			}
		}
	}
}

// podsOf returns the pods of rendered Deployments, and the pods themselves, by name.
func podsOf(t *testing.T, files map[string]string) map[string]corev1.PodTemplateSpec {
	t.Helper()
	pods := map[string]corev1.PodTemplateSpec{}
	for name, text := range files {
		if !strings.HasSuffix(name, ".yaml") {
			continue
		}
		for _, doc := range render.Documents([]byte(text)) {
			var d appsv1.Deployment
			var p corev1.Pod
			switch {
			case strings.Contains(string(doc), "\nkind: Deployment\n"):
				if err := yaml.UnmarshalStrict(doc, &d); err != nil {
					t.Fatal(err)
				}
				pods[d.Name] = d.Spec.Template
			case strings.Contains(string(doc), "\nkind: Pod\n"):
				if err := yaml.UnmarshalStrict(doc, &p); err != nil {
					t.Fatal(err)
				}
				pods[p.Name] = corev1.PodTemplateSpec{ObjectMeta: p.ObjectMeta, Spec: p.Spec}
			}
		}
	}
	return pods
}
