//go:build node

package node

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// patience is the timeout for a right reply.
const patience = time.Minute

// names queries every kind of name, like programs in pods.
func (c *cluster) names(t *testing.T) {
	web, six, other := c.service(t, "shop", "web"), c.service(t, "shop", "six"), c.service(t, "other", "web")
	db0, db1 := c.waitPod(t, "shop", "db-0"), c.waitPod(t, "shop", "db-1")
	kubernetes := c.service(t, "default", "kubernetes")

	for _, p := range []struct {
		pod    pod
		search string
	}{
		{c.shop, "search shop.svc.cluster.local svc.cluster.local cluster.local"},
		{c.hostnet, "search shop.svc.cluster.local svc.cluster.local cluster.local"},
		{c.other, "search other.svc.cluster.local svc.cluster.local cluster.local"},
	} {
		text, err := p.pod.file("/etc/resolv.conf")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{p.search, "nameserver 10.96.0.10", "ndots:5"} {
			if !strings.Contains(text, want) {
				t.Errorf("resolv.conf of pod %s has no %q: it is not what is tested here\n%s", p.pod.name, want, text)
			}
		}
	}

	lookups := []struct {
		name   string
		from   pod
		lookup string
		want   []string
	}{
		{"short name", c.shop, "web", web},
		{"short name in another namespace", c.other, "web", other},
		{"service and namespace", c.other, "web.shop", web},
		{"service, namespace, svc", c.other, "web.shop.svc", web},
		{"full name", c.other, "web.shop.svc.cluster.local", web},
		{"full name with a dot", c.other, "web.shop.svc.cluster.local.", web},
		{"kubernetes", c.shop, "kubernetes.default", kubernetes},
		{"IPv6 alone", c.shop, "six", six},
		{"outside name", c.shop, "www.example.test", []string{"192.0.2.80", "2001:db8::80"}},
		{"outside name with a dot", c.shop, "www.example.test.", []string{"192.0.2.80", "2001:db8::80"}},
		{"ExternalName", c.shop, "outside", []string{"192.0.2.80", "2001:db8::80"}},
		{"StatefulSet's Service", c.shop, "db", []string{db0.ip, db1.ip}},
		{"StatefulSet's first pod", c.shop, "db-0.db", []string{db0.ip}},
		{"StatefulSet's second pod from another namespace", c.other, "db-1.db.shop", []string{db1.ip}},
		{"hostNetwork with ClusterFirstWithHostNet", c.hostnet, "web", web},
		{"hostNetwork, outside name", c.hostnet, "www.example.test", []string{"192.0.2.80", "2001:db8::80"}},
	}
	for _, tt := range lookups {
		t.Run(tt.name, func(t *testing.T) {
			eventually(t, patience, func() error { return tt.from.wantResolved(tt.lookup, tt.want...) })
		})
	}

	zero := db0.name + ".db.shop" + zone + "."
	one := db1.name + ".db.shop" + zone + "."
	answers := []struct {
		name, question, qtype, rcode string
		want                         []string
	}{
		{"A", "web.shop" + zone, "A", "NOERROR", records("A", web[0])},
		{"AAAA", "web.shop" + zone, "AAAA", "NOERROR", records("AAAA", web[1])},
		{"no A of an IPv6 Service", "six.shop" + zone, "A", "NOERROR", nil},
		{"SRV of a Service", "_http._tcp.web.shop" + zone, "SRV", "NOERROR", []string{"SRV 10 100 80 web.shop" + zone + "."}},
		{
			"SRV of a StatefulSet", "_sql._tcp.db.shop" + zone, "SRV", "NOERROR",
			records("SRV", "10 50 8080 "+zero, "10 50 8080 "+one),
		},
		{"PTR of a ClusterIP", reverse(web[0]), "PTR", "NOERROR", []string{"PTR web.shop" + zone + "."}},
		{"PTR of an IPv6 ClusterIP", reverse(web[1]), "PTR", "NOERROR", []string{"PTR web.shop" + zone + "."}},
		{"PTR of a StatefulSet's pod", reverse(db0.ip), "PTR", "NOERROR", []string{"PTR " + zero}},
		{"pod name", strings.ReplaceAll(db0.ip, ".", "-") + ".shop.pod.cluster.local", "A", "NOERROR", records("A", db0.ip)},
		{
			"CNAME and address of an ExternalName", "outside.shop" + zone, "A", "NOERROR",
			[]string{"CNAME www.example.test.", "A 192.0.2.80"},
		},
		{"missing Service", "missing.shop" + zone, "A", "NXDOMAIN", nil},
		{"missing namespace", "web.missing" + zone, "A", "NXDOMAIN", nil},
	}
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			eventually(t, patience, func() error { return c.shop.want(tt.question, tt.qtype, tt.rcode, tt.want...) })
		})
	}
	t.Run("cluster names stay in the cluster", func(t *testing.T) {
		if leaked := c.upstream.leaked(); len(leaked) > 0 {
			t.Errorf("the upstream name server was asked for %q", leaked)
		}
	})
	t.Run("health and metrics", func(t *testing.T) { c.health(t) })
}

// health checks the pages that operators read.
func (c *cluster) health(t *testing.T) {
	for _, p := range c.dnsPods(t) {
		for port, want := range map[string][]string{
			"8081/readiness":            {"ok"},
			"10054/healthcheck/kubedns": {`"IsOk":true`},
			"10054/healthcheck/dnsmasq": {`"IsOk":true`},
			"10054/metrics":             {"kubedns_dnsmasq_hits ", "kubedns_probe_kubedns_errors "},
			"10055/metrics":             {"skydns_skydns_dns_request_count_total{"},
		} {
			eventually(t, patience, func() error {
				body, err := get("http://" + p.Status.PodIP + ":" + port)
				for _, text := range want {
					if err == nil && !strings.Contains(body, text) {
						err = fmt.Errorf("%s of pod %s has no %q: %.300s", port, p.Name, text, body)
					}
				}
				return err
			})
		}
	}
}

// readinessChanges has pods that turn unready and ready again.
func (c *cluster) readinessChanges(t *testing.T) {
	list, err := c.client.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{LabelSelector: "app=web"})
	if err != nil || len(list.Items) != 2 {
		t.Fatalf("pods of web: %d, %v", len(list.Items), err)
	}
	a, b := podOf(&list.Items[0]), podOf(&list.Items[1])
	all := slices.Concat(a.ips, b.ips)
	// The tolerant Service has only one family.
	both := []string{a.ip, b.ip}
	t.Cleanup(func() { _ = a.setReady(true); _ = b.setReady(true) })
	c.wantEach(t, all, both)
	for _, step := range []struct {
		what string
		pod  pod
		ok   bool
		want []string
	}{
		{"the first turns unready", a, false, b.ips},
		{"the second too", b, false, nil},
		{"the first is back", a, true, a.ips},
		{"the second too", b, true, all},
	} {
		progress(t, "%s", step.what)
		if err := step.pod.setReady(step.ok); err != nil {
			t.Fatal(err)
		}
		c.wantEach(t, step.want, both)
	}
	// dnsmasq caches a reply for its TTL of 30 s, so programs see the change later.
	eventually(t, time.Minute, func() error {
		return errors.Join(c.shop.wantResolved("web-each", all...), c.shop.wantResolved("web-all", both...))
	})
}

// wantEach waits until kube-dns in both pods has these addresses of the headless Services, and
// replies NXDOMAIN for a Service without any.
func (c *cluster) wantEach(t *testing.T, each, tolerant []string) {
	t.Helper()
	for _, p := range c.dnsPods(t) {
		for name, addrs := range map[string][]string{"web-each.shop" + zone: each, "web-all.shop" + zone: tolerant} {
			eventually(t, patience, func() error {
				var got []string
				var rcode string
				for _, qtype := range []string{"A", "AAAA"} {
					a, err := c.shop.ask(p.Status.PodIP+":10053", name, qtype, false)
					if err != nil {
						return err
					}
					rcode = a.Rcode
					for _, r := range a.Records {
						got = append(got, strings.TrimPrefix(r, qtype+" "))
					}
				}
				slices.Sort(got)
				want, wantRcode := slices.Sorted(slices.Values(addrs)), "NOERROR"
				if len(want) == 0 {
					wantRcode = "NXDOMAIN"
				}
				if rcode != wantRcode || !slices.Equal(got, want) {
					return fmt.Errorf("%s at pod %s: got %s %q, want %s %q", name, p.Name, rcode, got, wantRcode, want)
				}
				return nil
			})
		}
	}
}

// reverse is the name in a PTR question.
func reverse(ip string) string {
	name, err := dns.ReverseAddr(ip)
	if err != nil {
		return err.Error()
	}
	return name
}
