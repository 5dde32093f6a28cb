//go:build node

package node

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/e2e/node/agent"
)

const (
	// nodeLocalIP is the address of node-cache on every node.
	nodeLocalIP      = "169.254.20.10"
	nodeLocalMetrics = "http://127.0.0.1:9253/metrics"
	nodeLocalLink    = "nodelocaldns"
	nodeLocalName    = "node-local-dns" // of the DaemonSet
)

// nodeLocalPod is a client of the link-local address, like all clients with kube-proxy in ipvs
// mode. The other pods reach the cache at the address of the Service.
const nodeLocalPod = `
apiVersion: v1
kind: Pod
metadata: {name: local, namespace: shop}
spec:
  dnsPolicy: None
  dnsConfig:
    nameservers: [` + nodeLocalIP + `]
    searches: [shop.svc.cluster.local, svc.cluster.local, cluster.local]
    options: [{name: ndots, value: "5"}]
  terminationGracePeriodSeconds: 1
  containers: [{name: agent, image: "localhost/testpod:1", args: [serve, ":8080"]}]
`

// nodeLocal deploys node-cache on the node, with the DaemonSet of the manifests.
func (c *cluster) nodeLocal(t *testing.T) {
	t.Cleanup(func() {
		if t.Failed() {
			c.explainNodeLocal(t)
		}
		for _, object := range []string{"daemonset/", "service/", "configmap/", "serviceaccount/"} {
			_, _ = c.kubectl("-n", "kube-system", "delete", object+nodeLocalName, "--ignore-not-found")
		}
		_, _ = c.kubectl("-n", "shop", "delete", "pod/local", "--ignore-not-found")
		c.deploy(t, "modern")
	})
	account := c.during(t, c.load(t), func() {
		c.deploy(t, "node-local")
		c.rolledOut(t, "kube-system", "daemonset/"+nodeLocalName)
	})
	progress(t, "installed under load: %v", &account)
	if account.Bad() > 0 {
		t.Errorf("%d queries were not answered right while the cache was installed: %v", account.Bad(), &account)
	}
	c.apply(t, nodeLocalPod)
	local := c.waitPod(t, "shop", "local")
	local.dns = nodeLocalIP + ":53"

	t.Run("answers", func(t *testing.T) { c.throughNodeLocal(t, local) })
	t.Run("update", func(t *testing.T) { c.updateNodeLocal(t, local) })
	t.Run("killed", func(t *testing.T) { c.killNodeLocal(t, local) })
	t.Run("over TCP", func(t *testing.T) {
		c.forceTCP(t)
		c.upstreamOfNodeLocal(t)
	})
	t.Run("with cluster-first", func(t *testing.T) {
		c.deploy(t, "node-local", "cluster-first")
		c.settle(t)
		c.throughNodeLocal(t, local)
		c.forceTCP(t)
		c.upstreamOfNodeLocal(t)
	})
	t.Run("removed", func(t *testing.T) { c.removeNodeLocal(t) })
}

// explainNodeLocal prints the state of the cache and its changes to the node.
func (c *cluster) explainNodeLocal(t *testing.T) {
	for _, args := range [][]string{
		{"-n", "kube-system", "get", "pods", "-l", "k8s-app=" + nodeLocalName, "-o", "wide"},
		{"-n", "kube-system", "describe", "pods", "-l", "k8s-app=" + nodeLocalName},
		{"-n", "kube-system", "logs", "-l", "k8s-app=" + nodeLocalName, "--prefix", "--tail=60"},
	} {
		out, err := c.kubectl(args...)
		t.Logf("kubectl %s\n%s%v", strings.Join(args, " "), out, err)
	}
	for _, args := range [][]string{{"ip", "-brief", "address"}, {"nft", "list", "tables"}, {"ss", "-lnup"}} {
		out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
		t.Logf("%s\n%s%v", strings.Join(args, " "), out, err)
	}
}

// cachePods are the pods of the cache, including terminating pods.
func (c *cluster) cachePods(t *testing.T) []corev1.Pod {
	t.Helper()
	list, err := c.client.CoreV1().Pods("kube-system").List(t.Context(),
		metav1.ListOptions{LabelSelector: "k8s-app=" + nodeLocalName})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// throughNodeLocal queries the cache at both addresses, and checks that the cache replied at each.
func (c *cluster) throughNodeLocal(t *testing.T, local pod) {
	web, db := c.service(t, "shop", "web"), c.waitPod(t, "shop", "db-0")
	for _, p := range []struct {
		name   string
		pod    pod
		server string
	}{
		{"address of the Service", c.shop, clusterDNS},
		{"address of the Service, from the host's network", c.hostnet, clusterDNS},
		{"link-local address", local, nodeLocalIP + ":53"},
	} {
		before := c.requests(t, p.server)
		eventually(t, time.Minute, func() error {
			return errors.Join(
				p.pod.wantResolved("web", web...),
				p.pod.wantResolved("db-0.db", db.ip),
				p.pod.wantResolved("www.example.test", "192.0.2.80", "2001:db8::80"),
				p.pod.want("outside.shop"+zone, "A", "NOERROR", "CNAME www.example.test.", "A 192.0.2.80"),
				p.pod.want("_http._tcp.web.shop"+zone, "SRV", "NOERROR", "SRV 10 100 80 web.shop"+zone+"."),
				p.pod.want(reverse(web[0]), "PTR", "NOERROR", "PTR web.shop"+zone+"."),
				p.pod.want("missing.shop"+zone, "A", "NXDOMAIN"),
				p.pod.want("missing.example.test", "A", "NXDOMAIN"),
			)
		})
		if got := c.requests(t, p.server) - before; got < 10 {
			t.Errorf("%s: the cache had %d queries, so another server answered", p.name, got)
		}
	}
}

// requests returns the number of queries of the cache at an address.
func (c *cluster) requests(t *testing.T, server string) int {
	t.Helper()
	return c.metric(t, "coredns_dns_requests_total", `server="dns://`+server+`"`)
}

// metric sums up the series of the cache with all of the labels.
func (c *cluster) metric(t *testing.T, name string, labels ...string) int {
	t.Helper()
	var body string
	eventually(t, patience, func() (err error) { body, err = get(nodeLocalMetrics); return err })
	sum := 0
	for line := range strings.Lines(body) {
		series, value, ok := strings.Cut(strings.TrimSpace(line), "} ")
		if !ok || !strings.HasPrefix(series, name+"{") || wantLine(series, labels...) != nil {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("metric %s: %v", line, err)
		}
		sum += int(n)
	}
	return sum
}

// forceTCP sets the option of older Corefiles in the cache, and the flag that keeps it. It waits
// until it is in use.
func (c *cluster) forceTCP(t *testing.T) {
	t.Helper()
	maps := c.client.CoreV1().ConfigMaps("kube-system")
	config, err := maps.Get(t.Context(), nodeLocalName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text := config.Data["Corefile"]
	if config.Data["Corefile"] = strings.ReplaceAll(text, "prefer_udp", "force_tcp"); config.Data["Corefile"] == text {
		t.Fatalf("the Corefile has no prefer_udp:\n%s", text)
	}
	if _, err := maps.Update(t.Context(), config, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	c.mustKubectl(t, "-n", "kube-system", "patch", "daemonset", nodeLocalName, "--type=json",
		"-p", `[{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "-forcetcp"}]`)
	c.rolledOut(t, "kube-system", "daemonset/"+nodeLocalName)
	c.networks++
	n := 0
	eventually(t, volumeTime, func() error {
		before := c.askedOverUDP(t)
		for range 3 { // new names
			n++
			name := fmt.Sprintf("10-%d-%d-%d.shop.pod.cluster.local", c.networks, n/250, n%250)
			if _, err := c.shop.ask(nodeLocalIP+":53", name, "A", false); err != nil {
				return err
			}
		}
		if got := c.askedOverUDP(t) - before; got > 0 {
			return fmt.Errorf("the cache still asks kube-dns over UDP: %d times", got)
		}
		return nil
	})
}

// askedOverUDP returns the number of the cache's UDP queries to kube-dns.
func (c *cluster) askedOverUDP(t *testing.T) int {
	t.Helper()
	labels := []string{`to="` + c.service(t, "kube-system", "kube-dns-upstream")[0] + `:53"`, `proto="udp"`}
	return c.metric(t, "coredns_proxy_conn_cache_hits_total", labels...) +
		c.metric(t, "coredns_proxy_conn_cache_misses_total", labels...)
}

// upstreamOfNodeLocal checks the queries of the cache to kube-dns: over few TCP connections, which
// are reused, even after an idle time and while a pod of kube-dns is replaced.
func (c *cluster) upstreamOfNodeLocal(t *testing.T) {
	load := c.nodeLocalLoad(t)
	udp := c.askedOverUDP(t)
	opened, used := c.connections(t)
	account := c.during(t, load, func() { time.Sleep(20 * time.Second) })
	if udp = c.askedOverUDP(t) - udp; udp > 0 {
		t.Errorf("the cache asked kube-dns %d times over UDP", udp)
	}
	nowOpened, nowUsed := c.connections(t)
	opened, used = nowOpened-opened, nowUsed-used
	progress(t, "%v; asked kube-dns over TCP %d times, with %d new connections", &account, opened+used, opened)
	if account.Bad() > 0 {
		t.Errorf("%d queries were not answered right: %v", account.Bad(), &account)
	}
	if opened+used < account.Sent/4 {
		t.Errorf("kube-dns was asked %d times for %d queries: the load does not reach it", opened+used, account.Sent)
	}
	if opened > (opened+used)/10 {
		t.Errorf("%d of %d queries needed a new TCP connection: they are not used again", opened, opened+used)
	}

	// kube-dns closes a connection after 8 s of idle time, the cache after 10 s.
	for _, idle := range []time.Duration{7 * time.Second, 9 * time.Second, 11 * time.Second} {
		time.Sleep(idle)
		account := c.during(t, c.nodeLocalLoad(t), func() { time.Sleep(2 * time.Second) })
		if account.Bad() > 0 {
			t.Errorf("after %v without queries: %v", idle, &account)
		}
	}

	victim, before := c.otherPod(t, ""), c.containers(t)
	for name := range before {
		if !strings.HasPrefix(name, victim.Name+"/") {
			delete(before, name)
		}
	}
	c.against(t, load, func() {
		if err := c.client.CoreV1().Pods("kube-system").Delete(t.Context(), victim.Name, metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		c.rolledOut(t, "kube-system", "deployment/kube-dns")
		c.gone(t, before)
	})
}

// nodeLocalLoad queries the node's cache. Besides the usual names it has pod names, different each
// time, so that most queries are cache misses.
func (c *cluster) nodeLocalLoad(t *testing.T) agent.LoadOptions {
	t.Helper()
	load := c.load(t)
	load.Server = nodeLocalIP + ":53"
	c.networks++
	for i := range 6000 {
		ip := fmt.Sprintf("10.%d.%d.%d", c.networks, i/250, i%250)
		load.Questions = append(load.Questions, agent.Question{
			Name: strings.ReplaceAll(ip, ".", "-") + ".shop.pod.cluster.local", Type: "A", Record: "A " + ip,
		})
	}
	return load
}

// connections counts the queries of the node's cache to kube-dns over new TCP connections, and
// those over open connections.
func (c *cluster) connections(t *testing.T) (opened, used int) {
	t.Helper()
	labels := []string{`to="` + c.service(t, "kube-system", "kube-dns-upstream")[0] + `:53"`, `proto="tcp"`}
	return c.metric(t, "coredns_proxy_conn_cache_misses_total", labels...),
		c.metric(t, "coredns_proxy_conn_cache_hits_total", labels...)
}

// both runs a load at each address while do runs.
func (c *cluster) both(t *testing.T, local pod, do func()) (service, link agent.Account) {
	t.Helper()
	load := c.nodeLocalLoad(t)
	_, _ = local.endLoad()
	if err := local.startLoad(load); err != nil {
		t.Fatalf("start the load at %s: %v", load.Server, err)
	}
	defer func() { _, _ = local.endLoad() }() // a failed test must not leave it running
	load.Server = clusterDNS
	service = c.during(t, load, do)
	link, err := local.endLoad()
	if err != nil {
		t.Fatalf("end the load: %v", err)
	}
	return service, link
}

// updateNodeLocal replaces the pod of the cache under load. The new pod runs on the node next to
// the old pod, and no query is lost.
func (c *cluster) updateNodeLocal(t *testing.T, local pod) {
	old := c.onlyCachePod(t)
	progress(t, "the cache has %s", c.resident(t, old))
	began := time.Now()
	service, link := c.both(t, local, func() {
		c.mustKubectl(t, "-n", "kube-system", "rollout", "restart", "daemonset/"+nodeLocalName)
		eventually(t, time.Minute, func() error { return c.sideBySide(t, old.Name) })
		progress(t, "two pods run on the node")
		c.rolledOut(t, "kube-system", "daemonset/"+nodeLocalName)
		eventually(t, 2*time.Minute, func() error {
			if pods := c.cachePods(t); len(pods) != 1 || pods[0].Name == old.Name || restarts(&pods[0], "node-cache") > 0 {
				return fmt.Errorf("%d pods of the cache, want the new one alone without a restart", len(pods))
			}
			return nil
		})
		time.Sleep(2 * time.Second) // only the new pod is on the node
	})
	took := time.Since(began)
	progress(t, "updated in %.0f s, at the address of the Service: %v\nat %s: %v", took.Seconds(), &service,
		nodeLocalIP, &link)
	controlService, controlLink := c.both(t, local, func() { time.Sleep(min(took, 30*time.Second)) })
	progress(t, "control run: %v\n%v", &controlService, &controlLink)
	if service.Bad() > controlService.Bad() {
		t.Errorf("%d queries at the address of the Service were not answered right: %v", service.Bad(), &service)
	}
	if link.Bad() > controlLink.Bad() {
		t.Errorf("%d queries at %s were not answered right: %v", link.Bad(), nodeLocalIP, &link)
	}
	c.throughNodeLocal(t, local)
}

// onlyCachePod returns the pod of the cache.
func (c *cluster) onlyCachePod(t *testing.T) *corev1.Pod {
	t.Helper()
	var one corev1.Pod
	eventually(t, time.Minute, func() error {
		pods := c.cachePods(t)
		if len(pods) != 1 || !ready(&pods[0]) {
			return fmt.Errorf("%d pods of the cache, want one that is ready", len(pods))
		}
		one = pods[0]
		return nil
	})
	return &one
}

// sideBySide reports whether a second pod runs next to the old pod.
func (c *cluster) sideBySide(t *testing.T, old string) error {
	var others int
	for _, p := range c.cachePods(t) {
		switch {
		case p.Name == old && p.DeletionTimestamp != nil:
			return fmt.Errorf("pod %s is going away, and no other has run with it", old)
		case p.Name != old && p.Status.Phase == corev1.PodRunning:
			others++
		}
	}
	if others != 1 {
		return fmt.Errorf("%d other pods run, want one", others)
	}
	return nil
}

// killNodeLocal kills the cache under load. kube-dns answers at the address of the Service until
// the kubelet has restarted the cache.
func (c *cluster) killNodeLocal(t *testing.T, local pod) {
	victim := c.onlyCachePod(t)
	count := restarts(victim, "node-cache")
	service, link := c.both(t, local, func() {
		time.Sleep(2 * time.Second)
		signal(t, victim, "node-cache", syscall.SIGKILL)
		eventually(t, time.Minute, func() error {
			if p := c.onlyCachePod(t); restarts(p, "node-cache") <= count {
				return errors.New("the container was not started again")
			}
			return nil
		})
		time.Sleep(2 * time.Second)
	})
	progress(t, "killed, at the address of the Service: %v\nat %s: %v", &service, nodeLocalIP, &link)
	// Queries in the process and in its sockets are lost.
	if service.Bad() > 5 {
		t.Errorf("%d queries at the address of the Service were not answered right: %v", service.Bad(), &service)
	}
	if link.Right == 0 {
		t.Errorf("no query at %s was answered: %v", nodeLocalIP, &link)
	}
	c.throughNodeLocal(t, local)
}

// removeNodeLocal deletes the DaemonSet under load. kube-dns answers, and the node has no
// leftovers.
func (c *cluster) removeNodeLocal(t *testing.T) {
	account := c.during(t, c.load(t), func() {
		c.mustKubectl(t, "-n", "kube-system", "delete", "daemonset", nodeLocalName)
		eventually(t, time.Minute, func() error {
			if n := len(c.cachePods(t)); n > 0 {
				return fmt.Errorf("%d pods of the cache are left", n)
			}
			return nil
		})
		time.Sleep(2 * time.Second)
	})
	progress(t, "removed under load: %v", &account)
	if account.Bad() > 5 {
		t.Errorf("%d queries were not answered right: %v", account.Bad(), &account)
	}
	for _, left := range []struct {
		args []string
		text string
	}{
		{[]string{"ip", "-brief", "address"}, nodeLocalLink},
		{[]string{"ip", "-brief", "address"}, nodeLocalIP},
		{[]string{"nft", "list", "tables"}, "node-cache"},
		{[]string{"iptables-save"}, "NodeLocal DNS Cache"},
	} {
		out, err := exec.CommandContext(t.Context(), left.args[0], left.args[1:]...).CombinedOutput()
		if err != nil || strings.Contains(string(out), left.text) {
			t.Errorf("%s: %v, and %q is left:\n%s", strings.Join(left.args, " "), err, left.text, out)
		}
	}
}

// resident returns the resident memory of the cache, in the kernel's format.
func (c *cluster) resident(t *testing.T, p *corev1.Pod) string {
	t.Helper()
	pid, err := process(p, "node-cache")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "grep", "VmRSS", fmt.Sprintf("/proc/%d/status", pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(string(out)), " ")
}
