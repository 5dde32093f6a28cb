//go:build chaos

package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// classPath are first queries of a search list, which --autopath answers at once.
const classPath class = "search path"

// leanTTL is short enough that the cache queries again during each case.
const leanTTL = 2

// startLeanPod starts the two processes of the overlay lean, with the differences of startPod,
// and fills the cache.
func (c *chaos) startLeanPod(t *testing.T, config map[string]string) *pod {
	t.Helper()
	p := &pod{config: newConfigDir(t, config), dir: stateDir(t), proxy: startFilterProxy(t, c.id)}
	port, status, probes := freePort(t), freePort(t), freePort(t)
	p.dns = fmt.Sprintf("127.0.0.1:%d", port)
	p.back = p.dns
	p.status, p.probes = fmt.Sprintf("http://127.0.0.1:%d", status), fmt.Sprintf("http://127.0.0.1:%d", probes)
	change := strings.NewReplacer("--dns-port=53", "--dns-port="+strconv.Itoa(port), "127.0.0.1:53", p.dns,
		"=/kube-dns-config", "="+p.config.dir, "=/var/lib/kube-dns", "="+p.dir)
	args := overlayArgs(t, "lean")
	for _, list := range args {
		for i := range list {
			list[i] = change.Replace(list[i])
		}
	}
	p.kubeDNSFlags = slices.Concat(args["kubedns"], []string{
		"--dns-bind-address=127.0.0.1", "--healthz-port=" + strconv.Itoa(status),
		"--kubecfg-file=" + p.proxy.identity().write(t), "--config-period=200ms", "--lameduck=8s",
	})
	p.startKubeDNS(t)
	p.sidecar = start(t, "sidecar", nil, append(args["sidecar"], "--prometheus-addr=127.0.0.1",
		"--prometheus-port="+strconv.Itoa(probes), "--lameduck=8s")...)
	eventually(t, 30*time.Second, func() error {
		_, err := get(p.status+"/readiness", 200)
		return errors.Join(err, p.kubeDNS.running())
	})
	p.shows(t, []*asked{outsideQuestion(1), outsideQuestion(10), pathQuestion(1), c.cluster[classA][0],
		c.cluster[classSRV][0]})
	p.warm(t)
	return p
}

// pathQuestion is the first question of a pod's search list for a name of the world.
func pathQuestion(n int) *asked {
	q := outsideQuestion(n)
	return newAsked(classPath, q.name+"chaos.svc.cluster.local", dns.TypeA, dns.RcodeSuccess, "CNAME "+q.name,
		worldAddr(n).String())
}

// leanLoad is the usual load, with lean's replies to names of search lists. It has few names of the
// world, queried often enough that the cache keeps them.
func (c *chaos) leanLoad(p *pod) loadOptions {
	const names = 100
	var paths []*asked
	for n := range names {
		paths = append(paths, pathQuestion(n))
	}
	opts := c.load(p, rate)
	opts.mix[0].list, opts.mix[1].list = c.outside[:names], paths
	return opts
}

// leanPods starts two pods, the second for the control run, each with the upstreams that config
// returns for two servers.
func (c *chaos) leanPods(t *testing.T, config func(one, two *farServer) map[string]string) (pods [2]*pod,
	servers [2][2]*farServer) {
	t.Helper()
	for i := range pods {
		for j := range servers[i] {
			servers[i][j] = startFarServer(t, "127.0.0.1:0", farDelay)
			servers[i][j].ttl.Store(leanTTL)
		}
		pods[i] = c.startLeanPod(t, config(servers[i][0], servers[i][1]))
	}
	return pods, servers
}

func firstUpstream(one, _ *farServer) map[string]string { return upstreams(one) }

// leanRows records the results for names of the cluster, of the world, and of search lists.
func (c *chaos) leanRows(t *testing.T, harm, note string, harmed, undisturbed *score, outside target) {
	t.Helper()
	for _, scope := range []struct {
		name    string
		classes []class
		target  target
	}{
		{"cluster", clusterClasses, asControl},
		{"outside", []class{classOutside}, outside},
		{"search path", []class{classPath}, outside},
	} {
		c.record(t, row{
			harm: "lean: " + harm, scope: scope.name, target: scope.target, note: note,
			with: harmed.of(scope.classes...), without: undisturbed.of(scope.classes...),
		}, harmed, undisturbed)
	}
}

// leanAPI stops the API server while objects change, and starts it again.
func (c *chaos) leanAPI(t *testing.T) {
	pods, _ := c.leanPods(t, firstUpstream)
	m := &moves{objects: &apiTarget{objects: rig.cluster.objects}, round: 300}
	pods[0].shows(t, m.next(t))
	var took time.Duration
	harmed, undisturbed := c.compare(t, c.leanLoad(pods[0]), c.leanLoad(pods[1]), 20*time.Second, func() {
		pods[0].proxy.down(t)
		last := m.next(t)
		pods[1].shows(t, last)
		time.Sleep(10 * time.Second)
		pods[0].proxy.up(t)
		took = pods[0].shows(t, last)
	})
	c.leanRows(t, "API server away for 10 s in which objects changed",
		fmt.Sprintf("(changes shown %.1f s after its return)", took.Seconds()),
		harmed, undisturbed, asControl)
}

// leanKilled kills kube-dns, the only server on port 53. It is restarted at once, like kubelet's
// first restart.
func (c *chaos) leanKilled(t *testing.T) {
	pods, _ := c.leanPods(t, firstUpstream)
	waitFile(t, filepath.Join(pods[0].dir, "snapshot"))
	harmed, undisturbed := c.compare(t, c.leanLoad(pods[0]), c.leanLoad(pods[1]), 15*time.Second, func() {
		pods[0].kubeDNS.kill()
		pods[0].startKubeDNS(t)
	})
	for _, scope := range []struct {
		name    string
		classes []class
	}{{"cluster", clusterClasses}, {"outside", []class{classOutside}}, {"search path", []class{classPath}}} {
		c.record(t, row{
			harm: "lean: kube-dns killed, started again at once", scope: scope.name, target: neverWrong,
			with: harmed.of(scope.classes...), without: undisturbed.of(scope.classes...),
		}, harmed, undisturbed)
	}
}

// leanSilent silences the only upstream for some time. The cache answers during this time, though
// all TTLs have expired. Afterwards the upstream is used again.
func (c *chaos) leanSilent(t *testing.T) {
	pods, servers := c.leanPods(t, firstUpstream)
	var took time.Duration
	harmed, undisturbed := c.compare(t, c.leanLoad(pods[0]), c.leanLoad(pods[1]), 20*time.Second, func() {
		servers[0][0].silence()
		time.Sleep(12 * time.Second)
		servers[0][0].set(answers)
		took = pods[0].shows(t, []*asked{freshQuestion()})
	})
	c.leanRows(t, "upstream silent for 12 s, longer than all TTLs",
		fmt.Sprintf("(new names answered %.1f s after its return)", took.Seconds()),
		harmed, undisturbed, asControl)
}

// freshQuestion is a name of the world that no load queries.
func freshQuestion() *asked {
	n := outsideNames + int(podNames.Add(1))
	return newAsked(classOutside, fmt.Sprintf("f%d.outside.example", n), dns.TypeA, dns.RcodeSuccess,
		worldAddr(n).String())
}

// leanFlapping alternates the only upstream between silent and working.
func (c *chaos) leanFlapping(t *testing.T) {
	pods, servers := c.leanPods(t, firstUpstream)
	harmed, undisturbed := c.compare(t, c.leanLoad(pods[0]), c.leanLoad(pods[1]), 18*time.Second, func() {
		for range 10 {
			servers[0][0].silence()
			time.Sleep(700 * time.Millisecond)
			servers[0][0].set(answers)
			time.Sleep(700 * time.Millisecond)
		}
	})
	c.leanRows(t, "upstream silent and back, each for 0.7 s, 10 times", "", harmed, undisturbed, asControl)
}

// leanConfig changes the ConfigMap every 200 ms: upstreams, their order, and a stub domain.
func (c *chaos) leanConfig(t *testing.T) {
	pods, servers := c.leanPods(t, firstUpstream)
	one, two := servers[0][0], servers[0][1]
	stub := func(s *farServer) string { return `{"partner.example": ["` + s.addr.String() + `"]}` }
	configs := []map[string]string{
		upstreams(two), with(upstreams(two), "stubDomains", stub(one)), with(upstreams(one, two), "stubDomains", stub(one)),
		with(upstreams(one), "stubDomains", stub(two)), upstreams(two, one), upstreams(one),
	}
	const changes = 75
	harmed, undisturbed := c.compare(t, c.leanLoad(pods[0]), c.leanLoad(pods[1]), 18*time.Second, func() {
		next := time.NewTicker(200 * time.Millisecond)
		defer next.Stop()
		for i := range changes {
			pods[0].configure(t, configs[i%len(configs)])
			<-next.C
		}
	})
	c.leanRows(t, fmt.Sprintf("%d changes of the ConfigMap, one every 200 ms", changes), "", harmed, undisturbed,
		asControl)
}
