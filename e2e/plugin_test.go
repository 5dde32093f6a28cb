package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// plugin runs kubectl-kubedns and returns its exit code and output.
func plugin(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, filepath.Join(rig.dir, "bin", "kubectl-kubedns"), args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("kubectl-kubedns %s: %v", strings.Join(args, " "), err)
	}
	return cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()
}

// wantPlugin checks the exit code and parts of the output.
func wantPlugin(t *testing.T, wantCode int, want []string, args ...string) {
	t.Helper()
	code, out, errOut := plugin(t, args...)
	if code != wantCode {
		t.Errorf("kubedns %s: got exit code %d, want %d\n%s%s", strings.Join(args, " "), code, wantCode, out, errOut)
	}
	for _, part := range want {
		if !strings.Contains(out+errOut, part) {
			t.Errorf("kubedns %s: want in it %q, got:\n%s%s", strings.Join(args, " "), part, out, errOut)
		}
	}
}

// hostAddress is an address of this machine that is not loopback: the API server's proxy
// connects to no pod on loopback.
func hostAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Fatal("this machine has no IPv4 address besides loopback: add one")
	return ""
}

// pluginPod registers a running kube-dns in the API server as a pod of the namespace. There is no
// kubelet: the proxy reaches the pod, a port-forward does not.
func pluginPod(t *testing.T, namespace, name string, k *kubeDNS) {
	t.Helper()
	port := func(address string) string {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return u.Port()
	}
	no, zero := false, int64(0)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"k8s-app": "kube-dns"}},
		Spec: corev1.PodSpec{
			NodeName: "e2e-node", AutomountServiceAccountToken: &no, TerminationGracePeriodSeconds: &zero,
			Containers: []corev1.Container{{
				Name: "kubedns", Image: "localhost/k8s-dns-kube-dns:e2e",
				Args: []string{"--domain=cluster.local.", "--healthz-port=" + port(k.status)},
				Env:  []corev1.EnvVar{{Name: "PROMETHEUS_PORT", Value: port(k.metrics)}},
			}},
		},
	}
	pods := rig.cluster.client.CoreV1().Pods(namespace)
	eventually(t, 30*time.Second, func() error { // the namespace's service account comes a moment later
		_, err := pods.Create(t.Context(), pod, metav1.CreateOptions{})
		return err
	})
	t.Cleanup(func() {
		err := pods.Delete(context.WithoutCancel(t.Context()), name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("delete pod %s: %v", name, err)
		}
	})
	ip := hostAddress(t)
	status := fmt.Sprintf(`{"status":{"phase":"Running","podIP":%q,"podIPs":[{"ip":%q}],
		"conditions":[{"type":"Ready","status":"True"}]}}`, ip, ip)
	if _, err := pods.Patch(t.Context(), name, types.MergePatchType, []byte(status), metav1.PatchOptions{},
		"status"); err != nil {
		t.Fatal(err)
	}
}

// TestPlugin runs each command of the plugin against the control plane.
func TestPlugin(t *testing.T) {
	id := rig.cluster.kubeDNSIdentity(t, true, false)
	k, target := follow(t, id)
	change(t, target, []map[string]any{service("plugin", "shop", map[string]any{
		"clusterIP": "10.96.77.1", "ports": []any{map[string]any{"name": "http", "port": 80}},
	})})
	mustAnswer(t, k.dns, question{name: "shop.plugin.svc.cluster.local", qtype: 1}, 0, "A 10.96.77.1")
	pluginPod(t, "plugin", "kube-dns-plugin-1", k)
	admin := []string{"--kubeconfig", filepath.Join(rig.cluster.dir, "kubeconfig"), "-n", "plugin"}
	with := func(args ...string) []string { return append(args, admin...) }

	t.Run("check", func(t *testing.T) {
		wantPlugin(t, 1, []string{
			"fail  KD101  Service kube-dns: there is none in namespace plugin",
			"ok    KD103  the zone is cluster.local",
			"ok    KD201  1 of 1 pods are ready",
			"ok    KD203  all watches are open",
			"ok    KD205  1 pods have the same names",
			"ok    KD303  memory, cache and pending queries are below their limits",
		}, with("check", "--skip", "KD401")...)
		wantPlugin(t, 0, []string{`"code": "KD203"`, `"success": true`}, with("check", "--only", "KD203", "-o", "json")...)
	})
	t.Run("explain", func(t *testing.T) {
		wantPlugin(t, 0, []string{"shop.plugin.svc.cluster.local.", "A 10.96.77.1", "Service plugin/shop"},
			with("explain", "shop.plugin")...)
		wantPlugin(t, 0, []string{"A 10.96.77.1", "according to the objects of the cluster"},
			with("explain", "shop", "--in", "plugin", "--local")...)
		wantPlugin(t, 1, []string{"NXDOMAIN"}, with("explain", "nothing.plugin.svc.cluster.local.", "--all-pods")...)
		wantPlugin(t, 2, []string{"has no namespace nowhere"}, with("explain", "shop", "--in", "nowhere")...)
		wantPlugin(t, 2, []string{"there is no pod web in namespace plugin"},
			with("explain", "shop", "--from", "plugin/web")...)
	})
	t.Run("diff", func(t *testing.T) {
		other, _ := follow(t, id)
		wantPlugin(t, 0, []string{" 0 different of "}, with("diff", k.dns, other.dns, "--rate", "500")...)
		wantPlugin(t, 2, []string{"none: not found in namespace plugin"}, with("diff", "deployment/none", other.dns)...)
	})
	t.Run("top", func(t *testing.T) {
		wantPlugin(t, 0, []string{"1 pods"}, with("top", "--by", "server")...)
		wantPlugin(t, 0, []string{`"by": "server"`, `"pods": 1`}, with("top", "--by", "server", "-o", "json")...)
	})
	t.Run("bad input", func(t *testing.T) {
		wantPlugin(t, 2, []string{"has no namespace nowhere: set -n"}, "check", "-n", "nowhere", admin[0], admin[1])
		wantPlugin(t, 2, []string{"cannot reach the API server https://127.0.0.1:1"},
			with("check", "-s", "https://127.0.0.1:1")...)
		wantPlugin(t, 2, []string{"port-forward to pod plugin/kube-dns-plugin-1"}, with("top")...)
	})
	t.Run("rights", func(t *testing.T) {
		file := identity{token: rig.cluster.token(t, "plugin-viewer"), ca: id.ca, url: id.url}.write(t)
		viewer := []string{"--kubeconfig", file, "-n", "plugin"}
		wantPlugin(t, 2, []string{"you may not list pods in namespace plugin", "kube-dns-viewer"},
			append([]string{"check"}, viewer...)...)
		role := manifest[rbacv1.ClusterRole](t, "../components/viewer/rbac.yaml", "ClusterRole")
		bindPluginViewer(t, role)
		eventually(t, time.Minute, func() error {
			if code, out, errOut := plugin(t, append([]string{"check", "--only", "KD201,KD203"}, viewer...)...); code != 0 {
				return fmt.Errorf("exit code %d: %s%s", code, out, errOut)
			}
			return nil
		})
	})
}

// bindPluginViewer binds the rights of the manifests to the account plugin-viewer.
func bindPluginViewer(t *testing.T, role *rbacv1.ClusterRole) {
	t.Helper()
	rbac := rig.cluster.client.RbacV1()
	if _, err := rbac.ClusterRoles().Create(t.Context(), role, metav1.CreateOptions{}); err != nil &&
		!apierrors.IsAlreadyExists(err) {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e:plugin-viewer"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "kube-system", Name: "plugin-viewer"}},
	}
	if _, err := rbac.ClusterRoleBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		err := rbac.ClusterRoleBindings().Delete(context.WithoutCancel(t.Context()), binding.Name, metav1.DeleteOptions{})
		if err != nil {
			t.Error(err)
		}
	})
}
