//go:build node

package node

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kube-dns/kube-dns/e2e/node/agent"
)

const (
	// clusterDNS is the Service in every pod's resolv.conf.
	clusterDNS = "10.96.0.10:53"
	// nodeIP is the address of the tests' own name servers.
	nodeIP = "10.254.0.2"
	zone   = ".svc.cluster.local"
)

// A cluster is the node that run.sh started, with kube-dns and the pods of pods.yaml.
type cluster struct {
	dir        string
	client     kubernetes.Interface
	upstream   *upstream // the node's own resolver, for pods of dnsPolicy Default
	stub       *upstream // a name server for a stub domain
	second     *upstream // a name server for upstreamNameservers
	shop       pod       // clients, one in each namespace
	other      pod
	hostnet    pod
	deployment *appsv1.Deployment // as applied
	networks   int                // of queried pod names
}

// newCluster applies the manifests and waits until everything is ready.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{dir: os.Getenv(dirVariable)}
	config, err := clientcmd.BuildConfigFromFlags("", c.dir+"/kubeconfig")
	if err != nil {
		t.Fatalf("read the kubeconfig: %v", err)
	}
	config.QPS = -1
	config.WarningHandler = rest.NoWarnings{}
	if c.client, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	c.upstream = startUpstream(t, nodeIP+":53", "upstream")
	c.stub = startUpstream(t, nodeIP+":5301", "stub")
	c.second = startUpstream(t, nodeIP+":5302", "second")

	c.deploy(t, "modern")
	eventually(t, time.Minute, func() error { _, err := c.kubectl("apply", "-f", "pods.yaml"); return err })
	c.rolledOut(t, "shop", "deployment/web")
	c.rolledOut(t, "shop", "statefulset/db")
	c.shop = c.waitPod(t, "shop", "client")
	c.other = c.waitPod(t, "other", "client")
	c.hostnet = c.waitPod(t, "shop", "hostnet")
	if c.deployment, err = c.client.AppsV1().Deployments("kube-system").Get(t.Context(), "kube-dns",
		metav1.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			c.explain(t)
		}
	})
	return c
}

// deploy applies an overlay of the manifests with components, the images that were packed here and
// two replicas. It waits until it is rolled out.
func (c *cluster) deploy(t *testing.T, overlay string, components ...string) {
	t.Helper()
	text := fmt.Sprintf("resources: [../%s]\nreplicas: [{name: kube-dns, count: 2}]\n", overlay)
	if len(components) > 0 {
		text += "components:\n"
	}
	for _, component := range components {
		text += fmt.Sprintf("  - ../../components/%s\n", component)
	}
	c.deployAs(t, clusterFile, text)
}

// deployAs applies a kustomization next to the overlays, with a file of the cluster's
// settings, and waits until kube-dns is rolled out.
func (c *cluster) deployAs(t *testing.T, settings, kustomization string) {
	t.Helper()
	manifests := t.TempDir()
	if err := os.CopyFS(manifests, os.DirFS("../../manifests")); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(manifests, "overlays", "deployed")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		filepath.Join(dir, "kustomization.yaml"):            kustomization,
		filepath.Join(manifests, "cluster", "cluster.yaml"): settings,
	} {
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The service account is created a moment after its namespace.
	eventually(t, time.Minute, func() error { _, err := c.kubectl("apply", "-k", dir); return err })
	c.rolledOut(t, "kube-system", "deployment/kube-dns")
}

// clusterFile is the manifests' file of that name, filled in for this node.
const clusterFile = `apiVersion: v1
kind: ConfigMap
metadata:
  name: kube-dns-cluster
  namespace: kube-system
  annotations: {config.kubernetes.io/local-config: "true"}
data: {registry: localhost, version: dev, zone: cluster.local, address: 10.96.0.10}
`

// explain prints the state of the cluster after a failed test. The logs of all pods are in the
// node's folder.
func (c *cluster) explain(t *testing.T) {
	for _, args := range [][]string{
		{"get", "pods", "-A", "-o", "wide"},
		{"-n", "kube-system", "get", "endpointslices,poddisruptionbudgets"},
		{"-n", "kube-system", "describe", "pods", "-l", "k8s-app=kube-dns"},
		{"-n", "kube-system", "logs", "-l", "k8s-app=kube-dns", "--all-containers", "--prefix", "--tail=40"},
	} {
		out, err := c.kubectl(args...)
		t.Logf("kubectl %s\n%s%v", strings.Join(args, " "), out, err)
	}
}

// kubectl runs the real command. Its output is both streams.
func (c *cluster) kubectl(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "kubectl", args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+c.dir+"/kubeconfig")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, &out)
	}
	return out.String(), nil
}

func (c *cluster) mustKubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := c.kubectl(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (c *cluster) rolledOut(t *testing.T, namespace, object string) {
	t.Helper()
	c.mustKubectl(t, "-n", namespace, "rollout", "status", object, "--timeout=150s")
}

// settle waits until kube-dns is in its normal state, independent of the test before.
func (c *cluster) settle(t *testing.T) {
	t.Helper()
	c.rolledOut(t, "kube-system", "deployment/kube-dns")
	eventually(t, 2*time.Minute, func() error {
		pods := c.dnsPods(t)
		if len(pods) != 2 {
			return fmt.Errorf("%d pods of kube-dns, want 2", len(pods))
		}
		for _, p := range pods {
			if !ready(&p) || p.DeletionTimestamp != nil {
				return fmt.Errorf("pod %s is not ready or is going away", p.Name)
			}
		}
		return c.shop.wantA("kubernetes.default"+zone, "10.96.0.1")
	})
}

// dnsPods are the pods of kube-dns, including terminating pods.
func (c *cluster) dnsPods(t *testing.T) []corev1.Pod {
	t.Helper()
	list, err := c.client.CoreV1().Pods("kube-system").List(t.Context(),
		metav1.ListOptions{LabelSelector: "k8s-app=kube-dns"})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// restarts returns the number of restarts of a container.
func restarts(p *corev1.Pod, container string) int {
	for _, s := range p.Status.ContainerStatuses {
		if s.Name == container {
			return int(s.RestartCount)
		}
	}
	return 0
}

func ready(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// waitPod waits until a pod is ready and returns its agent.
func (c *cluster) waitPod(t *testing.T, namespace, name string) pod {
	t.Helper()
	var p pod
	eventually(t, 90*time.Second, func() error {
		got, err := c.client.CoreV1().Pods(namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !ready(got) {
			return fmt.Errorf("pod %s/%s is not ready: %s", namespace, name, got.Status.Phase)
		}
		p = podOf(got)
		return nil
	})
	return p
}

// service returns the addresses of a Service.
func (c *cluster) service(t *testing.T, namespace, name string) []string {
	t.Helper()
	s, err := c.client.CoreV1().Services(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s.Spec.ClusterIPs
}

// apply creates or changes objects.
func (c *cluster) apply(t *testing.T, yaml string) {
	t.Helper()
	file := t.TempDir() + "/objects.yaml"
	if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, func() error { _, err := c.kubectl("apply", "-f", file); return err })
}

// eventually calls check until it returns nil, and fails the test with its last error after limit.
// The limit is a timeout, not a performance target.
func eventually(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	began := time.Now()
	shown := began
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Since(began) > limit {
			t.Fatalf("still wrong after %v: %v", limit, err)
		}
		if time.Since(shown) > 20*time.Second {
			progress(t, "waiting: %.160s", err)
			shown = time.Now()
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("stopped: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// progress prints at once that a long test is alive.
func progress(t *testing.T, format string, args ...any) {
	fmt.Printf("%s %s: %s\n", time.Now().Format("15:04:05"), t.Name(), fmt.Sprintf(format, args...))
}

// during runs a load in the client pod while do runs, and returns its account.
func (c *cluster) during(t *testing.T, opts agent.LoadOptions, do func()) agent.Account {
	t.Helper()
	_, _ = c.shop.endLoad() // of a killed run
	if err := c.shop.startLoad(opts); err != nil {
		t.Fatalf("start the load: %v", err)
	}
	ended := false
	t.Cleanup(func() { // a failed test must not leave it running
		if !ended {
			_, _ = c.shop.endLoad()
		}
	})
	do()
	account, err := c.shop.endLoad()
	ended = true
	if err != nil {
		t.Fatalf("end the load: %v", err)
	}
	return account
}
