package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// The path to the API server is lost, and its host still accepts connections: no watch counts as
// open, the reason is reported, and the snapshot is not confirmed.
func TestWayToAPIServer(t *testing.T) {
	id := rig.cluster.kubeDNSIdentity(t, true, false)
	for _, tt := range []struct {
		name  string
		state way
		cut   bool
		want  string
	}{
		{"connections end at once", closes, true, "connection_lost"},
		{"connections hang", hangs, true, "timeout"},
		{"connections that are open hang", hangs, false, "connection_lost"}, // as the pings of HTTP/2 find
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel() // it mostly waits
			proxy, through := startTCPProxy(t, id)
			snapshot := stateDir(t) + "/snapshot"
			k := startKubeDNS(t, through.write(t), upstream(startResolver(t)), "--snapshot="+snapshot)
			k.waitReady(t, 30*time.Second)
			eventually(t, time.Minute, func() error {
				_, err := os.Stat(snapshot)
				return err
			})
			proxy.set(tt.state, tt.cut)
			lost := time.Now()
			eventually(t, 90*time.Second, func() error {
				for url, want := range map[string]string{
					k.status + "/readiness": "ok (no changes of services and endpoints since",
					k.status + "/":          tt.want,
					k.metrics + "/metrics":  `kubedns_api_watch_connected{resource="services"} 0`,
				} {
					if text, err := get(url, 200); err != nil || !strings.Contains(text, want) {
						return fmt.Errorf("%s: got %.300q, %w, want in it %q", url, text, err, want)
					}
				}
				return nil
			})
			k.stop(t) // writes, or confirms, the snapshot
			info, err := os.Stat(snapshot)
			if err != nil {
				t.Fatal(err)
			}
			if info.ModTime().After(lost.Add(time.Second)) {
				t.Errorf("the snapshot was confirmed %v after the way was lost", info.ModTime().Sub(lost))
			}
		})
	}
}

// Everything is forbidden while an API server starts, and later for some seconds: no reply is
// wrong, and EndpointSlices are read afterwards.
func TestForbiddenForSeconds(t *testing.T) {
	id := rig.cluster.kubeDNSIdentity(t, true, false)
	target := &apiTarget{objects: rig.cluster.objects, endpoints: "EndpointSlice"}
	apply(t, target, service("seconds", "set", map[string]any{"clusterIP": "None"}),
		slice("v1", "seconds", "set", "10.244.78.1"))
	q := question{name: "set.seconds.svc.cluster.local", qtype: dns.TypeA}

	proxy := startFilterProxy(t, id)
	forbid := func(w http.ResponseWriter, _ *http.Request) bool {
		writeStatus(w, http.StatusForbidden, metav1.StatusReasonForbidden, "RBAC: not yet")
		return true
	}
	proxy.fault.Store(new(fault(forbid)))
	k := startKubeDNS(t, proxy.identity().write(t), upstream(startResolver(t)))
	eventually(t, time.Minute, func() error { return wantNotReady(k.dns, q) })
	always(t, 6*time.Second, func() error { return wantNotReady(k.dns, q) })
	proxy.fault.Store(nil)
	mustAnswer(t, k.dns, q, dns.RcodeSuccess, "A 10.244.78.1")
	k.waitReady(t, 30*time.Second)

	proxy.fault.Store(new(fault(forbid)))
	proxy.down(t)
	proxy.up(t)
	apply(t, target, slice("v1", "seconds", "set", "10.244.78.2"))
	always(t, 6*time.Second, func() error { return wantAnswer(k.dns, q, dns.RcodeSuccess, "A 10.244.78.1") })
	proxy.fault.Store(nil)
	eventually(t, 30*time.Second, func() error { return wantAnswer(k.dns, q, dns.RcodeSuccess, "A 10.244.78.2") })
}

// apply applies objects and removes them at the end of the test. It does not wait for
// kube-dns.
func apply(t *testing.T, target *apiTarget, objects ...map[string]any) {
	t.Helper()
	for _, object := range objects {
		removeLater(t, target, conformance.Object(object).Ref())
		if _, err := target.apply(t.Context(), &unstructured.Unstructured{Object: object}); err != nil {
			t.Fatal(err)
		}
	}
}

// always fails the test unless check returns nil for some time.
func always(t *testing.T, d time.Duration, check func() error) {
	t.Helper()
	for until := time.Now().Add(d); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if err := check(); err != nil {
			t.Fatal(err)
		}
	}
}

// A front end with only HTTP/1.1 is replaced by one with only HTTP/2.
func TestFrontEndChangesProtocol(t *testing.T) {
	proxy := startFilterProxy(t, rig.cluster.kubeDNSIdentity(t, true, false))
	proxy.down(t)
	proxy.http1 = true
	proxy.up(t)
	k, target := follow(t, proxy.identity())
	change(t, target, []map[string]any{service("front", "web", map[string]any{"clusterIP": "10.96.79.1"})})
	proxy.down(t)
	proxy.http1 = false
	proxy.up(t)
	change(t, target, []map[string]any{service("front", "more", map[string]any{"clusterIP": "10.96.79.2"})})
	mustAnswer(t, k.dns, question{name: "more.front.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeSuccess,
		"A 10.96.79.2")
}

// Large annotations are dropped, and at most one is in memory at a time.
func TestMemoryOfAnnotations(t *testing.T) {
	proxy := startFilterProxy(t, rig.cluster.kubeDNSIdentity(t, true, false))
	target := &apiTarget{objects: rig.cluster.objects, endpoints: "EndpointSlice"}
	const n = 120
	for i := range n {
		large := service("large", "s"+strconv.Itoa(i), map[string]any{"clusterIP": "None"})
		text := strings.Repeat("x", 250_000)
		large["metadata"].(map[string]any)["annotations"] = map[string]any{"example.com/text": text}
		apply(t, target, large)
	}
	for _, mode := range []string{"streamed", "paged"} {
		if mode == "paged" {
			proxy.fault.Store(new(fault(func(w http.ResponseWriter, r *http.Request) bool {
				streams := r.URL.Query().Has("sendInitialEvents")
				if streams {
					writeStatus(w, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid, "sendInitialEvents: Forbidden")
				}
				return streams
			})))
		}
		k, _ := follow(t, proxy.identity())
		listed := fmt.Sprintf("kubedns_api_lists_total{mode=%q,resource=%q} 1", mode, "services")
		if text, err := get(k.metrics+"/metrics", 200); err != nil || !strings.Contains(text, listed) {
			t.Errorf("the list of Services was not %s: %v", mode, err)
		}
		if peak := k.peakMiB(t); peak > 80 {
			t.Errorf("%s: a peak of %d MiB for %d annotations of 250 kB, want at most 80", mode, peak, n)
		}
		k.stop(t)
	}
}

// peakMiB is the peak memory of the process.
func (p *process) peakMiB(t *testing.T) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(b), "VmHWM:")
	var kiB int
	if _, err := fmt.Sscanf(text, "%d kB", &kiB); err != nil {
		t.Fatalf("VmHWM in %q: %v", text, err)
	}
	return kiB >> 10
}

// etcd is restored from a backup: later objects are gone, and deleted objects are back.
func TestRestoredBackup(t *testing.T) {
	k, target := follow(t, rig.cluster.kubeDNSIdentity(t, true, false))
	change(t, target, []map[string]any{
		service("backup", "set", map[string]any{"clusterIP": "None"}), slice("v1", "backup", "set", "10.244.80.1"),
	})
	etcd, backup := filepath.Join(rig.cluster.dir, "etcd"), filepath.Join(t.TempDir(), "etcd")
	t.Cleanup(func() { rig.cluster.restart(t) })
	rig.cluster.signal(t, "etcd", syscall.SIGKILL)
	if err := os.CopyFS(backup, os.DirFS(etcd)); err != nil {
		t.Fatal(err)
	}
	rig.cluster.restart(t)
	change(t, target, []map[string]any{
		slice("v1", "backup", "set", "10.244.80.2"), service("backup", "since", map[string]any{"clusterIP": "None"}),
		slice("v1", "backup", "since", "10.244.80.3"),
	})
	set := question{name: "set.backup.svc.cluster.local", qtype: dns.TypeA}
	since := question{name: "since.backup.svc.cluster.local", qtype: dns.TypeA}
	mustAnswer(t, k.dns, set, dns.RcodeSuccess, "A 10.244.80.2")
	mustAnswer(t, k.dns, since, dns.RcodeSuccess, "A 10.244.80.3")

	for _, name := range []string{"kube-apiserver", "etcd"} {
		rig.cluster.signal(t, name, syscall.SIGKILL)
	}
	if err := os.RemoveAll(etcd); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(etcd, os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	rig.cluster.restart(t)
	eventually(t, 60*time.Second, func() error {
		if err := wantAnswer(k.dns, set, dns.RcodeSuccess, "A 10.244.80.1"); err != nil {
			return err
		}
		return wantAnswer(k.dns, since, dns.RcodeNameError)
	})
	if _, err := rig.cluster.client.CoreV1().Services("backup").Get(t.Context(), "since",
		metav1.GetOptions{}); err == nil {
		t.Error("the backup was not restored: the test did not test that")
	}
}

// Endpoints that arrive before their headless Services are kept, and not read again.
func TestEndpointsBeforeServices(t *testing.T) {
	k, target := follow(t, rig.cluster.kubeDNSIdentity(t, true, false))
	const n = 100
	for i := range n {
		apply(t, target, slice("v1", "early", "s"+strconv.Itoa(i), fmt.Sprintf("10.244.81.%d", i+1)))
	}
	for i := range n {
		apply(t, target, service("early", "s"+strconv.Itoa(i), map[string]any{"clusterIP": "None"}))
	}
	change(t, target, nil)
	metrics, err := get(k.metrics+"/metrics", 200)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(metrics, `kubedns_api_lists_total{mode="streamed",resource="endpoints"} 1`) {
		t.Error("endpoints were listed again")
	}
	for _, i := range []int{0, n / 2, n - 1} {
		name := fmt.Sprintf("s%d.early.svc.cluster.local", i)
		record := fmt.Sprintf("A 10.244.81.%d", i+1)
		mustAnswer(t, k.dns, question{name: name, qtype: dns.TypeA}, dns.RcodeSuccess, record)
	}
}
