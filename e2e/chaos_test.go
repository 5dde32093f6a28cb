//go:build chaos

package e2e

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

var (
	onlyCases    = flag.String("cases", "", "chaos: run these cases only, as `number,...`; empty: all")
	dnsmasqArgs  = flag.String("dnsmasq", "", "chaos: more `arguments` for dnsmasq, to try them")
	updateReport = flag.Bool("update", false, "chaos: put the table into "+reportFile)
)

// TestChaos harms a pod under load, and compares the results of queries with a control run: the
// same load for the same time, without the harm. If the harm needs no CPU, the control run is
// another pod at the same time, otherwise it runs after the harm.
//
//	go test -tags chaos -timeout 20m -run TestChaos -v .
//	go test -tags chaos -timeout 20m -run TestChaos -v . -cases=1,9
//	go test -tags chaos -timeout 20m -run TestChaos -v . -update
func TestChaos(t *testing.T) {
	c := newChaos(t)
	cases := []struct {
		number, name string
		run          func(*chaos, *testing.T)
	}{
		{"1", "configuration changes", (*chaos).configChanges},
		{"2", "invalid configuration", (*chaos).invalidConfig},
		{"3", "stub servers by name", (*chaos).stubNames},
		{"4", "kube-dns restarts", (*chaos).restarts},
		{"5", "API server away", (*chaos).apiAway},
		{"6", "etcd stopped", (*chaos).etcdStopped},
		{"7", "watches cut", (*chaos).watchesCut},
		{"9", "dnsmasq killed", (*chaos).dnsmasqKilled},
		{"10", "disk full", (*chaos).diskFull},
		{"11", "idle TCP clients", (*chaos).idleClients},
		{"12", "dead upstreams", (*chaos).deadUpstreams},
		{"13", "flood", (*chaos).flood},
		{"14", "drain", (*chaos).drain},
		{"15", "lean: API server away", (*chaos).leanAPI},
		{"16", "lean: kube-dns killed", (*chaos).leanKilled},
		{"17", "lean: upstream silent", (*chaos).leanSilent},
		{"18", "lean: upstream flaps", (*chaos).leanFlapping},
		{"19", "lean: configuration changes", (*chaos).leanConfig},
	}
	only := strings.FieldsFunc(*onlyCases, func(r rune) bool { return r == ',' })
	wanted := func(number string) bool { return len(only) == 0 || slices.Contains(only, number) }
	var liveness func(*testing.T)
	if wanted("8") {
		liveness = c.liveness(t) // continues during the other cases
	}
	for _, tt := range cases {
		if wanted(tt.number) {
			c.number = tt.number
			t.Run(tt.name, func(t *testing.T) { tt.run(c, t) })
		}
	}
	if liveness != nil {
		c.number = "8"
		t.Run("liveness", liveness)
	}
	c.report(t)
}

// A chaos has the parts common to all cases.
type chaos struct {
	id      identity
	cluster map[class][]*asked
	outside []*asked
	number  string // of the running case
	rows    []row
	began   time.Time
}

func newChaos(t *testing.T) *chaos {
	c := &chaos{began: time.Now(), cluster: map[class][]*asked{}, id: rig.cluster.kubeDNSIdentity(t, true, false)}
	for n := range outsideNames {
		q := outsideQuestion(n)
		c.outside = append(c.outside, q)
		c.cluster[classMiss] = append(c.cluster[classMiss],
			newAsked(classMiss, q.name+"chaos.svc.cluster.local", dns.TypeA, dns.RcodeNameError))
	}
	c.makeServices(t)
	return c
}

const (
	// chaosNamespace has the Services that loads query: a number of Services with an address, and
	// headless Services with a number of endpoints.
	chaosNamespace   = "chaos"
	plainServices    = 100
	headlessServices = 20
	endpointsEach    = 5
)

// makeServices creates the Services, and the questions for them.
func (c *chaos) makeServices(t *testing.T) {
	t.Helper()
	objects := &apiTarget{objects: rig.cluster.objects}
	for i := range plainServices {
		name := fmt.Sprintf("web-%d", i)
		port := int64(8000 + i)
		ip := c.applyService(t, objects, service(chaosNamespace, name, map[string]any{
			"ports": []any{map[string]any{"name": "http", "port": port, "protocol": "TCP"}},
		}))
		full := name + "." + chaosNamespace + ".svc.cluster.local"
		reverse, err := dns.ReverseAddr(ip)
		if err != nil {
			t.Fatal(err)
		}
		c.add(newAsked(classA, full, dns.TypeA, dns.RcodeSuccess, ip))
		c.add(newAsked(classSRV, "_http._tcp."+full, dns.TypeSRV, dns.RcodeSuccess, fmt.Sprintf("%d %s.", port, full)))
		c.add(newAsked(classPTR, reverse, dns.TypePTR, dns.RcodeSuccess, full+"."))
	}
	for i := range headlessServices {
		name := fmt.Sprintf("set-%d", i)
		c.applyService(t, objects, service(chaosNamespace, name, map[string]any{"clusterIP": "None"}))
		var addrs []string
		for j := range endpointsEach {
			addrs = append(addrs, fmt.Sprintf("10.244.%d.%d", 100+i, 1+j))
		}
		object := slice("v1", chaosNamespace, name, addrs...)
		if _, err := objects.apply(t.Context(), &unstructured.Unstructured{Object: object}); err != nil {
			t.Fatal(err)
		}
		c.add(newAsked(classA, name+"."+chaosNamespace+".svc.cluster.local", dns.TypeA, dns.RcodeSuccess, addrs...))
	}
}

func (c *chaos) add(q *asked) { c.cluster[q.class] = append(c.cluster[q.class], q) }

// applyService creates a Service and returns its address.
func (c *chaos) applyService(t *testing.T, objects *apiTarget, object map[string]any) string {
	t.Helper()
	got, err := objects.apply(t.Context(), &unstructured.Unstructured{Object: object})
	if err != nil {
		t.Fatal(err)
	}
	ip, _, _ := unstructured.NestedString(got.Object, "spec", "clusterIP")
	return ip
}

// mix is the typical queries of a cluster's clients: mostly through search lists.
func (c *chaos) mix() []share {
	return []share{
		{weight: 30, list: c.outside},
		{weight: 25, list: c.cluster[classMiss]},
		{weight: 25, list: c.cluster[classA]},
		{weight: 8, list: c.cluster[classSRV]},
		{weight: 7, fresh: podName},
		{weight: 5, list: c.cluster[classPTR]},
	}
}

// rate is the rate for each of two pods at the same time, fullRate that for only one.
const rate, fullRate = 1000, 3000

// load is the usual load for a pod.
func (c *chaos) load(p *pod, rate int) loadOptions {
	return loadOptions{server: p.dns, rate: rate, mix: c.mix()}
}

// compare applies the same load to two pods for a time, and harms the first pod one second after
// the start.
func (c *chaos) compare(t *testing.T, harmed, control loadOptions, d time.Duration, harm func()) (with,
	without *score) {
	t.Helper()
	a, b := startLoad(t, harmed), startLoad(t, control)
	end := time.Now().Add(d)
	time.Sleep(time.Second)
	harm()
	time.Sleep(time.Until(end))
	// Stop both before waiting for either.
	a.stop()
	b.stop()
	return a.finish(t), b.finish(t)
}

// inTurn applies the same load to a pod twice. The first run has the harm, which starts after one
// second, for a time or as long as the harm takes. The second run takes as long, without it.
func (c *chaos) inTurn(t *testing.T, opts loadOptions, d time.Duration, harm func()) (with, without *score) {
	t.Helper()
	began := time.Now()
	harmed := startLoad(t, opts)
	time.Sleep(time.Second)
	harm()
	time.Sleep(time.Until(began.Add(d)))
	took := time.Since(began)
	with = harmed.finish(t)
	control := startLoad(t, opts)
	time.Sleep(took)
	return with, control.finish(t)
}

// root reports whether this process can use port 53 and mount; otherwise it adds the skipped case
// to the report.
func (c *chaos) root(t *testing.T, what string) bool {
	t.Helper()
	if os.Geteuid() == 0 {
		return true
	}
	t.Logf("left out, since it needs root: %s", what)
	c.rows = append(c.rows, row{number: c.number, harm: what, scope: "not run: needs root"})
	return false
}

// median returns the median of the bad queries with (0) or without (1) harm.
func median(pairs [][2]int, which int) int {
	var list []int
	for _, p := range pairs {
		list = append(list, p[which])
	}
	slices.Sort(list)
	return list[len(list)/2]
}
