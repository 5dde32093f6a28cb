package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/apitest"
)

// testPod is a ready pod of kube-dns, without dnsmasq.
func testPod() corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: "kube-dns-1",
			Labels: map[string]string{"k8s-app": "kube-dns"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "kubedns", Image: "registry.example/k8s-dns-kube-dns:v1", Args: []string{"--domain=cluster.local."},
		}}},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady,
			Status: corev1.ConditionTrue}}},
	}
}

// testCluster serves one pod of kube-dns with its status page and its DNS port, by port-forward.
func testCluster(t *testing.T, status http.HandlerFunc, dnsAddress string) string {
	t.Helper()
	page := httptest.NewServer(status)
	t.Cleanup(page.Close)
	client := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-0"},
		Status:     corev1.PodStatus{PodIPs: []corev1.PodIP{{IP: "192.0.2.7"}, {IP: "2001:db8::7"}}},
	}
	host := corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "host-0"},
		Spec:       corev1.PodSpec{HostNetwork: true},
		Status:     corev1.PodStatus{PodIPs: []corev1.PodIP{{IP: "192.0.2.8"}}},
	}
	api := apitest.New(t, map[string]any{
		"/api/v1/namespaces/default":          corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "default"}},
		"/api/v1/namespaces/kube-system/pods": corev1.PodList{Items: []corev1.Pod{testPod()}},
		"/api/v1/pods":                        corev1.PodList{Items: []corev1.Pod{testPod(), client, host}},
	}, map[string]string{"8081": page.Listener.Addr().String(), "53": dnsAddress})
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	return api.URL
}

func TestTopClients(t *testing.T) {
	const report = `{"window":60,"total":30,"sampled":1,"rows":[
		{"client":"192.0.2.7","count":15,"rcodes":{"NOERROR":15},"types":{"A":15}},
		{"client":"192.0.2.8","count":10,"rcodes":{"NOERROR":10},"types":{"A":10}},
		{"client":"2001:db8::7","count":5,"rcodes":{"NXDOMAIN":5},"types":{"AAAA":5}}]}`
	url := testCluster(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/top" || r.FormValue("by") != "client" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, report)
	}, "")
	code, out, errOut := runCommand(t, "top", "--by", "client", "--clients", "-s", url)
	if code != codeOK {
		t.Fatalf("got code %d: %s", code, errOut)
	}
	for _, want := range []string{"15 ", "shop/web-0\n", "192.0.2.8\n", "1 pods, 30 queries in 60 s"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q, got:\n%s", want, out)
		}
	}
	for format, want := range map[string]string{
		"name":  "shop/web-0\n192.0.2.8\nshop/web-0\n",
		"table": "15  0.2  50%  0%    0%  A     shop/web-0\n",
		"wide":  "AAAA  shop/web-0  NXDOMAIN  0\n",
	} {
		code, text, errOut := runCommand(t, "top", "--by", "client", "--clients", "-s", url, "--no-headers", "-o",
			format)
		if code != codeOK || !strings.Contains(text, want) || strings.Contains(text, "QUERIES") ||
			strings.Contains(text, "1 pods") {
			t.Errorf("-o %s: got code %d, want %q, got:\n%s%s", format, code, want, text, errOut)
		}
	}
	if strings.Contains(out, "host-0") || strings.Contains(out, "192.0.2.7") || strings.Contains(out, "2001:db8::7") {
		t.Errorf("the address of a node is no pod, and both addresses of a pod are one:\n%s", out)
	}
}

// TestTopServers adds up the status pages of kube-dns and of the sidecar.
func TestTopServers(t *testing.T) {
	const ofKubeDNS = `{"command":"kube-dns","charts":[
		{"metric":"kubedns_dns_upstream_duration_seconds_count","lines":[{"name":"192.0.2.53:53","rates":[10,20]}]},
		{"metric":"kubedns_dns_upstream_duration_seconds_sum","lines":[{"name":"192.0.2.53:53","rates":[1,0.05]}]},
		{"metric":"kubedns_dns_upstream_failures_total","lines":null}]}`
	const ofDnsmasq = `{"command":"sidecar","charts":[
		{"metric":"kubedns_dnsmasq_upstream_queries_total","lines":[{"name":"192.0.2.54:53","rates":[2,2]}]},
		{"metric":"kubedns_dnsmasq_upstream_failures_total","lines":[{"name":"192.0.2.54:53","rates":[0,1]}]}]}`
	serve := func(page *atomic.Value) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/" || r.FormValue("format") != "json" {
				http.NotFound(w, r)
				return
			}
			fmt.Fprint(w, page.Load())
		}))
		t.Cleanup(s.Close)
		return s.Listener.Addr().String()
	}
	var kubeDNS, sidecar atomic.Value
	kubeDNS.Store(ofKubeDNS)
	sidecar.Store(ofDnsmasq)
	pod := testPod()
	pod.Spec.Containers = append(pod.Spec.Containers,
		corev1.Container{Name: "sidecar", Image: "registry.example/k8s-dns-sidecar:v1"})
	api := apitest.New(t, map[string]any{
		"/api/v1/namespaces/kube-system/pods": corev1.PodList{Items: []corev1.Pod{pod}},
	}, map[string]string{"8081": serve(&kubeDNS), "10054": serve(&sidecar)})
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	for args, want := range map[string]string{
		"": "QUERIES  /S    FAILURES  FAILED  LATENCY  BY        SERVER\n" +
			"300      15.0  0         0%      35ms     kube-dns  192.0.2.53:53\n" +
			"40       2.0   10        25%     -        dnsmasq   192.0.2.54:53\n1 pods, 20 s\n",
		"--no-headers --limit 1": "300  15.0  0  0%  35ms  kube-dns  192.0.2.53:53\n",
		"-o name":                "192.0.2.53:53\n192.0.2.54:53\n",
	} {
		code, out, errOut := runCommand(t, append([]string{"top", "--by", "server", "-s", api.URL},
			strings.Fields(args)...)...)
		if code != codeOK || out != want {
			t.Errorf("%s: got code %d, want\n%s, got:\n%s%s", args, code, want, out, errOut)
		}
	}
	_, out, errOut := runCommand(t, "top", "--by", "server", "-s", api.URL, "-o", "json")
	var doc struct {
		APIVersion, By string
		Window         float64
		Lines          []struct {
			Server, By                                   string
			Queries, PerSecond, Failures, LatencySeconds float64
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.APIVersion != "v1" || doc.By != "server" ||
		doc.Window != 20 ||
		len(doc.Lines) != 2 || doc.Lines[0].LatencySeconds != 0.035 || doc.Lines[1].Failures != 10 {
		t.Errorf("got %+v, %v:\n%s%s", doc, err, out, errOut)
	}
	sidecar.Store(`{"command":"sidecar","charts":[{"title":"Probes by result","lines":null}]}`)
	code, out, errOut := runCommand(t, "top", "--by", "server", "-s", api.URL)
	if want := "pod kube-dns-1, port 10054, servers of dnsmasq: its status page has no figures"; code != codeUnknown ||
		out != "" || !strings.Contains(errOut, want) {
		t.Errorf("got code %d, want %q, got:\n%s%s", code, want, out, errOut)
	}
}

func TestExplainAsk(t *testing.T) {
	const page = `{"question":{"summary":"It leaves the cluster","steps":{"rows":[
		["www.example.com.default.svc.cluster.local.","NXDOMAIN","","","no Service"],
		["www.example.com.","asked outside","","192.0.2.53",""]]}}}`
	outside := dnsServer(t, map[string]string{"www.example.com.": "192.0.2.80"})
	url := testCluster(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, page) }, outside)
	for args, want := range map[string]string{
		"explain www.example.com":       "asked outside",
		"explain www.example.com --ask": "The pod gets NOERROR with 1 records at query 2: www.example.com.",
	} {
		code, out, errOut := runCommand(t, append(strings.Fields(args), "-s", url)...)
		if code != codeOK || !strings.Contains(out, want) {
			t.Errorf("%s: got code %d, want %q in:\n%s%s", args, code, want, out, errOut)
		}
		if asked := strings.Contains(args, "--ask"); strings.Contains(out, "A 192.0.2.80 (TTL 30)") != asked {
			t.Errorf("%s: the answer is shown %t:\n%s", args, !asked, out)
		}
	}
}

// A watchOutput calls a function for each written line.
type watchOutput struct {
	all  bytes.Buffer
	line func(string)
}

func (w *watchOutput) Write(b []byte) (int, error) {
	w.all.Write(b)
	w.line(string(b))
	return len(b), nil
}

func TestDiffWatch(t *testing.T) {
	left := dnsServer(t, map[string]string{"web.example.": "192.0.2.1"})
	var right atomic.Value
	same, other := dnsServer(t, map[string]string{"web.example.": "192.0.2.1"}), dnsServer(t, nil)
	right.Store(same)
	relay := relayTo(t, &right)
	names := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(names, []byte("web.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var seen []string
	out := &watchOutput{line: func(text string) { // each line triggers the next
		switch {
		case strings.Contains(text, " 1 same, 0 different of 1"):
			seen = append(seen, "first")
			right.Store(other)
		case strings.Contains(text, " differs A web.example.: NOERROR A 192.0.2.1 | NXDOMAIN"):
			seen = append(seen, "differs")
			right.Store(same)
		case strings.Contains(text, " same    A web.example."):
			seen = append(seen, "same")
			cancel()
		}
	}}
	var errOut bytes.Buffer
	code := run(ctx, []string{"diff", left, relay, "--names", names, "--watch", "--every", "10ms", "--rate", "1000"},
		out, &errOut)
	if code != codeOK || strings.Join(seen, " ") != "first differs same" {
		t.Errorf("got code %d, %q:\n%s%s", code, seen, &out.all, &errOut)
	}
}
