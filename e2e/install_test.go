package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// stock is a cluster's kube-dns that differs a lot from our manifests.
const stock = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: kube-dns, namespace: kube-system}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-dns, namespace: kube-system}
data: {stubDomains: '{"acme.example": ["192.0.2.1"]}'}
---
apiVersion: v1
kind: Service
metadata:
  name: kube-dns
  namespace: kube-system
  labels: {k8s-app: kube-dns, kubernetes.io/cluster-service: "true", addonmanager.kubernetes.io/mode: Reconcile}
spec:
  clusterIP: 10.96.0.53
  selector: {k8s-app: kube-dns}
  ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: kube-dns
  namespace: kube-system
  labels: {k8s-app: kube-dns, kubernetes.io/cluster-service: "true", addonmanager.kubernetes.io/mode: Reconcile}
spec:
  replicas: 3
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      serviceAccountName: kube-dns
      containers:
      - name: kubedns
        image: stock.example/k8s-dns-kube-dns:1.26.4
        args: [--domain=prod.example., --dns-port=10053, --config-dir=/kube-dns-config]
        resources: {requests: {cpu: 300m}}
      - name: dnsmasq
        image: stock.example/k8s-dns-dnsmasq-nanny:1.26.4
        args: [-configDir=/etc/k8s/dns/dnsmasq-nanny, --, -k, "--server=/prod.example/127.0.0.1#10053"]
      - name: sidecar
        image: stock.example/k8s-dns-sidecar:1.26.4
        args: ["--probe=kubedns,127.0.0.1:10053,kubernetes.default.svc.prod.example,5,SRV"]
`

// installStock creates these objects, and removes all objects of kube-dns at the end.
func installStock(t *testing.T) {
	t.Helper()
	withoutKubeDNS(t)
	kubectl(t, stock, "apply", "-f", "-")
}

// withoutKubeDNS removes all objects of kube-dns, now and at the end. It adds kubectl and helm to
// PATH.
func withoutKubeDNS(t *testing.T) {
	t.Helper()
	for _, name := range []string{"kubectl", "helm"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Setenv("PATH", filepath.Dir(goTool(t, name))+string(os.PathListSeparator)+os.Getenv("PATH"))
		}
	}
	remove := func() {
		for _, kinds := range []string{"deployment,service,configmap,serviceaccount,poddisruptionbudget",
			"clusterrole,clusterrolebinding"} {
			kubectl(t, "", "-n", "kube-system", "delete", "--ignore-not-found", "-l", "app.kubernetes.io/managed-by=Helm", kinds)
		}
		kubectl(t, "", "-n", "kube-system", "delete", "--ignore-not-found", "secret", "-l", "owner=helm,name=kube-dns")
		kubectl(t, "", "-n", "kube-system", "delete", "--ignore-not-found",
			"deployment,service,configmap,poddisruptionbudget", "kube-dns")
		kubectl(t, "", "delete", "--ignore-not-found", "clusterrole,clusterrolebinding", "kube-dns-endpointslices")
	}
	remove()
	t.Cleanup(remove)
}

// kubectl runs the real command and returns its output.
func kubectl(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	return tool(t, stdin, "kubectl", args...)
}

// goTool builds a program of the module tools, once, and returns its path.
func goTool(t *testing.T, name string) string {
	t.Helper()
	return strings.TrimSpace(tool(t, "", "go", "-C", "../tools", "tool", "-n", name))
}

func tool(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	out, err := try(t, stdin, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func try(t *testing.T, stdin, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+rig.cluster.dir+"/kubeconfig", "HELM_CACHE_HOME="+rig.dir,
		"HELM_CONFIG_HOME="+rig.dir)
	cmd.Stdin = strings.NewReader(stdin)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// live are the current objects of kube-dns in the API server; a missing object is nil.
type live struct {
	deployment *appsv1.Deployment
	service    *corev1.Service
	config     map[string]string
}

func lookAt(t *testing.T) live {
	t.Helper()
	var l live
	var err error
	if l.deployment, err = rig.cluster.client.AppsV1().Deployments("kube-system").Get(t.Context(), "kube-dns",
		metav1.GetOptions{}); apierrors.IsNotFound(err) {
		l.deployment = nil
	} else if err != nil {
		t.Fatal(err)
	}
	l.service = lookAtService(t)
	config, err := rig.cluster.client.CoreV1().ConfigMaps("kube-system").Get(t.Context(), "kube-dns", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	l.config = config.Data
	return l
}

func lookAtService(t *testing.T) *corev1.Service {
	t.Helper()
	s, err := rig.cluster.client.CoreV1().Services("kube-system").Get(t.Context(), "kube-dns", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFirstStep runs the first commands of README.md, on a kube-dns with its own zone, address and
// number of pods: only the images change, and everything can be undone.
func TestFirstStep(t *testing.T) {
	installStock(t)
	before := lookAt(t)
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, script, ok := strings.Cut(string(readme), "    set_images() {")
	if script, _, _ = strings.Cut(script, "\n\n"); !ok {
		t.Fatal("README.md has no set_images")
	}
	script = "set_images() {" + script
	// The API server here has no nodes, so no pod becomes ready.
	script = strings.Replace(script, "rollout status", "get", 1)
	forward, undo, ok := strings.Cut(script, "    kubectl -n kube-system rollout undo")
	if !ok {
		t.Fatal("README.md has no way back")
	}
	undo = "kubectl -n kube-system rollout undo" + undo
	out := tool(t, "", "bash", "-c", forward)
	for _, want := range []string{"-        image: stock.example/k8s-dns-kube-dns:1.26.4",
		"+        image: registry.example/dns/k8s-dns-kube-dns:v1.0.0"} {
		if !strings.Contains(out, want) {
			t.Errorf("the commands do not show %q first:\n%s", want, out)
		}
	}
	after := lookAt(t)
	want := before.deployment.DeepCopy()
	for i := range want.Spec.Template.Spec.Containers {
		c := &want.Spec.Template.Spec.Containers[i]
		_, name, _ := strings.Cut(c.Image, "/")
		name, _, _ = strings.Cut(name, ":")
		c.Image = "registry.example/dns/" + name + ":v1.0.0"
	}
	if diff := cmp.Diff(want.Spec, after.deployment.Spec); diff != "" {
		t.Errorf("the Deployment after the first step (-want +got):\n%s", diff)
	}
	tool(t, "", "bash", "-c", undo)
	if diff := cmp.Diff(before.deployment.Spec, lookAt(t).deployment.Spec); diff != "" {
		t.Errorf("the Deployment after the way back (-want +got):\n%s", diff)
	}
}

// TestOverlayKeepsReplicas applies overlays to a Deployment that kubectl has applied with a number
// of pods, after the command for it in docs/install.md.
func TestOverlayKeepsReplicas(t *testing.T) {
	installStock(t)
	docs, err := os.ReadFile("../docs/install.md")
	if err != nil {
		t.Fatal(err)
	}
	_, line, _ := strings.Cut(string(docs), "    kubectl -n kube-system annotate ")
	line, _, _ = strings.Cut(line, "\n")
	tool(t, "", "bash", "-c", "kubectl -n kube-system annotate "+line)
	for _, overlay := range []string{"modern", "autoscaler", "cluster-first", "drop-in"} {
		for _, object := range renderManifests(t, "../manifests/overlays/"+overlay) {
			if object.GetKind() != "Deployment" || object.GetName() != "kube-dns" {
				continue
			}
			text, err := object.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			kubectl(t, string(text), "apply", "-f", "-")
			if got := *lookAt(t).deployment.Spec.Replicas; got != 3 {
				t.Errorf("after %s: got %d replicas, want 3", overlay, got)
			}
		}
	}
}
