//go:build node

package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/e2e/node/agent"
)

// coreDNSImage is that of images.sh.
const coreDNSImage = "localhost/coredns:1"

// drain is twice as long as the kernel keeps a UDP connection. The load uses enough source ports
// that some are reused, and keep their connection to an old pod, for 30 s more.
const drain = "65s"

// migrate moves the cluster's DNS to CoreDNS, from CoreDNS to a new kube-dns, and back, under load.
func (c *cluster) migrate(t *testing.T) {
	stub := `{"stub.test":["` + nodeIP + `:5301"]}`
	c.setConfig(t, map[string]string{"stubDomains": stub})
	t.Cleanup(func() {
		c.deploy(t, "modern")
		for _, object := range []string{
			"deployment/coredns", "configmap/coredns", "serviceaccount/coredns", "configmap/kube-dns-migration",
			"clusterrole/system:coredns", "clusterrolebinding/system:coredns",
		} {
			_, _ = c.kubectl("-n", "kube-system", "delete", object, "--ignore-not-found")
		}
		c.setConfig(t, nil)
	})
	toKubeDNS := []string{"--to", "kube-dns", "--registry", "localhost", "--tag", "dev"}
	toCoreDNS := []string{"--to", "coredns", "--image", coreDNSImage}
	for _, tt := range []struct {
		name, deployment string
		args             []string
	}{
		{"kube-dns to CoreDNS", "coredns", toCoreDNS},
		{"CoreDNS to kube-dns", "kube-dns", toKubeDNS},
		{"back to CoreDNS", "coredns", toCoreDNS},
		{"and to kube-dns", "kube-dns", toKubeDNS},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.name == "CoreDNS to kube-dns" { // as in a cluster that never had it
				c.mustKubectl(t, "-n", "kube-system", "delete", "deployment/kube-dns", "configmap/kube-dns")
			}
			account := c.during(t, c.moveLoad(t), func() {
				out, err := c.plugin(t, append([]string{"migrate", "--apply", "--drain", drain}, tt.args...)...)
				if err != nil {
					t.Fatal(err)
				}
				progress(t, "%s", out)
			})
			progress(t, "moved under load: %v", &account)
			wantNoneBad(t, &account)
			c.movedTo(t, tt.deployment)
		})
	}
	t.Run("again", func(t *testing.T) {
		out, err := c.plugin(t, append([]string{"migrate", "--apply"}, toKubeDNS...)...)
		if err != nil || !strings.Contains(out, "the move is complete") {
			t.Errorf("got %v: %s", err, out)
		}
	})
	t.Run("a pod that cannot start", func(t *testing.T) { c.moveFails(t) })
}

// wantNoneBad checks that each query got its right reply.
func wantNoneBad(t *testing.T, account *agent.Account) {
	t.Helper()
	if account.Bad() > 0 {
		t.Errorf("queries were lost: %v", account)
	}
}

// moveFails has a move that fails at pods that never get ready: everything is rolled back.
func (c *cluster) moveFails(t *testing.T) {
	c.mustKubectl(t, "-n", "kube-system", "delete", "deployment/coredns")
	account := c.during(t, c.moveLoad(t), func() {
		out, err := c.plugin(t, "migrate", "--apply", "--to", "coredns", "--image", "localhost/missing:1", "--wait", "20s")
		if err == nil || !strings.Contains(out, "rolled back: service/kube-dns leads to deployment/kube-dns") {
			t.Errorf("got %v: %s", err, out)
		}
	})
	wantNoneBad(t, &account)
	c.movedTo(t, "kube-dns")
}

// moveLoad is the load without the record with a different priority on each server.
func (c *cluster) moveLoad(t *testing.T) agent.LoadOptions {
	opts := c.load(t)
	opts.Questions = slices.DeleteFunc(opts.Questions, func(q agent.Question) bool { return q.Type == "SRV" })
	opts.Questions = append(opts.Questions, agent.Question{Name: "printer.stub.test", Type: "A", Record: "A 192.0.2.83"})
	return opts
}

// movedTo checks that only the pods of one Deployment get queries, and reply.
func (c *cluster) movedTo(t *testing.T, deployment string) {
	t.Helper()
	s, err := c.client.CoreV1().Services("kube-system").Get(t.Context(), "kube-dns", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Spec.Selector) != 1 || s.Spec.Selector["k8s-app"] != "kube-dns" {
		t.Errorf("the Service selects %v", s.Spec.Selector)
	}
	c.leadsTo(t, deployment+"-")
	eventually(t, time.Minute, func() error {
		web := c.service(t, "shop", "web")
		return errors.Join(c.shop.wantResolved("web", web...), c.shop.wantA("printer.stub.test", "192.0.2.83"))
	})
}

// leadsTo waits until the Service selects two pods of that prefix, and no other pods.
func (c *cluster) leadsTo(t *testing.T, prefix string) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		list, err := c.client.DiscoveryV1().EndpointSlices("kube-system").List(t.Context(),
			metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=kube-dns"})
		if err != nil {
			return err
		}
		ready := 0
		for _, slice := range list.Items {
			for _, e := range slice.Endpoints {
				if e.Conditions.Ready != nil && !*e.Conditions.Ready {
					continue // terminating
				}
				if !strings.HasPrefix(e.TargetRef.Name, prefix) {
					return fmt.Errorf("the Service leads to pod %s", e.TargetRef.Name)
				}
				ready++
			}
		}
		if ready < 2 {
			return fmt.Errorf("%d endpoints", ready)
		}
		return nil
	})
}

// plugin runs kubectl-kubedns. Its output is both streams.
func (c *cluster) plugin(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.dir+"/images/kubectl-kubedns", args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.dir+"/kubeconfig")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl kubedns %s: %w: %s", strings.Join(args, " "), err, &out)
	}
	return out.String(), nil
}
