package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Two pods of kube-dns disagree while the watches of one are frozen. The plugin and the status page
// name the pod and the names that differ, and report nothing after the recovery.
func TestReplicasDisagree(t *testing.T) {
	id := rig.cluster.kubeDNSIdentity(t, true, false)
	proxy := startFilterProxy(t, id)
	fresh, target := follow(t, id)
	frozen, _ := follow(t, proxy.identity())
	change(t, target, []map[string]any{service("replicas", "both", map[string]any{"clusterIP": "10.96.78.1"})})
	pluginPod(t, "replicas", "kube-dns-fresh", fresh)
	pluginPod(t, "replicas", "kube-dns-frozen", frozen)
	admin := []string{"--kubeconfig", filepath.Join(rig.cluster.dir, "kubeconfig"), "-n", "replicas"}
	agree := append([]string{"check", "--only", "KD203,KD205"}, admin...)
	diff := append([]string{"diff", fresh.dns, frozen.dns, "--rate", "500"}, admin...)
	eventuallyPlugin(t, 0, []string{"all watches are open", "2 pods have the same names"}, agree...)
	eventuallyPlugin(t, 0, []string{" 0 different of "}, diff...)

	// The connections remain open without data. New requests fail, so that the pod remains frozen.
	refuse := fault(func(w http.ResponseWriter, _ *http.Request) bool {
		writeStatus(w, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable, "frozen by the test")
		return true
	})
	proxy.fault.Store(&refuse)
	proxy.hang()
	change(t, target, []map[string]any{service("replicas", "one", map[string]any{"clusterIP": "10.96.78.2"})})
	mustAnswer(t, fresh.dns, question{name: "one.replicas.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeSuccess,
		"A 10.96.78.2")
	wantPlugin(t, 1, []string{"KD205", "pods have different names, in 2 groups", "kube-dns-fresh", "kube-dns-frozen",
		"kubectl kubedns diff POD POD"}, agree...)
	wantPlugin(t, 1, []string{"one.replicas.svc.cluster.local.", "10.96.78.2"}, diff...)

	// The connections close, and the pod itself detects it.
	proxy.down(t)
	eventually(t, time.Minute, func() error {
		page, err := get(frozen.status+"/", 200)
		if err == nil && (!strings.HasPrefix(stateOf(page), "WARNING: watch of ") || !strings.Contains(page, "refused")) {
			err = fmt.Errorf("the page of the frozen pod: got\n%s", page)
		}
		return err
	})
	eventuallyPlugin(t, 1, []string{"fail  KD203", "fail  KD205", "pods have different names, in 2 groups"}, agree...)
	eventually(t, time.Minute, func() error { return wantPageOK(fresh) })

	proxy.fault.Store(nil)
	proxy.up(t)
	eventuallyPlugin(t, 0, []string{"all watches are open", "2 pods have the same names"}, agree...)
	eventuallyPlugin(t, 0, []string{" 0 different of "}, diff...)
	eventually(t, time.Minute, func() error { return wantPageOK(frozen) })
}

func wantPageOK(k *kubeDNS) error {
	page, err := get(k.status+"/", 200)
	if err == nil && !strings.HasPrefix(stateOf(page), "OK: ") {
		err = fmt.Errorf("want a page that is OK, got\n%s", page)
	}
	return err
}

// stateOf returns the line with the level of a status page.
func stateOf(page string) string {
	_, rest, _ := strings.Cut(page, "\n\n")
	return rest
}

// eventuallyPlugin waits until the plugin exits with a code and prints parts of the output.
func eventuallyPlugin(t *testing.T, wantCode int, want []string, args ...string) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		code, out, errOut := plugin(t, args...)
		var errs []error
		for _, part := range want {
			if !strings.Contains(out+errOut, part) {
				errs = append(errs, fmt.Errorf("want in it %q", part))
			}
		}
		if code != wantCode || len(errs) > 0 {
			errs = append(errs, fmt.Errorf("kubedns %s: got exit code %d, want %d\n%s%s", strings.Join(args, " "), code,
				wantCode, out, errOut))
		}
		return errors.Join(errs...)
	})
}
