//go:build node

package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/e2e/node/agent"
)

// against runs a load while do runs, and then for some time without it: the control run. More lost
// queries than in the control run are an error.
func (c *cluster) against(t *testing.T, load agent.LoadOptions, do func()) {
	t.Helper()
	began := time.Now()
	account := c.during(t, load, do)
	took := time.Since(began)
	progress(t, "disturbed for %.0f s: %v", took.Seconds(), &account)
	control := c.during(t, load, func() { time.Sleep(min(took, 30*time.Second)) })
	progress(t, "control run: %v", &control)
	if account.Bad() > control.Bad() {
		t.Errorf("%d queries were not answered right, %d in the control run\n%v\n%v", account.Bad(), control.Bad(), &account,
			&control)
	}
}

// rollingUpdate replaces both pods under load.
func (c *cluster) rollingUpdate(t *testing.T) {
	before := c.containers(t)
	c.against(t, c.load(t), func() {
		c.mustKubectl(t, "-n", "kube-system", "rollout", "restart", "deployment/kube-dns")
		c.rolledOut(t, "kube-system", "deployment/kube-dns")
		c.gone(t, before)
	})
}

// gone waits until the pods of these containers have exited.
func (c *cluster) gone(t *testing.T, containers map[string]string) {
	t.Helper()
	eventually(t, 3*time.Minute, func() error {
		for name := range c.containers(t) {
			if _, ok := containers[name]; ok {
				return fmt.Errorf("%s is still there", name)
			}
		}
		return nil
	})
}

// drain drains the node with kubectl. There is no other node, so the disruption budget must keep
// the second pod until the node accepts pods again.
func (c *cluster) drain(t *testing.T) {
	budgets, err := c.client.PolicyV1().PodDisruptionBudgets("kube-system").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(budgets.Items) == 0 {
		t.Fatal("the manifests bring no PodDisruptionBudget: a drain may take all pods at once")
	}
	before := c.containers(t)
	t.Cleanup(func() { _, _ = c.kubectl("uncordon", "node1") })
	c.against(t, c.load(t), func() {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "kubectl", "drain", "node1", "--pod-selector=k8s-app=kube-dns",
			"--delete-emptydir-data", "--timeout=230s")
		cmd.Env = append(os.Environ(), "KUBECONFIG="+c.dir+"/kubeconfig")
		var out []byte
		var drained error
		var running sync.WaitGroup
		running.Go(func() { out, drained = cmd.CombinedOutput() })
		defer running.Wait()

		// One pod exits, and its replacement cannot be scheduled.
		var stays corev1.Pod
		eventually(t, time.Minute, func() error {
			var going, serving, waiting int
			for _, p := range c.dnsPods(t) {
				switch {
				case p.DeletionTimestamp != nil:
					going++
				case p.Spec.NodeName == "":
					waiting++
				default:
					serving++
					stays = p
				}
			}
			if going == 1 && serving == 1 && waiting == 1 {
				return nil
			}
			return fmt.Errorf("%d pods going, %d serving, %d waiting for a node; want one each", going, serving, waiting)
		})
		c.wantBudgetHolds(t, stays.Name)
		progress(t, "one pod is evicted, %s is kept by the disruption budget", stays.Name)

		c.mustKubectl(t, "uncordon", "node1")
		running.Wait()
		if drained != nil {
			t.Fatalf("kubectl drain: %v\n%s", drained, out)
		}
		if !strings.Contains(string(out), "disruption budget") {
			t.Errorf("kubectl drain does not speak of the disruption budget:\n%s", out)
		}
		c.gone(t, before)
		c.mustKubectl(t, "uncordon", "node1")
		c.rolledOut(t, "kube-system", "deployment/kube-dns")
	})
}

// wantBudgetHolds tries to evict a pod; the API server must refuse.
func (c *cluster) wantBudgetHolds(t *testing.T, name string) {
	t.Helper()
	err := c.client.PolicyV1().Evictions("kube-system").Evict(t.Context(), &policyv1.Eviction{
		ObjectMeta:    metav1.ObjectMeta{Name: name, Namespace: "kube-system"},
		DeleteOptions: &metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}},
	})
	if !apierrors.IsTooManyRequests(err) {
		t.Errorf("evict pod %s: got %v, want that the disruption budget refuses it", name, err)
	}
}

// hung stops kube-dns in one pod, and then dnsmasq in another, with SIGSTOP: each is detected, and
// restarted by its liveness probe.
func (c *cluster) hung(t *testing.T) {
	var last string
	for _, tt := range []struct {
		container, process string
		// unready reports whether the pod gets no new queries: only a process that /readiness
		// checks has this effect.
		unready bool
	}{
		{"kubedns", "kube-dns", true},
		{"dnsmasq", "dnsmasq-nanny", false},
	} {
		t.Run(tt.container, func(t *testing.T) {
			c.settle(t)
			victim := c.otherPod(t, last)
			last = victim.Name
			count := restarts(victim, tt.container)
			signal(t, victim, tt.process, syscall.SIGSTOP)
			if tt.process == "dnsmasq-nanny" { // its child replies
				signal(t, victim, "dnsmasq", syscall.SIGSTOP)
			}
			began := time.Now()
			if tt.unready {
				eventually(t, time.Minute, func() error { return c.serving(t, victim, false) })
				progress(t, "the pod is out of the Service after %.0f s", time.Since(began).Seconds())
				time.Sleep(2 * time.Second) // for kube-proxy, which does not report that it is done
				account := c.during(t, c.load(t), func() { time.Sleep(8 * time.Second) })
				progress(t, "asked meanwhile: %v", &account)
				if account.Bad() > 0 {
					t.Errorf("the hung pod still gets queries: %v", &account)
				}
			}
			eventually(t, 4*time.Minute, func() error {
				p, err := c.client.CoreV1().Pods("kube-system").Get(t.Context(), victim.Name, metav1.GetOptions{})
				if err != nil {
					return err
				}
				if got := restarts(p, tt.container); got <= count {
					return fmt.Errorf("pod %s: container %s was restarted %d times, want more than %d", p.Name, tt.container, got,
						count)
				}
				if !ready(p) {
					return errors.New("the pod is not ready again")
				}
				return nil
			})
			progress(t, "%s is restarted and the pod ready after %.0f s", tt.container, time.Since(began).Seconds())
			eventually(t, time.Minute, func() error { return c.serving(t, victim, true) })
			eventually(t, patience, func() error { return c.answers(victim) })
		})
	}
}

// otherPod is a pod of kube-dns with another name: the liveness probes of the named pod can still
// react to the test.
func (c *cluster) otherPod(t *testing.T, name string) *corev1.Pod {
	t.Helper()
	for _, p := range c.dnsPods(t) {
		if p.Name != name {
			return &p
		}
	}
	t.Fatalf("there is no pod of kube-dns but %q", name)
	return nil
}

// answers queries kube-dns in a pod directly.
func (c *cluster) answers(p *corev1.Pod) error {
	a, err := c.shop.ask(p.Status.PodIP+":53", "kubernetes.default"+zone, "A", false)
	if err != nil {
		return err
	}
	if len(a.Records) != 1 || a.Records[0] != "A 10.96.0.1" {
		return fmt.Errorf("pod %s answers %s %q", p.Name, a.Rcode, a.Records)
	}
	return nil
}

// serving reports whether a pod is among the ready endpoints of the Service.
func (c *cluster) serving(t *testing.T, p *corev1.Pod, want bool) error {
	slices, err := c.client.DiscoveryV1().EndpointSlices("kube-system").List(t.Context(),
		metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=kube-dns"})
	if err != nil {
		return err
	}
	got := false
	for _, s := range slices.Items {
		for _, e := range s.Endpoints {
			if e.TargetRef != nil && e.TargetRef.Name == p.Name && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				got = true
			}
		}
	}
	if got != want {
		return fmt.Errorf("pod %s is a ready endpoint of the Service: %t, want %t", p.Name, got, want)
	}
	return nil
}
