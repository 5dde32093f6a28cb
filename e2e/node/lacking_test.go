//go:build node

package node

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// lacking applies the manifests without something that they require: one event or one log line
// names it, and no container restarts repeatedly.
func (c *cluster) lacking(t *testing.T) {
	t.Run("no ConfigMap, no right to EndpointSlices", func(t *testing.T) { c.lackingObjects(t) })
	for _, tt := range []struct {
		name, reason string
		// text is the name required in the event.
		text string
		take func(*corev1.PodSpec)
	}{
		// Like a kubelet before 1.22, which does not list the manifests' sysctl as safe.
		{"a sysctl that the kubelet refuses", "SysctlForbidden", `"kernel.msgmax"`, func(s *corev1.PodSpec) {
			s.SecurityContext.Sysctls = []corev1.Sysctl{{Name: "kernel.msgmax", Value: "65536"}}
		}},
		{"no certificate of the API server", "FailedMount", `configmap "not-there" not found`, func(s *corev1.PodSpec) {
			for _, v := range s.Volumes {
				if v.Name == "api-access" {
					v.Projected.Sources[1].ConfigMap.Name = "not-there"
				}
			}
		}},
		{"no service account", "FailedCreate", `serviceaccount "not-there" not found`, func(s *corev1.PodSpec) {
			s.ServiceAccountName, s.DeprecatedServiceAccount = "not-there", ""
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-dns-lacking"}}
			labels, one := map[string]string{"k8s-app": d.Name}, int32(1)
			c.deployment.Spec.DeepCopyInto(&d.Spec)
			d.Spec.Replicas, d.Spec.Template.Labels = &one, labels
			d.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
			tt.take(&d.Spec.Template.Spec)
			deployments := c.client.AppsV1().Deployments(d.Namespace)
			if _, err := deployments.Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _, _ = c.kubectl("-n", d.Namespace, "delete", "deployment", d.Name, "--cascade=foreground") })
			eventually(t, time.Minute, func() error { return c.wantEvent(t, d.Name, tt.reason, tt.text) })
			out := c.mustKubectl(t, "-n", d.Namespace, "get", "pods", "-l", "k8s-app="+d.Name)
			progress(t, "kubectl get pods:\n%s", out)
			if strings.Contains(out, "CrashLoopBackOff") {
				t.Errorf("a container is restarted over and over:\n%s", out)
			}
		})
	}
}

// wantEvent looks for an event about an object of that Deployment.
func (c *cluster) wantEvent(t *testing.T, deployment, reason, text string) error {
	list, err := c.client.CoreV1().Events("kube-system").List(t.Context(),
		metav1.ListOptions{FieldSelector: "reason=" + reason})
	if err != nil {
		return err
	}
	for _, e := range list.Items {
		if strings.HasPrefix(e.InvolvedObject.Name, deployment+"-") && strings.Contains(e.Message, text) {
			progress(t, "%s %s: %s", e.InvolvedObject.Kind, e.Reason, e.Message)
			return nil
		}
	}
	return fmt.Errorf("no event %s of %s with %q", reason, deployment, text)
}

// lackingObjects removes the ConfigMap and the right to EndpointSlices and restarts the pods: they
// work, and report the missing parts.
func (c *cluster) lackingObjects(t *testing.T) {
	t.Cleanup(func() {
		c.deploy(t, "modern")
		c.mustKubectl(t, "-n", "kube-system", "rollout", "restart", "deployment/kube-dns") // slices are read from a start on
	})
	c.mustKubectl(t, "-n", "kube-system", "delete", "configmap", "kube-dns", "--ignore-not-found")
	c.mustKubectl(t, "delete", "clusterrolebinding", "kube-dns-endpointslices", "--ignore-not-found")
	before := c.containers(t)
	c.mustKubectl(t, "-n", "kube-system", "rollout", "restart", "deployment/kube-dns")
	c.rolledOut(t, "kube-system", "deployment/kube-dns")
	c.gone(t, before)
	c.settle(t)
	db := c.waitPod(t, "shop", "db-0")
	eventually(t, patience, func() error {
		return errors.Join(c.shop.wantResolved("db-0.db", db.ip),
			c.shop.wantResolved("www.example.test", "192.0.2.80", "2001:db8::80"))
	})
	for _, p := range c.dnsPods(t) {
		eventually(t, patience, func() error {
			out, err := c.kubectl("-n", "kube-system", "logs", p.Name, "-c", "kubedns")
			if err != nil {
				return err
			}
			return errors.Join(
				wantLine(out, "not allowed to read EndpointSlices"),
				wantLine(out, "using the configuration", "stubDomains=0"),
			)
		})
		for _, s := range p.Status.ContainerStatuses {
			if s.RestartCount > 0 {
				t.Errorf("container %s of pod %s was restarted %d times", s.Name, p.Name, s.RestartCount)
			}
		}
	}
}
