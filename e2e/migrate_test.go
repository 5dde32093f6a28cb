package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

const migrateCases = "../cmd/kubectl-kubedns/internal/migrate/testdata/"

// migrateFiles runs the plugin on manifests, and returns the folder that it wrote.
func migrateFiles(t *testing.T, manifests string, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	tool(t, manifests, rig.dir+"/bin/kubectl-kubedns", append([]string{"migrate", "-f", "-", "--out", dir}, args...)...)
	return dir
}

// decodeFile reads one object.
func decodeFile(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = yaml.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The API server accepts each file that the plugin writes, and has nothing to warn about.
func TestMigrateDryRun(t *testing.T) {
	for name, args := range map[string][]string{
		"kubeadm":  {"--to", "kube-dns", "--registry", "registry.example/dns", "--tag", "v1"},
		"helm":     {"--to", "kube-dns", "--registry", "registry.example/dns", "--tag", "v1", "--accept", "MG41"},
		"kube-dns": {"--to", "coredns"},
	} {
		t.Run(name, func(t *testing.T) {
			manifests, err := os.ReadFile(migrateCases + name + "/in.yaml")
			if err != nil {
				t.Fatal(err)
			}
			dir := migrateFiles(t, string(manifests), args...)
			client, warnings := warningClient(t)
			for doc := range strings.SplitSeq(tool(t, "", kubectlPath(t), "kustomize", dir), "\n---\n") {
				object := decoded(t, doc)
				if object.GetKind() == "Service" { // an address of another cluster
					delete(object.Object["spec"].(map[string]any), "clusterIP")
					delete(object.Object["spec"].(map[string]any), "clusterIPs")
				}
				dryRun(t, client, object)
			}
			if list := warnings.list(); len(list) > 0 {
				t.Errorf("the API server warns: %q", list)
			}
			if values := dir + "/values.yaml"; name != "kube-dns" { // the chart accepts its values too
				chart := tool(t, "", goTool(t, "helm"), "template", "kube-dns", "../charts/kube-dns", "-n", "kube-system", "-f", values)
				if !strings.Contains(chart, "kind: Deployment") {
					t.Errorf("helm template:\n%s", chart)
				}
			}
		})
	}
}

func kubectlPath(t *testing.T) string {
	t.Helper()
	return goTool(t, "kubectl")
}

// kubeDNSManifests is a kube-dns with options that CoreDNS has plugins for.
const kubeDNSManifests = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: kube-dns}
spec:
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      containers:
      - {name: kubedns, image: registry.example/k8s-dns-kube-dns:1.26.4, args: [--domain=cluster.local.]}
      - name: dnsmasq
        image: registry.example/k8s-dns-dnsmasq-nanny:1.26.4
        args: [--, -k, --cache-size=1000, --no-negcache, --server=/cluster.local/127.0.0.1#10053,
          --address=/ads.example/, --address=/one.example/192.0.2.7, "--host-record=h.example,192.0.2.6,2001:db8::6",
          "--cname=c.example,h.example", "--mx-host=mail.example,mx.example,10"]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns}
spec: {selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-dns}
data:
  stubDomains: '{"partner.example": ["%s"]}'
  upstreamNameservers: '["%s"]'
`

// CoreDNS loads the Corefile that was made from a kube-dns, and replies as that did.
func TestMigrateToCoreDNS(t *testing.T) {
	world := startResolver(t, outside)
	partner := startResolver(t, "www.partner.example. 60 IN A 203.0.113.90")
	dir := migrateFiles(t, fmt.Sprintf(kubeDNSManifests, partner.Addr(), world.Addr()), "--to", "coredns")
	var config corev1.ConfigMap
	decodeFile(t, dir+"/configmap.yaml", &config)
	port := strconv.Itoa(freePort(t))
	corefile := strings.NewReplacer(
		":53 {", ":"+port+" {", "ready\n", "ready 127.0.0.1:"+strconv.Itoa(freePort(t))+"\n",
		"health {", "health 127.0.0.1:"+strconv.Itoa(freePort(t))+" {", "prometheus :9153", "",
		"lameduck 25s", "lameduck 0s",
		"ttl 30\n", "ttl 30\n kubeconfig "+rig.cluster.dir+"/kubeconfig\n",
	).Replace(config.Data["Corefile"])
	path := filepath.Join(t.TempDir(), "Corefile")
	if err := os.WriteFile(path, []byte(corefile), 0o600); err != nil {
		t.Fatal(err)
	}
	link := rig.dir + "/bin/coredns"
	if err := os.Symlink(strings.TrimSpace(tool(t, "", "./coredns.sh")), link); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	start(t, "coredns", nil, "-conf", path)
	for _, tt := range []struct {
		name    string
		qtype   uint16
		rcode   int
		records []string
	}{
		{"kubernetes.default.svc.cluster.local", dns.TypeA, dns.RcodeSuccess, []string{"A 10.96.0.1"}},
		{"missing.default.svc.cluster.local", dns.TypeA, dns.RcodeNameError, nil},
		{"1.0.96.10.in-addr.arpa", dns.TypePTR, dns.RcodeSuccess, []string{"PTR kubernetes.default.svc.cluster.local."}},
		{"10-1-2-3.default.pod.cluster.local", dns.TypeA, dns.RcodeSuccess, []string{"A 10.1.2.3"}},
		{"www.outside.example", dns.TypeA, dns.RcodeSuccess, []string{"A 203.0.113.80"}},
		{"www.partner.example", dns.TypeA, dns.RcodeSuccess, []string{"A 203.0.113.90"}},
		{"x.ads.example", dns.TypeA, dns.RcodeNameError, nil},
		{"x.one.example", dns.TypeA, dns.RcodeSuccess, []string{"A 192.0.2.7"}},
		{"h.example", dns.TypeAAAA, dns.RcodeSuccess, []string{"AAAA 2001:db8::6"}},
		{"c.example", dns.TypeA, dns.RcodeSuccess, []string{"A 192.0.2.6", "CNAME h.example."}},
		{"mail.example", dns.TypeMX, dns.RcodeSuccess, []string{"MX 10 mx.example."}},
	} {
		eventually(t, 20*time.Second, func() error {
			return wantAnswer("127.0.0.1:"+port, question{name: tt.name, qtype: tt.qtype}, tt.rcode, tt.records...)
		})
	}
}

// coreDNSManifests is a CoreDNS with plugins that dnsmasq has options for.
const coreDNSManifests = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: coredns}
spec:
  selector: {matchLabels: {k8s-app: kube-dns}}
  template:
    metadata: {labels: {k8s-app: kube-dns}}
    spec:
      containers:
      - name: coredns
        image: registry.example/coredns:v1.12.1
        args: [-conf, /etc/coredns/Corefile]
        volumeMounts: [{name: config, mountPath: /etc/coredns}]
      volumes: [{name: config, configMap: {name: coredns}}]
---
apiVersion: v1
kind: Service
metadata: {name: kube-dns}
spec: {selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: coredns}
data:
  Corefile: |
    .:53 {
        kubernetes cluster.local in-addr.arpa ip6.arpa {
            pods insecure
            fallthrough in-addr.arpa ip6.arpa
            ttl 30
        }
        hosts {
            192.0.2.6 h.example
            2001:db8::6 h.example
            fallthrough
        }
        template IN A one.example {
            answer "{{ .Name }} 60 IN A 192.0.2.7"
        }
        template ANY ANY ads.example {
            rcode NXDOMAIN
        }
        forward . %s
        cache 30
    }
    partner.example {
        forward . %s
    }
`

// dnsmasq accepts the arguments that were made from a Corefile, and replies as CoreDNS did.
func TestMigrateToKubeDNS(t *testing.T) {
	world := startResolver(t, outside)
	partner := startResolver(t, "www.partner.example. 60 IN A 203.0.113.90")
	dir := migrateFiles(t, fmt.Sprintf(coreDNSManifests, world.Addr(), partner.Addr()),
		"--to", "kube-dns", "--registry", "registry.example", "--tag", "v1")
	var config corev1.ConfigMap
	var deployment appsv1.Deployment
	decodeFile(t, dir+"/configmap.yaml", &config)
	decodeFile(t, dir+"/deployment.yaml", &deployment)

	k := startKubeDNS(t, rig.cluster.kubeDNSIdentity(t, true, false).write(t), config.Data)
	k.waitReady(t, 20*time.Second)
	port := freePort(t)
	var args []string
	for _, c := range deployment.Spec.Template.Spec.Containers {
		if c.Name == "dnsmasq" {
			args = c.Args[slices.Index(c.Args, "--")+1:]
		}
	}
	for i, arg := range args {
		args[i] = strings.NewReplacer("$(CLUSTER_DOMAIN)", "cluster.local", "/127.0.0.1#10053", "/"+strings.Replace(k.dns, ":", "#", 1)).Replace(arg)
	}
	nanny := []string{
		"-configDir=" + k.config.dir, "-stateDir=" + stateDir(t), "-restartDnsmasq=true", "-syncInterval=200ms",
		"-kubednsServer=" + k.dns, "--",
	}
	start(t, "dnsmasq-nanny", nil, append(append(nanny, args...), "--port="+strconv.Itoa(port), "--listen-address=127.0.0.1",
		"--bind-interfaces", "--user="+userName(), "--pid-file=", "--no-hosts")...)
	for _, tt := range []struct {
		name    string
		qtype   uint16
		rcode   int
		records []string
	}{
		{"kubernetes.default.svc.cluster.local", dns.TypeA, dns.RcodeSuccess, []string{"A 10.96.0.1"}},
		{"missing.default.svc.cluster.local", dns.TypeA, dns.RcodeNameError, nil},
		{"www.outside.example", dns.TypeA, dns.RcodeSuccess, []string{"A 203.0.113.80"}},
		{"www.partner.example", dns.TypeA, dns.RcodeSuccess, []string{"A 203.0.113.90"}},
		{"x.ads.example", dns.TypeA, dns.RcodeNameError, nil},
		{"x.one.example", dns.TypeA, dns.RcodeSuccess, []string{"A 192.0.2.7"}},
		{"h.example", dns.TypeA, dns.RcodeSuccess, []string{"A 192.0.2.6"}},
		{"h.example", dns.TypeAAAA, dns.RcodeSuccess, []string{"AAAA 2001:db8::6"}},
	} {
		mustAnswer(t, fmt.Sprintf("127.0.0.1:%d", port), question{name: tt.name, qtype: tt.qtype}, tt.rcode, tt.records...)
	}
}

const migrateNamespace = "migrate"

// A move keeps the Service at ready pods of one server at each moment, and can be made
// again, both ways. Nodes are absent: the test makes pods ready.
func TestMigrateApply(t *testing.T) {
	kubectl := kubectlPath(t)
	tool(t, "", kubectl, "create", "namespace", migrateNamespace)
	tool(t, "apiVersion: v1\nkind: Node\nmetadata: {name: "+migrateNamespace+"}\n", kubectl, "apply", "-f", "-")
	t.Cleanup(func() {
		tool(t, "", kubectl, "delete", "node", migrateNamespace)
		tool(t, "", kubectl, "-n", migrateNamespace, "delete", "pods", "--all", "--force", "--grace-period=0")
		tool(t, "", kubectl, "delete", "namespace", migrateNamespace, "--wait=false")
		for _, kind := range []string{"clusterrole", "clusterrolebinding"} {
			tool(t, "", kubectl, "delete", kind, "kube-dns-endpointslices", "system:coredns", "--ignore-not-found")
		}
	})
	manifests := fmt.Sprintf(coreDNSManifests, "192.0.2.1", "192.0.2.2")
	tool(t, manifests, kubectl, "-n", migrateNamespace, "apply", "-f", "-")
	watch := makePodsReady(t)
	eventually(t, 30*time.Second, func() error { return leadsTo(t, "coredns-") })
	watch.begin()

	move := func(args ...string) string {
		args = append([]string{"migrate", "-n", migrateNamespace, "--apply", "--no-compare", "--drain", "1s"}, args...)
		return tool(t, "", rig.dir+"/bin/kubectl-kubedns", args...)
	}
	toKubeDNS := []string{"--to", "kube-dns", "--registry", "registry.example", "--tag", "v1"}
	for range 2 {
		move(toKubeDNS...)
		if err := leadsTo(t, "kube-dns-"); err != nil {
			t.Error(err)
		}
		status := tool(t, "", rig.dir+"/bin/kubectl-kubedns", "migrate", "-n", migrateNamespace, "--to", "kube-dns", "--status")
		if !strings.Contains(status, "kube-dns (deployment/kube-dns): 1 of 1 pods ready, 1 get queries") ||
			!strings.Contains(status, "coredns (deployment/coredns): 0 of 0 pods ready, 0 get queries") {
			t.Errorf("status:\n%s", status)
		}
		if out := move(toKubeDNS...); !strings.Contains(out, "the move is complete") {
			t.Errorf("a second move:\n%s", out)
		}
		move("--to", "coredns")
		if err := leadsTo(t, "coredns-"); err != nil {
			t.Error(err)
		}
	}
	t.Run("stopped", func(t *testing.T) {
		watch.hold(true)
		out, err := try(t, "", rig.dir+"/bin/kubectl-kubedns", append([]string{
			"migrate", "-n", migrateNamespace, "--apply", "--no-compare", "--wait", "3s",
		}, toKubeDNS...)...)
		if err == nil || !strings.Contains(out, "put back: service/kube-dns leads to deployment/coredns") {
			t.Errorf("got %v:\n%s", err, out)
		}
		watch.hold(false)
		if err := leadsTo(t, "coredns-"); err != nil {
			t.Error(err)
		}
	})
	t.Run("images", func(t *testing.T) { replaceImages(t, move, watch) })
	watch.end(t)
}

// replaceImages replaces the images of a kube-dns, and puts back what cannot start.
func replaceImages(t *testing.T, move func(...string) string, watch *podWatch) {
	move("--to", "kube-dns", "--registry", "registry.example", "--tag", "v1")
	kubectl := []string{"-n", migrateNamespace}
	run := func(args ...string) string { return tool(t, "", kubectlPath(t), append(kubectl, args...)...) }
	run("delete", "deployment/coredns")
	images := func() string {
		return run("get", "deployment/kube-dns", "-o",
			"jsonpath={.spec.template.spec.containers[*].image} {.spec.minReadySeconds} {.spec.strategy.rollingUpdate.maxSurge} "+
				"{.metadata.annotations.dns\\.kube-dns\\.io/replacing}")
	}
	before := images()
	move("--to", "kube-dns", "--registry", "registry.example/new", "--tag", "v2")
	want := strings.ReplaceAll(strings.ReplaceAll(before, "registry.example/", "registry.example/new/"), ":v1", ":v2")
	if got := images(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	watch.hold(true)
	out, err := try(t, "", rig.dir+"/bin/kubectl-kubedns", "migrate", "-n", migrateNamespace, "--apply", "--no-compare",
		"--wait", "3s", "--to", "kube-dns", "--registry", "registry.example/new", "--tag", "v3")
	if err == nil || !strings.Contains(out, "put back the images of deployment/kube-dns") {
		t.Errorf("got %v:\n%s", err, out)
	}
	watch.hold(false)
	if got := images(); got != want {
		t.Errorf("after a failed move: got %s, want %s", got, want)
	}
	if err := leadsTo(t, "kube-dns-"); err != nil {
		t.Error(err)
	}
	left := run("get", "endpointslices", "-l", "endpointslice.kubernetes.io/managed-by=kubectl-kubedns", "-o", "name")
	if left != "" {
		t.Errorf("EndpointSlices are left: %s", left)
	}
}

// leadsTo checks that the Service's endpoints are ready pods of one Deployment.
func leadsTo(t *testing.T, prefix string) error {
	pods, err := queriedPods(t.Context())
	if err != nil {
		return err
	}
	if len(pods) == 0 || slices.ContainsFunc(pods, func(name string) bool { return !strings.HasPrefix(name, prefix) }) {
		return fmt.Errorf("the Service leads to %v, want pods %s*", pods, prefix)
	}
	return nil
}

// queriedPods are the pods that the Service leads to.
func queriedPods(ctx context.Context) ([]string, error) {
	list, err := rig.cluster.client.DiscoveryV1().EndpointSlices(migrateNamespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, slice := range list.Items {
		for _, e := range slice.Endpoints {
			if e.TargetRef != nil && (e.Conditions.Ready == nil || *e.Conditions.Ready) {
				names = append(names, e.TargetRef.Name)
			}
		}
	}
	return names, nil
}

// A podWatch stands for the kubelets, and looks at the Service all the time.
type podWatch struct {
	mu      sync.Mutex
	begun   bool
	held    bool // new pods do not get ready
	trouble []string
}

func (w *podWatch) begin()         { w.mu.Lock(); defer w.mu.Unlock(); w.begun = true }
func (w *podWatch) hold(held bool) { w.mu.Lock(); defer w.mu.Unlock(); w.held = held }

func (w *podWatch) end(t *testing.T) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.begun = false
	if len(w.trouble) > 0 {
		t.Errorf("%d times the Service led to no pod, or to pods of both servers: %s", len(w.trouble), w.trouble[0])
	}
}

func makePodsReady(t *testing.T) *podWatch {
	w := &podWatch{}
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	wait.Go(func() {
		for n := 1; ctx.Err() == nil; time.Sleep(50 * time.Millisecond) {
			n = w.tick(ctx, n)
		}
	})
	t.Cleanup(func() { cancel(); wait.Wait() })
	return w
}

// tick gives addresses to new pods, from n on, and looks at the Service.
func (w *podWatch) tick(ctx context.Context, n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	client := rig.cluster.client.CoreV1().Pods(migrateNamespace)
	pods, err := client.List(ctx, metav1.ListOptions{})
	if err != nil {
		return n
	}
	for _, p := range pods.Items {
		if p.DeletionTimestamp != nil {
			now := int64(0)
			_ = client.Delete(ctx, p.Name, metav1.DeleteOptions{GracePeriodSeconds: &now}) // the next tick tries again
			continue
		}
		if p.Status.PodIP != "" || w.held {
			continue
		}
		if p.Spec.NodeName == "" {
			if err := client.Bind(ctx, &corev1.Binding{
				ObjectMeta: metav1.ObjectMeta{Name: p.Name}, Target: corev1.ObjectReference{Kind: "Node", Name: migrateNamespace},
			}, metav1.CreateOptions{}); err != nil {
				continue
			}
		}
		ip := fmt.Sprintf("10.244.99.%d", n)
		status, err := json.Marshal(map[string]any{"status": corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: ip, PodIPs: []corev1.PodIP{{IP: ip}},
			Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		}})
		if err != nil {
			panic(err)
		}
		_, err = client.Patch(ctx, p.Name, types.StrategicMergePatchType, status, metav1.PatchOptions{}, "status")
		if err != nil && !apierrors.IsNotFound(err) {
			continue
		}
		n++
	}
	names, err := queriedPods(ctx)
	if err != nil || !w.begun {
		return n
	}
	servers := map[string]bool{}
	for _, name := range names {
		servers[strings.Split(name, "-")[0]] = true
	}
	if len(servers) != 1 {
		w.trouble = append(w.trouble, fmt.Sprintf("%v", names))
	}
	return n
}
