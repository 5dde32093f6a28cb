package main

import (
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

// TestNetworkPolicy adds the component network-policy to each overlay. The policy selects the pods,
// and opens exactly their ports. Upstreams remain reachable at every port, since they can be
// queried over TLS.
func TestNetworkPolicy(t *testing.T) {
	tree, err := render.Load("../../manifests", render.Default())
	if err != nil {
		t.Fatal(err)
	}
	for folder := range folders {
		if folder == "overlays/canary" {
			continue // its pods have their own labels
		}
		t.Run(folder, func(t *testing.T) {
			text := "resources: [../../" + folder + "]\ncomponents: [../../components/network-policy]\n"
			if err := tree.Write("overlays/with-policy/kustomization.yaml", []byte(text)); err != nil {
				t.Fatal(err)
			}
			out, err := tree.YAML("overlays/with-policy")
			if err != nil {
				t.Fatal(err)
			}
			objects, err := render.Objects(out)
			if err != nil {
				t.Fatal(err)
			}
			var d appsv1.Deployment
			var p networkingv1.NetworkPolicy
			for key, into := range map[string]any{"Deployment kube-dns": &d, "NetworkPolicy kube-dns": &p} {
				if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[key], into); err != nil {
					t.Fatalf("%s: %v", key, err)
				}
			}
			checkPolicy(t, p.Spec, d.Spec.Template)
		})
	}
}

func checkPolicy(t *testing.T, p networkingv1.NetworkPolicySpec, pod corev1.PodTemplateSpec) {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(&p.PodSelector)
	if err != nil || !selector.Matches(labels.Set(pod.Labels)) {
		t.Errorf("the policy selects %v (%v), and the pods have the labels %v", selector, err, pod.Labels)
	}
	if !slices.Equal(p.PolicyTypes, []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}) || len(p.Egress) > 0 {
		t.Errorf("the policy has types %v and rules %v for what the pods send", p.PolicyTypes, p.Egress)
	}
	type port struct {
		number   int32
		protocol corev1.Protocol
	}
	open := map[port]bool{}
	for _, rule := range p.Ingress {
		for _, r := range rule.Ports {
			open[port{r.Port.IntVal, *r.Protocol}] = true
		}
	}
	want := map[port]bool{
		{8081, corev1.ProtocolTCP}:  true, // of kube-dns, for the kubelet
		{10056, corev1.ProtocolTCP}: true, // of a nanny with -httpAddr
	}
	for _, c := range pod.Spec.Containers {
		for _, cp := range c.Ports {
			// Only dnsmasq in the same pod sends queries there.
			if cp.ContainerPort != 10053 {
				want[port{cp.ContainerPort, cp.Protocol}] = true
			}
		}
	}
	if !maps.Equal(open, want) {
		t.Errorf("the policy opens %v, want %v", open, want)
	}
}
