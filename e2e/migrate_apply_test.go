package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

const migrateNamespace = "migrate"

// A move keeps the Service at ready pods of one server at each moment, and can be repeated, both
// ways. Nodes are absent: the test makes pods ready.
func TestMigrateApply(t *testing.T) {
	kubectl := kubectlPath(t)
	tool(t, "", kubectl, "create", "namespace", migrateNamespace)
	tool(t, "apiVersion: v1\nkind: Node\nmetadata: {name: "+migrateNamespace+"}\n", kubectl, "apply", "-f", "-")
	t.Cleanup(func() {
		tool(t, "", kubectl, "delete", "node", migrateNamespace)
		tool(t, "", kubectl, "-n", migrateNamespace, "delete", "pods", "--all", "--force", "--grace-period=0")
		tool(t, "", kubectl, "delete", "namespace", migrateNamespace, "--wait=false")
		for _, kind := range []string{"clusterrole", "clusterrolebinding"} {
			tool(t, "", kubectl, "delete", kind, "kube-dns-endpointslices", "system:coredns", "--ignore-not-found")
		}
	})
	manifests := fmt.Sprintf(coreDNSManifests, "192.0.2.1", "192.0.2.2")
	tool(t, manifests, kubectl, "-n", migrateNamespace, "apply", "-f", "-")
	watch := makePodsReady(t)
	eventually(t, 30*time.Second, func() error { return leadsTo(t, "coredns-") })
	watch.begin()

	move := func(args ...string) string {
		args = append([]string{"migrate", "-n", migrateNamespace, "--apply", "--no-compare", "--drain", "1s"}, args...)
		return tool(t, "", rig.dir+"/bin/kubectl-kubedns", args...)
	}
	toKubeDNS := []string{"--to", "kube-dns", "--registry", "registry.example", "--tag", "v1"}
	for range 2 {
		move(toKubeDNS...)
		if err := leadsTo(t, "kube-dns-"); err != nil {
			t.Error(err)
		}
		status := tool(t, "", rig.dir+"/bin/kubectl-kubedns", "migrate", "-n", migrateNamespace, "--to", "kube-dns",
			"--status")
		if !strings.Contains(status, "kube-dns (deployment/kube-dns): 1 of 1 pods ready, 1 get queries") ||
			!strings.Contains(status, "coredns (deployment/coredns): 0 of 0 pods ready, 0 get queries") {
			t.Errorf("status:\n%s", status)
		}
		if out := move(toKubeDNS...); !strings.Contains(out, "the move is complete") {
			t.Errorf("a second move:\n%s", out)
		}
		move("--to", "coredns")
		if err := leadsTo(t, "coredns-"); err != nil {
			t.Error(err)
		}
	}
	t.Run("stopped", func(t *testing.T) {
		watch.hold(true)
		out, err := try(t, "", rig.dir+"/bin/kubectl-kubedns", append([]string{
			"migrate", "-n", migrateNamespace, "--apply", "--no-compare", "--wait", "3s",
		}, toKubeDNS...)...)
		if err == nil || !strings.Contains(out, "rolled back: service/kube-dns leads to deployment/coredns") {
			t.Errorf("got %v:\n%s", err, out)
		}
		watch.hold(false)
		if err := leadsTo(t, "coredns-"); err != nil {
			t.Error(err)
		}
	})
	t.Run("images", func(t *testing.T) { replaceImages(t, move, watch) })
	watch.end(t)
}

// replaceImages replaces the images of a kube-dns, and rolls back images that cannot start.
func replaceImages(t *testing.T, move func(...string) string, watch *podWatch) {
	move("--to", "kube-dns", "--registry", "registry.example", "--tag", "v1")
	kubectl := []string{"-n", migrateNamespace}
	run := func(args ...string) string { return tool(t, "", kubectlPath(t), append(kubectl, args...)...) }
	run("delete", "deployment/coredns")
	images := func() string {
		return run("get", "deployment/kube-dns", "-o",
			"jsonpath={.spec.template.spec.containers[*].image} {.spec.minReadySeconds} "+
				"{.spec.strategy.rollingUpdate.maxSurge} {.metadata.annotations.dns\\.kube-dns\\.io/replacing}")
	}
	before := images()
	move("--to", "kube-dns", "--registry", "registry.example/new", "--tag", "v2")
	want := strings.ReplaceAll(strings.ReplaceAll(before, "registry.example/", "registry.example/new/"), ":v1", ":v2")
	if got := images(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	watch.hold(true)
	out, err := try(t, "", rig.dir+"/bin/kubectl-kubedns", "migrate", "-n", migrateNamespace, "--apply", "--no-compare",
		"--wait", "3s", "--to", "kube-dns", "--registry", "registry.example/new", "--tag", "v3")
	if err == nil || !strings.Contains(out, "rolled back the images of deployment/kube-dns") {
		t.Errorf("got %v:\n%s", err, out)
	}
	watch.hold(false)
	if got := images(); got != want {
		t.Errorf("after a failed move: got %s, want %s", got, want)
	}
	if err := leadsTo(t, "kube-dns-"); err != nil {
		t.Error(err)
	}
	left := run("get", "endpointslices", "-l", "endpointslice.kubernetes.io/managed-by=kubectl-kubedns", "-o", "name")
	if left != "" {
		t.Errorf("EndpointSlices are left: %s", left)
	}
}

// leadsTo checks that the Service's endpoints are ready pods of one Deployment.
func leadsTo(t *testing.T, prefix string) error {
	pods, err := queriedPods(t.Context())
	if err != nil {
		return err
	}
	if len(pods) == 0 || slices.ContainsFunc(pods, func(name string) bool { return !strings.HasPrefix(name, prefix) }) {
		return fmt.Errorf("the Service leads to %v, want pods %s*", pods, prefix)
	}
	return nil
}

// queriedPods are the pods selected by the Service.
func queriedPods(ctx context.Context) ([]string, error) {
	list, err := rig.cluster.client.DiscoveryV1().EndpointSlices(migrateNamespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, slice := range list.Items {
		for _, e := range slice.Endpoints {
			if e.TargetRef != nil && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				names = append(names, e.TargetRef.Name)
			}
		}
	}
	return names, nil
}

// A podWatch acts as the kubelets, and checks the Service all the time.
type podWatch struct {
	mu      sync.Mutex
	begun   bool
	held    bool // new pods do not become ready
	trouble []string
}

func (w *podWatch) begin()         { w.mu.Lock(); defer w.mu.Unlock(); w.begun = true }
func (w *podWatch) hold(held bool) { w.mu.Lock(); defer w.mu.Unlock(); w.held = held }

func (w *podWatch) end(t *testing.T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = false
	if len(w.trouble) > 0 {
		t.Errorf("%d times the Service led to no pod, or to pods of both servers: %s", len(w.trouble), w.trouble[0])
	}
}

func makePodsReady(t *testing.T) *podWatch {
	w := &podWatch{}
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		for n := 1; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			n = w.tick(ctx, n)
		}
	})
	t.Cleanup(func() { cancel(); wait.Wait() })
	return w
}

// tick sets addresses of new pods, from n on, and checks the Service.
func (w *podWatch) tick(ctx context.Context, n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	client := rig.cluster.client.CoreV1().Pods(migrateNamespace)
	pods, err := client.List(ctx, metav1.ListOptions{})
	if err != nil {
		return n
	}
	for _, p := range pods.Items {
		if p.DeletionTimestamp != nil {
			now := int64(0)
			_ = client.Delete(ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}) // the next tick tries again
			continue
		}
		if p.Status.PodIP != "" || w.held {
			continue
		}
		if p.Spec.NodeName == "" {
			if err := client.Bind(ctx, &corev1.Binding{
				ObjectMeta: metav1.ObjectMeta{Name: p.Name}, Target: corev1.ObjectReference{Kind: "Node", Name: migrateNamespace},
			}, metav1.CreateOptions{}); err != nil {
				continue
			}
		}
		ip := fmt.Sprintf("10.244.99.%d", n)
		status, err := json.Marshal(map[string]any{"status": corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		}})
		if err != nil {
			panic(err)
		}
		_, err = client.Patch(ctx, p.Name, types.StrategicMergePatchType, status, metav1.PatchOptions{}, "status")
		if err != nil && !apierrors.IsNotFound(err) {
			continue
		}
		n++
	}
	names, err := queriedPods(ctx)
	if err != nil || !w.begun {
		return n
	}
	servers := map[string]bool{}
	for _, name := range names {
		servers[strings.Split(name, "-")[0]] = true
	}
	if len(servers) != 1 {
		w.trouble = append(w.trouble, fmt.Sprintf("%v", names))
	}
	return n
}
