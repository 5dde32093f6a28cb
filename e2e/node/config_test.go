//go:build node

package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kube-dns/kube-dns/e2e/node/agent"
)

// volumeTime is the maximum delay of a ConfigMap to the files of a pod: the kubelet checks once per
// syncFrequency, kube-dns and the nanny every 10 s.
const volumeTime = 2 * time.Minute

// setConfig writes the ConfigMap with kubectl, like an operator: it might not exist yet. nil
// empties it.
func (c *cluster) setConfig(t *testing.T, data map[string]string) {
	t.Helper()
	object, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": data,
		"metadata": map[string]string{"name": "kube-dns", "namespace": "kube-system"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.apply(t, string(object))
}

// changedLine is the line of the nanny's log after a change of servers.
var changedLine = regexp.MustCompile(`changed servers without a restart.* leaving=(\d+)`)

// wantSettled waits until a pod's dnsmasq has no server of an older configuration. Such servers
// remain for some seconds and can still reply.
func (c *cluster) wantSettled(p corev1.Pod) error {
	log, err := c.kubectl("-n", "kube-system", "logs", p.Name, "-c", "dnsmasq")
	if err != nil {
		return err
	}
	lines := changedLine.FindAllStringSubmatch(log, -1)
	if len(lines) > 0 && lines[len(lines)-1][1] != "0" {
		return fmt.Errorf("pod %s still has servers that leave: %s", p.Name, lines[len(lines)-1][0])
	}
	return nil
}

// wantAnswered waits until both pods of kube-dns send a question to the name server of that name;
// "": the name does not exist.
func (c *cluster) wantAnswered(t *testing.T, question, server string) {
	t.Helper()
	began := time.Now()
	for _, p := range c.dnsPods(t) {
		eventually(t, volumeTime, func() error {
			if err := c.wantSettled(p); err != nil {
				return err
			}
			a, err := c.shop.ask(p.Status.PodIP+":53", question, "TXT", false)
			if err != nil {
				return err
			}
			if server == "none" && a.Rcode == "NXDOMAIN" {
				return nil
			}
			if len(a.Records) != 1 || a.Records[0] != `TXT "`+server+`"` {
				return fmt.Errorf("%s at pod %s: answered %s %q, want it from the %s name server", question, p.Name, a.Rcode,
					a.Records, server)
			}
			return nil
		})
	}
	progress(t, "%s is answered by %s after %.1f s", question, server, time.Since(began).Seconds())
}

// load is the load during disturbances: cluster names, outside names, reverse names, over UDP and
// TCP. Each query has a new socket, so that kube-proxy chooses a pod for each. Every reply is the
// same throughout.
func (c *cluster) load(t *testing.T) agent.LoadOptions {
	t.Helper()
	web := c.service(t, "shop", "web")
	return agent.LoadOptions{
		Server: clusterDNS, Rate: 150, TCPRate: 10,
		Questions: []agent.Question{
			{Name: "web.shop" + zone, Type: "A", Record: "A " + web[0]},
			{Name: "web.shop" + zone, Type: "AAAA", Record: "AAAA " + web[1]},
			{Name: "www.example.test", Type: "A", Record: "A 192.0.2.80"},
			{Name: "web.shop" + zone + ".shop" + zone, Type: "A", Rcode: "NXDOMAIN"},
			{Name: "outside.shop" + zone, Type: "A", Record: "A 192.0.2.80"},
			{Name: reverse(web[0]), Type: "PTR", Record: "PTR web.shop" + zone + "."},
			{Name: "foo.example.test", Type: "A", Record: "A 192.0.2.81"},
			{Name: "_http._tcp.web.shop" + zone, Type: "SRV", Record: "SRV 10 100 80 web.shop" + zone + "."},
			{Name: "missing.example.test", Type: "A", Rcode: "NXDOMAIN"},
		},
	}
}

// configuration edits the ConfigMap under load: each edit takes effect, and nothing restarts. Only
// queries pending at a removed upstream are lost: 5 in 1000 of those that dnsmasq forwards
// (docs/reliability.md, case 1).
func (c *cluster) configuration(t *testing.T) {
	before := c.containers(t)
	c.wantAnswered(t, "who.example.test", "upstream")
	t.Cleanup(func() { c.setConfig(t, nil) })
	stub, second := nodeIP+":5301", nodeIP+":5302"
	began := time.Now()
	load := c.load(t)
	account := c.during(t, load, func() {
		c.setConfig(t, map[string]string{"stubDomains": `{"stub.test":["` + stub + `"]}`})
		c.wantAnswered(t, "who.stub.test", "stub")
		eventually(t, patience, func() error {
			return c.shop.want("office.shop"+zone, "A", "NOERROR", "CNAME printer.stub.test.", "A 192.0.2.83")
		})
		c.setConfig(t, map[string]string{"stubDomains": `{"stub.test":["` + stub + `"]}`, "upstreamNameservers": `["` +
			second + `"]`})
		c.wantAnswered(t, "who.example.test", "second")
		c.wantAnswered(t, "who.stub.test", "stub")

		c.setConfig(t, map[string]string{"stubDomains": `{"stub.test":["` + stub + `"]`, "upstreamNameservers": `["` +
			nodeIP + `"]`})
		c.wantRefused(t)
		c.wantAnswered(t, "who.example.test", "second")
		c.wantAnswered(t, "who.stub.test", "stub")

		c.setConfig(t, nil)
		c.wantAnswered(t, "who.example.test", "upstream")
	})
	progress(t, "four edits in %.0f s: %v", time.Since(began).Seconds(), &account)
	forwarded, lost := 0, 0
	for _, q := range load.Questions {
		if strings.HasSuffix(q.Name, ".example.test") {
			forwarded += account.Sent / len(load.Questions)
			lost += account.LostOf[q.Name]
		}
	}
	if account.Bad() > lost || lost > forwarded*5/1000 {
		t.Errorf("%d queries were not answered right while the configuration changed, "+
			"%d of them lost of %d that dnsmasq forwarded: %v", account.Bad(), lost, forwarded, &account)
	}
	if err := sameContainers(before, c.containers(t)); err != nil {
		t.Errorf("a change of the configuration restarted something: %v", err)
	}
}

// wantRefused waits until every pod reports that it refuses the configuration.
func (c *cluster) wantRefused(t *testing.T) {
	t.Helper()
	for _, p := range c.dnsPods(t) {
		eventually(t, volumeTime, func() error {
			out, err := c.kubectl("-n", "kube-system", "logs", p.Name, "--all-containers", "--since=2m", "--prefix")
			if err != nil {
				return err
			}
			return errors.Join(wantLine(out, "/kubedns]", "stubDomains"), wantLine(out, "/dnsmasq]", "stubDomains"))
		})
	}
	progress(t, "the invalid configuration is refused")
}
