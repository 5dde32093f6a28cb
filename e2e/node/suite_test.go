//go:build node

package node

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// suite has the checks of the Kubernetes project's own end-to-end tests for cluster DNS
// ([sig-network] DNS and DNS configMap), by their names. Further tests there (64-bit or Windows
// nodes, cloud providers' metadata servers) do not depend on the DNS server. The largest number of
// Services is in "large cluster".
func (c *cluster) suite(t *testing.T) {
	c.apply(t, suiteObjects)
	t.Cleanup(func() {
		_, _ = c.kubectl("delete", "namespace", "dns-test", "--wait=false")
	})
	querier, host := c.waitPod(t, "dns-test", "dns-querier-1"), c.waitPod(t, "dns-test", "dns-querier-host")
	c.waitPod(t, "dns-test", "dns-querier-2")
	c.waitPod(t, "dns-test", "web")
	for _, tt := range []struct {
		name string
		run  func(*cluster, *testing.T, pod)
	}{
		{"should provide DNS for the cluster", (*cluster).suiteCluster},
		{"should provide DNS for the cluster, outside names", (*cluster).suiteOutside},
		{"should resolve DNS of partial qualified names for the cluster", (*cluster).suitePartialCluster},
		{"should provide /etc/hosts entries for the cluster", (*cluster).suiteHosts},
		{"should provide DNS for services", (*cluster).suiteServices},
		{"should resolve DNS of partial qualified names for services", (*cluster).suitePartialServices},
		{"should provide DNS for pods for Hostname", (*cluster).suiteHostname},
		{"should provide DNS for pods for Subdomain", (*cluster).suiteSubdomain},
		{"should provide DNS for ExternalName services", (*cluster).suiteExternalName},
		{"should support configurable pod DNS nameservers", (*cluster).suiteNameservers},
		{"should support configurable pod resolv.conf", (*cluster).suiteResolvConf},
		{"should work with the pod containing more than 6 DNS search paths and longer than 256 search list characters",
			(*cluster).suiteSearch},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.run(c, t, querier) })
	}
	t.Run("should resolve DNS of partial qualified names for services on hostNetwork pods with dnsPolicy: "+
		"ClusterFirstWithHostNet",
		func(t *testing.T) { c.suitePartialServices(t, host) })
	t.Run("DNS configMap nameserver", c.suiteConfigMap)
}

func (c *cluster) suiteCluster(t *testing.T, p pod) {
	eventually(t, patience, func() error { return p.wantA("kubernetes.default"+zone, "10.96.0.1") })
}

func (c *cluster) suiteOutside(t *testing.T, p pod) {
	eventually(t, patience, func() error { return p.wantA("www.example.test", "192.0.2.80") })
}

func (c *cluster) suitePartialCluster(t *testing.T, p pod) {
	for _, name := range []string{"kubernetes.default", "kubernetes.default.svc"} {
		eventually(t, patience, func() error { return p.wantResolved(name, "10.96.0.1") })
	}
}

func (c *cluster) suiteHosts(t *testing.T, p pod) {
	hosts, err := p.file("/etc/hosts")
	if err != nil {
		t.Fatal(err)
	}
	full := "dns-querier-1.dns-test-service.dns-test" + zone
	if !strings.Contains(hosts, full) {
		t.Errorf("/etc/hosts has no %s:\n%s", full, hosts)
	}
	// Elsewhere only the cluster's DNS has it.
	eventually(t, patience, func() error { return c.shop.wantA(full, p.ip) })
}

func (c *cluster) suiteServices(t *testing.T, p pod) {
	service := c.service(t, "dns-test", "test-service-2")[0]
	web := c.waitPod(t, "dns-test", "web")
	target := strings.TrimPrefix(c.srvTarget(t, p, "_http._tcp.dns-test-web.dns-test"+zone), "SRV 10 100 8080 ")
	eventually(t, patience, func() error {
		return errors.Join(
			p.wantA("dns-test-web.dns-test"+zone, web.ip), // headless
			p.wantA(target, web.ip),
			p.wantA("test-service-2.dns-test"+zone, service),
			p.want("_http._tcp.test-service-2.dns-test"+zone, "SRV", "NOERROR",
				"SRV 10 100 80 test-service-2.dns-test"+zone+"."),
			p.want(reverse(service), "PTR", "NOERROR", "PTR test-service-2.dns-test"+zone+"."),
		)
	})
}

// srvTarget waits for the only SRV record of a name.
func (c *cluster) srvTarget(t *testing.T, p pod, name string) string {
	t.Helper()
	var record string
	eventually(t, patience, func() error {
		a, err := p.ask("", name, "SRV", false)
		if err != nil {
			return err
		}
		if len(a.Records) != 1 {
			return fmt.Errorf("%s SRV: got %q, want one record", name, a.Records)
		}
		record = a.Records[0]
		return nil
	})
	return record
}

func (c *cluster) suitePartialServices(t *testing.T, p pod) {
	service := c.service(t, "dns-test", "test-service-2")[0]
	web := c.waitPod(t, "dns-test", "web")
	for _, suffix := range []string{"", ".dns-test", ".dns-test.svc"} {
		eventually(t, patience, func() error {
			return errors.Join(p.wantResolved("test-service-2"+suffix, service), p.wantResolved("dns-test-web"+suffix, web.ip))
		})
	}
}

func (c *cluster) suiteHostname(t *testing.T, p pod) {
	two := c.waitPod(t, "dns-test", "dns-querier-2")
	full := "dns-querier-2.dns-test-service-2.dns-test" + zone
	eventually(t, patience, func() error {
		return errors.Join(p.wantA(full, two.ip), p.wantResolved("dns-querier-2.dns-test-service-2", two.ip),
			p.want(reverse(two.ip), "PTR", "NOERROR", "PTR "+full+"."))
	})
}

func (c *cluster) suiteSubdomain(t *testing.T, p pod) {
	two := c.waitPod(t, "dns-test", "dns-querier-2")
	eventually(t, patience, func() error {
		return errors.Join(p.wantA("dns-test-service-2.dns-test"+zone, two.ip), p.wantResolved("dns-test-service-2", two.ip))
	})
}

func (c *cluster) suiteExternalName(t *testing.T, p pod) {
	full := "dns-test-service-3.dns-test" + zone
	want := func(qtype string, records ...string) {
		t.Helper()
		// dnsmasq caches a reply for its TTL of 30 s.
		eventually(t, time.Minute, func() error { return p.want(full, qtype, "NOERROR", records...) })
	}
	want("CNAME", "CNAME foo.example.test.")
	want("A", "CNAME foo.example.test.", "A 192.0.2.81")
	c.mustKubectl(t, "-n", "dns-test", "patch", "service", "dns-test-service-3", "-p",
		`{"spec":{"externalName":"bar.example.test"}}`)
	want("CNAME", "CNAME bar.example.test.")
	want("A", "CNAME bar.example.test.", "A 192.0.2.82")
	c.mustKubectl(t, "-n", "dns-test", "patch", "service", "dns-test-service-3", "-p",
		`{"spec":{"type":"ClusterIP","externalName":null,"ports":[{"name":"http","port":80}]}}`)
	want("A", "A "+c.service(t, "dns-test", "dns-test-service-3")[0])
}

// suiteNameservers: a pod with the cluster's DNS in its own dnsConfig.
func (c *cluster) suiteNameservers(t *testing.T, _ pod) {
	p := c.waitPod(t, "dns-test", "dns-nameservers")
	text, err := p.file("/etc/resolv.conf")
	if err != nil || !strings.Contains(text, "nameserver 10.96.0.10") ||
		!strings.Contains(text, "search resolv.conf.local") {
		t.Fatalf("resolv.conf is not what the pod says: %v\n%s", err, text)
	}
	eventually(t, patience, func() error {
		return errors.Join(p.wantResolved("kubernetes.default"+zone, "10.96.0.1"),
			p.wantResolved("www.example.test", "192.0.2.80", "2001:db8::80"))
	})
}

// suiteResolvConf: a pod with its own search path and ndots.
func (c *cluster) suiteResolvConf(t *testing.T, _ pod) {
	p := c.waitPod(t, "dns-test", "dns-resolv-conf")
	text, err := p.file("/etc/resolv.conf")
	if err != nil || !strings.Contains(text, "ndots:2") || !strings.Contains(text, "default.svc.cluster.local") {
		t.Fatalf("resolv.conf is not what the pod says: %v\n%s", err, text)
	}
	eventually(t, patience, func() error { return p.wantResolved("kubernetes", "10.96.0.1") })
}

func (c *cluster) suiteSearch(t *testing.T, _ pod) {
	p := c.waitPod(t, "dns-test", "dns-search")
	text, err := p.file("/etc/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "search ") && (len(line) <= 256 || len(strings.Fields(line)) <= 7) {
			t.Errorf("the search path is too short for this test: %s", line)
		}
	}
	service := c.service(t, "dns-test", "test-service-2")[0]
	eventually(t, patience, func() error {
		return errors.Join(p.wantResolved("test-service-2", service), p.wantResolved("kubernetes.default", "10.96.0.1"))
	})
}

// suiteConfigMap: stub domains, reverse and external names through the name
// servers of the ConfigMap, and back.
func (c *cluster) suiteConfigMap(t *testing.T) {
	c.setConfig(t, map[string]string{
		"stubDomains":         `{"stub.test":["` + nodeIP + `:5301"]}`,
		"upstreamNameservers": `["` + nodeIP + `:5302"]`,
	})
	t.Cleanup(func() { c.setConfig(t, nil) })
	t.Run("should be able to change stubDomain configuration", func(t *testing.T) {
		c.wantAnswered(t, "who.stub.test", "stub")
	})
	t.Run("Forward PTR lookup: should forward PTR records lookup to upstream nameserver", func(t *testing.T) {
		c.wantAnswered(t, "who.example.test", "second")
		eventually(t, patience, func() error {
			return c.shop.want("9.2.0.192.in-addr.arpa", "PTR", "NOERROR", "PTR nine.example.test.")
		})
	})
	t.Run("Forward external name lookup: should forward externalname lookup to upstream nameserver", func(t *testing.T) {
		eventually(t, patience, func() error {
			return errors.Join(c.shop.want("outside.shop"+zone, "A", "NOERROR", "CNAME www.example.test.", "A 192.0.2.80"),
				c.shop.want("office.shop"+zone, "A", "NOERROR", "CNAME printer.stub.test.", "A 192.0.2.83"))
		})
	})
}
