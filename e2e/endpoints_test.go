package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// One Endpoints object is limited to 1,000 addresses; slices are not.
func TestMoreThanThousandEndpoints(t *testing.T) {
	k, target := follow(t, rig.cluster.kubeDNSIdentity(t, true, false))
	const n = 2500
	objects := []map[string]any{service("large", "crowd", map[string]any{"clusterIP": "None"})}
	var want []string
	for first := 0; first < n; first += 1000 {
		var addrs []string
		for i := first; i < min(n, first+1000); i++ {
			addrs = append(addrs, netip.AddrFrom4([4]byte{10, 245, byte(i >> 8), byte(i)}).String())
			want = append(want, "A "+addrs[len(addrs)-1])
		}
		part := slice("v1", "large", "crowd", addrs...)
		part["metadata"].(map[string]any)["name"] = fmt.Sprintf("crowd-%d", first)
		objects = append(objects, part)
	}
	change(t, target, objects)
	q := question{name: "crowd.large.svc.cluster.local", qtype: dns.TypeA, tcp: true}
	mustAnswer(t, k.dns, q, dns.RcodeSuccess, want...)

	change(t, target, nil, conformance.Object(objects[1]).Ref())
	mustAnswer(t, k.dns, q, dns.RcodeSuccess, want[1000:]...)
}

// A Service that becomes headless later has its endpoints at once, in any order of events.
func TestBecomesHeadless(t *testing.T) {
	for _, mode := range []struct {
		name, kind string
		slices     bool
		ends       func(service string) map[string]any
	}{
		{"slices", "EndpointSlice", true, func(service string) map[string]any {
			return slice("v1", "turn", service, "10.244.73.1", "10.244.73.2")
		}},
		{"endpoints", "Endpoints", false, func(service string) map[string]any {
			return endpoints("turn", service, "10.244.73.1", "10.244.73.2")
		}},
	} {
		t.Run(mode.name, func(t *testing.T) {
			k, target := follow(t, rig.cluster.kubeDNSIdentity(t, mode.slices, false))
			target.endpoints = mode.kind
			addresses := []string{"A 10.244.73.1", "A 10.244.73.2"}

			q := question{name: "door.turn.svc.cluster.local", qtype: dns.TypeA}
			change(t, target, []map[string]any{service("turn", "door", map[string]any{"clusterIP": "10.96.73.1"}),
				mode.ends("door")})
			mustAnswer(t, k.dns, q, dns.RcodeSuccess, "A 10.96.73.1")
			patchService(t, "turn", "door", `{"spec":{"type":"ExternalName","externalName":"10.9.9.9"}}`)
			mustAnswer(t, k.dns, q, dns.RcodeSuccess, "A 10.9.9.9")
			patchService(t, "turn", "door",
				`{"spec":{"type":"ClusterIP","externalName":null,"clusterIP":"None","clusterIPs":["None"]}}`)
			mustAnswer(t, k.dns, q, dns.RcodeSuccess, addresses...)

			// Endpoints before their Service.
			q.name = "gate.turn.svc.cluster.local"
			change(t, target, []map[string]any{mode.ends("gate")})
			mustAnswer(t, k.dns, q, dns.RcodeNameError)
			change(t, target, []map[string]any{service("turn", "gate", map[string]any{"clusterIP": "None"})})
			mustAnswer(t, k.dns, q, dns.RcodeSuccess, addresses...)
		})
	}
}

func patchService(t *testing.T, namespace, name, patch string) {
	t.Helper()
	_, err := rig.cluster.client.CoreV1().Services(namespace).
		Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		t.Fatalf("patch service %s/%s with %s: %v", namespace, name, patch, err)
	}
}

// Pods, as objects without a kubelet, for which the cluster's own controllers create slices of both
// families; and manual Endpoints, which they mirror.
func TestEndpointsOfControllers(t *testing.T) {
	k, target := follow(t, rig.cluster.kubeDNSIdentity(t, true, false))
	change(t, target, []map[string]any{{"apiVersion": "v1", "kind": "Node",
		"metadata": map[string]any{"name": "e2e-node"}}})
	set := map[string]any{
		"clusterIP": "None", "ipFamilyPolicy": "RequireDualStack",
		"selector": map[string]any{"app": "db"},
		"ports":    []any{map[string]any{"name": "pg", "port": 5432}},
	}
	eager := map[string]any{
		"clusterIP": "None", "selector": map[string]any{"app": "db"}, "publishNotReadyAddresses": true,
	}
	change(t, target, []map[string]any{
		service("made", "db", set), service("made", "db-all", eager),
		service("made", "hand", map[string]any{"clusterIP": "None"}),
	})
	makePod(t, "db-0", "10.244.74.1", "fd00:10:244::1", true)
	makePod(t, "db-1", "10.244.74.2", "fd00:10:244::2", false)
	// Not through the target, which would disable the mirroring.
	hand := &corev1.Endpoints{
		ObjectMeta: metav1.ObjectMeta{Name: "hand"},
		Subsets:    []corev1.EndpointSubset{{Addresses: []corev1.EndpointAddress{{IP: "10.244.74.9"}}}},
	}
	if _, err := rig.cluster.client.CoreV1().Endpoints("made").Create(t.Context(), hand,
		metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	removeLater(t, target, conformance.Ref{Kind: "Endpoints", Namespace: "made", Name: "hand"})

	ask := func(name string, qtype uint16, rcode int, records ...string) {
		t.Helper()
		eventually(t, 30*time.Second, func() error { // the controllers are slow
			return wantAnswer(k.dns, question{name: name + ".made.svc.cluster.local", qtype: qtype}, rcode, records...)
		})
	}
	ask("db", dns.TypeA, dns.RcodeSuccess, "A 10.244.74.1")
	ask("db", dns.TypeAAAA, dns.RcodeSuccess, "AAAA fd00:10:244::1")
	ask("db-0.db", dns.TypeA, dns.RcodeSuccess, "A 10.244.74.1")
	ask("db-0.db", dns.TypeAAAA, dns.RcodeSuccess, "AAAA fd00:10:244::1")
	ask("db-1.db", dns.TypeA, dns.RcodeNameError)
	ask("_pg._tcp.db", dns.TypeSRV, dns.RcodeSuccess, "SRV 10 100 5432 db-0.db.made.svc.cluster.local.")
	ask("db-all", dns.TypeA, dns.RcodeSuccess, "A 10.244.74.1", "A 10.244.74.2")
	ask("hand", dns.TypeA, dns.RcodeSuccess, "A 10.244.74.9")
	mustAnswer(t, k.dns, question{name: "1.74.244.10.in-addr.arpa", qtype: dns.TypePTR}, dns.RcodeSuccess,
		"PTR db-0.db.made.svc.cluster.local.")

	setReady(t, "db-1", true)
	ask("db", dns.TypeA, dns.RcodeSuccess, "A 10.244.74.1", "A 10.244.74.2")
	setReady(t, "db-0", false)
	ask("db", dns.TypeA, dns.RcodeSuccess, "A 10.244.74.2")
	ask("db-0.db", dns.TypeA, dns.RcodeNameError)
	deletePod(t, "db-1")
	ask("db", dns.TypeA, dns.RcodeNameError)
	ask("db-all", dns.TypeA, dns.RcodeSuccess, "A 10.244.74.1")
}

// makePod creates a pod of the namespace "made", named as by a StatefulSet, on a node and with
// addresses.
func makePod(t *testing.T, name, ip4, ip6 string, ready bool) {
	t.Helper()
	zero := int64(0)
	set, _, _ := strings.Cut(name, "-")
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "db"}},
		Spec: corev1.PodSpec{
			NodeName: "e2e-node", Hostname: name, Subdomain: set, TerminationGracePeriodSeconds: &zero,
			Containers: []corev1.Container{{Name: "none", Image: "none"}},
		},
	}
	pods := rig.cluster.client.CoreV1().Pods("made")
	eventually(t, 30*time.Second, func() error { // the namespace's service account comes a moment later
		_, err := pods.Create(t.Context(), pod, metav1.CreateOptions{})
		return err
	})
	t.Cleanup(func() { deletePod(t, name) })
	status := fmt.Sprintf(`{"status":{"phase":"Running","podIP":%q,"podIPs":[{"ip":%q},{"ip":%q}]}}`, ip4, ip4, ip6)
	if _, err := pods.Patch(t.Context(), name, types.MergePatchType, []byte(status), metav1.PatchOptions{},
		"status"); err != nil {
		t.Fatal(err)
	}
	setReady(t, name, ready)
}

func setReady(t *testing.T, name string, ready bool) {
	t.Helper()
	status := map[bool]string{true: "True", false: "False"}[ready]
	patch := fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":%q}]}}`, status)
	_, err := rig.cluster.client.CoreV1().Pods("made").
		Patch(t.Context(), name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	if err != nil {
		t.Fatalf("make pod %s ready=%t: %v", name, ready, err)
	}
}

func deletePod(t *testing.T, name string) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	err := rig.cluster.client.CoreV1().Pods("made").Delete(ctx, name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Errorf("delete pod %s: %v", name, err)
	}
}
