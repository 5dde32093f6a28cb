//go:build node

package node

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/e2e/node/agent"
)

const (
	// nodeLocalIP is where NodeLocal DNSCache listens on every node.
	nodeLocalIP = "169.254.20.10"
	// nodeLocalMetrics are those of its stand-in.
	nodeLocalMetrics = "http://127.0.0.1:9253/metrics"
)

// nodeLocalObjects are the cache of the node and a pod that asks it. The zones, the
// caches and force_tcp are those of the real one's configuration; %[1]s is its
// address, %[2]s that of the Service kube-dns-upstream. It asks there for outside
// names too, so that these reach dnsmasq over TCP as well.
const nodeLocalObjects = `
apiVersion: v1
kind: ConfigMap
metadata: {name: node-local-dns, namespace: kube-system}
data:
  Corefile: |
    cluster.local:53 {
        errors
        cache {
            success 9984 30
            denial 9984 5
        }
        bind %[1]s
        forward . %[2]s {
            force_tcp
        }
        prometheus 127.0.0.1:9253
    }
    in-addr.arpa:53 ip6.arpa:53 .:53 {
        errors
        cache 30
        bind %[1]s
        forward . %[2]s {
            force_tcp
        }
        prometheus 127.0.0.1:9253
    }
---
apiVersion: v1
kind: Pod
metadata: {name: node-local-dns, namespace: kube-system}
spec:
  hostNetwork: true
  dnsPolicy: Default
  terminationGracePeriodSeconds: 1
  containers:
    - name: node-cache
      image: localhost/nodecache:1
      args: [-conf, /etc/coredns/Corefile]
      volumeMounts: [{name: config, mountPath: /etc/coredns}]
  volumes: [{name: config, configMap: {name: node-local-dns}}]
---
apiVersion: v1
kind: Pod
metadata: {name: local, namespace: shop}
spec:
  dnsPolicy: None
  dnsConfig:
    nameservers: [%[1]s]
    searches: [shop.svc.cluster.local, svc.cluster.local, cluster.local]
    options: [{name: ndots, value: "5"}]
  terminationGracePeriodSeconds: 1
  containers: [{name: agent, image: "localhost/testpod:1", args: [serve, ":8080"]}]
`

// nodeLocal puts a cache on the node, as NodeLocal DNSCache does: it asks the pods
// over few TCP connections, which stay open and carry everything.
func (c *cluster) nodeLocal(t *testing.T) {
	t.Cleanup(func() { c.deploy(t, "modern") })
	c.deploy(t, "node-local")
	// No dummy device is needed for an address of the node.
	if out, err := exec.Command("ip", "addr", "add", nodeLocalIP+"/32", "dev", "lo").CombinedOutput(); err != nil {
		t.Fatalf("give the node the address %s: %v\n%s", nodeLocalIP, err, out)
	}
	t.Cleanup(func() { _ = exec.Command("ip", "addr", "del", nodeLocalIP+"/32", "dev", "lo").Run() })
	t.Cleanup(func() {
		_, _ = c.kubectl("-n", "kube-system", "delete", "pod/node-local-dns", "configmap/node-local-dns", "--ignore-not-found")
		_, _ = c.kubectl("-n", "shop", "delete", "pod/local", "--ignore-not-found")
	})
	c.apply(t, fmt.Sprintf(nodeLocalObjects, nodeLocalIP, c.service(t, "kube-system", "kube-dns-upstream")[0]))
	c.waitPod(t, "kube-system", "node-local-dns")
	local := c.waitPod(t, "shop", "local")
	local.dns = nodeLocalIP + ":53"

	t.Run("node-local", func(t *testing.T) { c.throughNodeLocal(t, local) })
	t.Run("node-local and cluster-first", func(t *testing.T) {
		c.deploy(t, "node-local", "cluster-first")
		c.throughNodeLocal(t, local)
	})
}

// throughNodeLocal asks the node's cache: right answers, under load, over
// connections that are used again, after these were idle, and while a pod of
// kube-dns is replaced.
func (c *cluster) throughNodeLocal(t *testing.T, local pod) {
	c.settle(t)
	web, db := c.service(t, "shop", "web"), c.waitPod(t, "shop", "db-0")
	eventually(t, time.Minute, func() error {
		return errors.Join(
			local.wantResolved("web", web...),
			local.wantResolved("db-0.db", db.ip),
			local.wantResolved("www.example.test", "192.0.2.80", "2001:db8::80"),
			local.want("outside.shop"+zone, "A", "NOERROR", "CNAME www.example.test.", "A 192.0.2.80"),
			local.want("_http._tcp.web.shop"+zone, "SRV", "NOERROR", "SRV 10 100 80 web.shop"+zone+"."),
			local.want(reverse(web[0]), "PTR", "NOERROR", "PTR web.shop"+zone+"."),
			local.want("missing.shop"+zone, "A", "NXDOMAIN"),
			local.want("missing.example.test", "A", "NXDOMAIN"),
		)
	})

	load := c.nodeLocalLoad(t)
	opened, used := c.connections(t)
	account := c.during(t, load, func() { time.Sleep(20 * time.Second) })
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

	// kube-dns closes a connection that was idle for 8 s, the cache after 10 s.
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

// nodeLocalLoad asks the node's cache. Besides the usual names it has so many others
// that most queries are not in a cache: names of pods, another set each time.
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

// connections counts the queries of the node's cache to kube-dns that needed a new
// TCP connection, and those that used an open one. One over UDP is an error.
func (c *cluster) connections(t *testing.T) (opened, used int) {
	t.Helper()
	body, err := get(nodeLocalMetrics)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(body) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "} ")
		if !strings.HasPrefix(name, "coredns_proxy_conn_cache_") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			t.Fatalf("metric %s: %v", line, err)
		}
		switch {
		case !strings.Contains(name, `proto="tcp"`):
			t.Errorf("the node's cache does not ask over TCP alone: %s", line)
		case strings.HasPrefix(name, "coredns_proxy_conn_cache_hits_total"):
			used += int(n)
		case strings.HasPrefix(name, "coredns_proxy_conn_cache_misses_total"):
			opened += int(n)
		}
	}
	return opened, used
}
