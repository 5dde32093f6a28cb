//go:build node

package node

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pluginCommands runs each command of the kubectl plugin against the pods: through the API
// server's proxy, and through port-forwards of the kubelet.
func (c *cluster) pluginCommands(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "kubectl-kubedns")
	build := exec.CommandContext(t.Context(), "go", "-C", "../../cmd/kubectl-kubedns", "build", "-o", bin, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	bundle := filepath.Join(t.TempDir(), "bundle.tar.gz")
	for _, tt := range []struct {
		args string
		code int
		want []string
	}{
		{"check", 0, []string{
			"ok    KD101", "ok    KD201", "ok    KD203", "ok    KD204", "ok    KD205", "ok    KD301", "ok    KD401",
		}},
		{"check --only KD401 -o json", 0, []string{`"success": true`}},
		{"explain kubernetes.default", 0, []string{"kubernetes.default.svc.cluster.local.", "Service default/kubernetes"}},
		{"explain kubernetes.default --local", 0, []string{"Service default/kubernetes"}},
		{"explain www.example.test. --ask", 0, []string{"A 192.0.2.80", "The pod gets NOERROR with 1 records"}},
		{"explain nothing.default.svc.cluster.local. --all-pods", 1, []string{"NXDOMAIN"}},
		{"diff service/kube-dns deployment/kube-dns --rate 200", 0, []string{" 0 different of "}},
		{"top", 2, []string{"the query log is off: switch it on with --switch-on 5m"}},
		{"top --switch-on 1m", 0, []string{"the query log is on in 2 pods"}},
		{"tail --for 1s", 0, nil},
		{"support-bundle -f " + bundle, 0, []string{"check.json", "index.html", "objects.yaml", "kubedns.log", "wrote " +
			bundle}},
	} {
		t.Run(tt.args, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), bin, strings.Fields(tt.args)...)
			cmd.Env = append(os.Environ(), "KUBECONFIG="+c.dir+"/kubeconfig")
			out, _ := cmd.CombinedOutput() // the exit code is compared
			if code := cmd.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("got exit code %d, want %d\n%s", code, tt.code, out)
			}
			for _, want := range tt.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("want in it %q, got:\n%s", want, out)
				}
			}
			t.Logf("%s", out)
		})
	}
}
