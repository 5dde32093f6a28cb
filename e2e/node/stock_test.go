//go:build node

package node

import (
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/e2e/node/agent"
)

const (
	stockZone     = ".svc.corp.example"
	stockDNS      = "172.30.0.10:53"
	stockRegistry = "registry.k8s.io/dns"
	stockTag      = "1.26.7"
)

// stockSettings are those of a cluster with another zone and another range of addresses.
const stockSettings = `apiVersion: v1
kind: ConfigMap
metadata:
  name: kube-dns-cluster
  namespace: kube-system
  annotations: {config.kubernetes.io/local-config: "true"}
data: {registry: registry.k8s.io/dns, version: 1.26.7, zone: corp.example, address: 172.30.0.10}
`

// stockKustomization is the add-on with upstream's arguments and rights. Its pods stop at once:
// upstream's programs have no lame duck.
const stockKustomization = `resources: [../drop-in]
replicas: [{name: kube-dns, count: 2}]
patches:
  - patch: |
      apiVersion: apps/v1
      kind: Deployment
      metadata: {name: kube-dns, namespace: kube-system}
      spec: {template: {spec: {terminationGracePeriodSeconds: 1}}}
`

const stockObjects = `apiVersion: networking.k8s.io/v1
kind: ServiceCIDR
metadata: {name: stock}
spec: {cidrs: [172.30.0.0/24]}
---
apiVersion: v1
kind: Pod
metadata: {name: stock-client, namespace: shop}
spec:
  dnsPolicy: None
  dnsConfig:
    nameservers: [172.30.0.10]
    searches: [shop.svc.corp.example, svc.corp.example, corp.example]
    options: [{name: ndots, value: "5"}]
  terminationGracePeriodSeconds: 1
  containers: [{name: agent, image: "localhost/testpod:1", args: [serve, ":8080"]}]
`

// migrateStock moves a kube-dns with upstream's image names, arguments and rights to this
// revision's images and back, under load. Images of the earlier revision replace upstream's.
func (c *cluster) migrateStock(t *testing.T) {
	t.Cleanup(func() {
		_, _ = c.kubectl("-n", "shop", "delete", "pod", "stock-client", "--wait=false")
		c.removeDNS(t)
		_, _ = c.kubectl("delete", "servicecidr", "stock", "--wait=false")
		c.setConfig(t, nil)
		c.deploy(t, "modern")
	})
	c.startStock(t)
	client := c.waitPod(t, "shop", "stock-client")
	client.dns = stockDNS
	web := c.service(t, "shop", "web")
	resolvesWeb := func() error { return client.wantResolved("web", web...) }
	eventually(t, time.Minute, resolvesWeb) // kube-proxy leads to the new pods, not to those of the other zone
	before := c.stockAnswers(t, client)

	move := func(t *testing.T, registry, tag string) {
		account := c.during(t, c.stockLoad(t), func() {
			out, err := c.plugin(t, "migrate", "--apply", "--to", "kube-dns", "--registry", registry, "--tag", tag, "--drain",
				drain)
			if err != nil {
				t.Fatal(err)
			}
			progress(t, "%s", out)
		})
		progress(t, "moved under load: %v", &account)
		wantNoneBad(t, &account)
		c.stockRuns(t, registry, tag)
		c.wantSameAnswers(t, before, c.stockAnswers(t, client))
		eventually(t, time.Minute, func() error {
			return errors.Join(resolvesWeb(),
				client.wantResolved("www.example.test", "192.0.2.80", "2001:db8::80"))
		})
	}
	t.Run("to kube-dns", func(t *testing.T) { move(t, "localhost", "dev") })
	t.Run("back", func(t *testing.T) { move(t, stockRegistry, stockTag) })
	t.Run("images that do not exist", func(t *testing.T) {
		account := c.during(t, c.stockLoad(t), func() {
			out, err := c.plugin(t, "migrate", "--apply", "--to", "kube-dns", "--registry", "localhost", "--tag", "missing",
				"--wait", "20s")
			if err == nil || !strings.Contains(out, "rolled back the images of deployment/kube-dns") {
				t.Errorf("got %v: %s", err, out)
			}
		})
		wantNoneBad(t, &account)
		c.stockRuns(t, stockRegistry, stockTag)
	})
}

// startStock replaces kube-dns and its Service with the stock objects.
func (c *cluster) startStock(t *testing.T) {
	t.Helper()
	for _, name := range []string{"k8s-dns-kube-dns", "k8s-dns-dnsmasq-nanny", "k8s-dns-sidecar"} {
		tag := exec.CommandContext(t.Context(), "ctr", "-a", c.dir+"/run/containerd.sock", "-n", "k8s.io", "images", "tag",
			"--force",
			"localhost/"+name+":previous", stockRegistry+"/"+name+":"+stockTag)
		if out, err := tag.CombinedOutput(); err != nil {
			t.Fatalf("ctr images tag: %v: %s", err, out)
		}
	}
	c.apply(t, stockObjects)
	c.mustKubectl(t, "wait", "servicecidr/stock", "--for=condition=Ready", "--timeout=60s")
	c.removeDNS(t)
	c.setConfig(t, map[string]string{"stubDomains": `{"stub.test":["` + nodeIP + `:5301"]}`})
	c.deployAs(t, stockSettings, stockKustomization)
}

// removeDNS deletes kube-dns, its Service, leftovers of a move, and the rights that upstream's
// manifests do not have.
func (c *cluster) removeDNS(t *testing.T) {
	t.Helper()
	c.mustKubectl(t, "-n", "kube-system", "delete", "deployment/kube-dns", "service/kube-dns",
		"configmap/kube-dns-migration",
		"poddisruptionbudget/kube-dns", "--ignore-not-found")
	c.mustKubectl(t, "delete", "clusterrolebinding", "kube-dns-endpointslices", "--ignore-not-found")
}

// stockLoad is the load in the other zone.
func (c *cluster) stockLoad(t *testing.T) agent.LoadOptions {
	opts := c.load(t)
	opts.Server = stockDNS
	for i, q := range opts.Questions {
		opts.Questions[i].Name = strings.ReplaceAll(q.Name, zone, stockZone)
		opts.Questions[i].Record = strings.ReplaceAll(q.Record, zone, stockZone)
	}
	opts.Questions = append(opts.Questions, agent.Question{Name: "printer.stub.test", Type: "A", Record: "A 192.0.2.83"})
	return opts
}

// stockRuns checks that the Deployment has these images and is otherwise unchanged.
func (c *cluster) stockRuns(t *testing.T, registry, tag string) {
	t.Helper()
	d, err := c.client.AppsV1().Deployments("kube-system").Get(t.Context(), "kube-dns", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, container := range d.Spec.Template.Spec.Containers {
		if !strings.HasPrefix(container.Image, registry+"/k8s-dns-") || !strings.HasSuffix(container.Image, ":"+tag) {
			t.Errorf("container %s has the image %s, want %s and %s", container.Name, container.Image, registry, tag)
		}
	}
	if s := d.Spec.Strategy.RollingUpdate; d.Spec.MinReadySeconds != 0 || s == nil || s.MaxSurge.String() != "10%" {
		t.Errorf("minReadySeconds %d and the strategy %v: want those of before", d.Spec.MinReadySeconds, s)
	}
	if a := d.Annotations["dns.kube-dns.io/replacing"]; a != "" {
		t.Errorf("the Deployment is marked as one that is being moved: %s", a)
	}
	s, err := c.client.CoreV1().Services("kube-system").Get(t.Context(), "kube-dns", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Spec.Selector) != 1 || s.Spec.ClusterIP+":53" != stockDNS {
		t.Errorf("the Service at %s selects %v", s.Spec.ClusterIP, s.Spec.Selector)
	}
	c.leadsTo(t, "kube-dns-")
}

// stockAnswers queries each ready pod for names of all kinds.
func (c *cluster) stockAnswers(t *testing.T, client pod) map[string]string {
	t.Helper()
	var all map[string]string
	for _, p := range c.dnsPods(t) {
		if p.DeletionTimestamp != nil {
			continue
		}
		got := c.answersOf(t, client, p.Status.PodIP+":53", stockZone)
		if all != nil {
			c.wantSameAnswers(t, all, got)
		}
		all = got
	}
	return all
}

// answersOf queries one server for names of all kinds, over UDP and TCP.
func (c *cluster) answersOf(t *testing.T, client pod, server, zone string) map[string]string {
	t.Helper()
	web, db0 := c.service(t, "shop", "web"), c.waitPod(t, "shop", "db-0")
	answers := map[string]string{}
	for _, q := range []agent.Question{
		{Name: "kubernetes.default" + zone, Type: "A"},
		{Name: "web.shop" + zone, Type: "A"},
		{Name: "web.shop" + zone, Type: "AAAA"},
		{Name: "web.shop" + zone, Type: "SRV"},
		{Name: "web.shop" + zone, Type: "ANY"},
		{Name: "six.shop" + zone, Type: "A"},
		{Name: "web-each.shop" + zone, Type: "A"},
		{Name: "web-each.shop" + zone, Type: "SRV"},
		{Name: "db-0.db.shop" + zone, Type: "A"},
		{Name: "_http._tcp.web.shop" + zone, Type: "SRV"},
		{Name: "_sql._tcp.db.shop" + zone, Type: "SRV"},
		{Name: "*.shop" + zone, Type: "A"},
		{Name: "outside.shop" + zone, Type: "A"},
		{Name: "office.shop" + zone, Type: "A"},
		{Name: "missing.shop" + zone, Type: "A"},
		{Name: "web.missing" + zone, Type: "A"},
		{Name: strings.ReplaceAll(db0.ip, ".", "-") + ".shop.pod" + strings.TrimPrefix(zone, ".svc"), Type: "A"},
		{Name: reverse(web[0]), Type: "PTR"},
		{Name: reverse(web[1]), Type: "PTR"},
		{Name: reverse(db0.ip), Type: "PTR"},
		{Name: "www.example.test", Type: "A"},
		{Name: "www.example.test", Type: "AAAA"},
		{Name: "missing.example.test", Type: "A"},
		{Name: "printer.stub.test", Type: "A"},
	} {
		for _, tcp := range []bool{false, true} {
			var a agent.Answer
			eventually(t, patience, func() error {
				var err error
				a, err = client.ask(server, q.Name, q.Type, tcp)
				return err
			})
			slices.Sort(a.Records)
			answers[fmt.Sprintf("%s %s over TCP %t", q.Name, q.Type, tcp)] = fmt.Sprintf("%s %q", a.Rcode, a.Records)
		}
	}
	return answers
}

func (c *cluster) wantSameAnswers(t *testing.T, before, after map[string]string) {
	t.Helper()
	for question, want := range before {
		if got := after[question]; got != want {
			t.Errorf("%s: got %s, before %s", question, got, want)
		}
	}
}
