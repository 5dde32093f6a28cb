//go:build chaos

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// restarts kills kube-dns while the API server is away. The control run kills it while the API
// server is available.
func (c *chaos) restarts(t *testing.T) {
	for _, tt := range []struct {
		name     string
		snapshot bool
		targets  map[string]target
	}{
		{"with a snapshot", true, map[string]target{
			"cluster": asControl, "outside": asControl, string(classGlibc): asControl, string(classMusl): asControl,
		}},
		{"without a snapshot", false, map[string]target{
			"cluster": neverWrong, "outside": asControl, string(classGlibc): asControl, string(classMusl): noTarget,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			one := startFarServer(t, "127.0.0.1:0", farDelay)
			pods := make([]*pod, 2)
			for i := range pods {
				opts := podOptions{config: upstreams(one)}
				file := filepath.Join(stateDir(t), "snapshot.yaml")
				if tt.snapshot {
					opts.kubeDNS = []string{"--snapshot=" + file}
				}
				pods[i] = c.startPod(t, opts)
				pods[i].warm(t)
				if tt.snapshot {
					waitFile(t, file)
				}
			}
			loads := make([]loadOptions, 2)
			for i, p := range pods {
				loads[i] = c.load(p, rate)
				loads[i].search = 10
			}
			harmed, undisturbed := c.compare(t, loads[0], loads[1], 15*time.Second, func() {
				pods[0].proxy.down(t)
				for _, p := range pods {
					p.kubeDNS.kill()
				}
				for _, p := range pods {
					p.startKubeDNS(t)
				}
			})
			for _, scope := range []string{"cluster", "outside", string(classGlibc), string(classMusl)} {
				classes := []class{class(scope)}
				if scope == "cluster" {
					classes = clusterClasses
				}
				c.record(t, row{
					harm: "kube-dns killed, API server away at its start, " + tt.name, scope: scope, target: tt.targets[scope],
					with: harmed.of(classes...), without: undisturbed.of(classes...),
				}, harmed, undisturbed)
			}
		})
	}
}

func waitFile(t *testing.T, file string) {
	t.Helper()
	eventually(t, 30*time.Second, func() error {
		info, err := os.Stat(file)
		if err == nil && info.Size() == 0 {
			err = fmt.Errorf("%s is empty", file)
		}
		return err
	})
}

// moves are changes of objects that no load queries.
type moves struct {
	objects *apiTarget
	round   int
}

const movingNamespace = "chaos-moving"

// next creates a Service, deletes the previous Service, and moves the endpoints of a headless
// Service. It returns the right replies from then on.
func (m *moves) next(t *testing.T) []*asked {
	t.Helper()
	m.round++
	apply := func(object map[string]any) *unstructured.Unstructured {
		got, err := m.objects.apply(t.Context(), &unstructured.Unstructured{Object: object})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	name := func(n int) string { return fmt.Sprintf("m-%d", n) }
	full := func(name string) string { return name + "." + movingNamespace + ".svc.cluster.local" }
	ip, _, _ := unstructured.NestedString(apply(service(movingNamespace, name(m.round), map[string]any{})).Object, "spec",
		"clusterIP")
	addr := fmt.Sprintf("10.244.90.%d", m.round%250)
	apply(service(movingNamespace, "set", map[string]any{"clusterIP": "None"}))
	old := conformance.Ref{Kind: "Service", Namespace: movingNamespace, Name: name(m.round - 1)}
	if err := m.objects.delete(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	apply(slice("v1", movingNamespace, "set", addr))
	return []*asked{
		newAsked(classA, full(name(m.round)), dns.TypeA, dns.RcodeSuccess, ip),
		newAsked(classA, full(name(m.round-1)), dns.TypeA, dns.RcodeNameError),
		newAsked(classA, full("set"), dns.TypeA, dns.RcodeSuccess, addr),
	}
}

// shows waits until kube-dns itself returns the right replies, and returns that time.
func (p *pod) shows(t *testing.T, questions []*asked) time.Duration {
	t.Helper()
	began := time.Now()
	for _, q := range questions {
		eventually(t, 90*time.Second, func() error {
			reply, err := exchange("udp", p.back, q.name, q.qtype)
			if err != nil {
				return err
			}
			if out, why := q.judgeMsg(reply); out != right {
				return fmt.Errorf("%s: %v %s", q.name, out, why)
			}
			return nil
		})
	}
	return time.Since(began)
}

// apiAway stops the API server for a minute in which objects change.
func (c *chaos) apiAway(t *testing.T) {
	one := startFarServer(t, "127.0.0.1:0", farDelay)
	p := c.startPod(t, podOptions{config: upstreams(one)})
	control := c.startPod(t, podOptions{config: upstreams(one)})
	p.warm(t)
	control.warm(t)
	m := &moves{objects: &apiTarget{objects: rig.cluster.objects}}
	p.shows(t, m.next(t))
	var took time.Duration
	harmed, undisturbed := c.compare(t, c.load(p, rate), c.load(control, rate), 65*time.Second, func() {
		p.proxy.down(t)
		back := time.Now().Add(60 * time.Second)
		var last []*asked
		for range 5 {
			last = m.next(t)
			time.Sleep(time.Second)
		}
		control.shows(t, last)
		time.Sleep(time.Until(back))
		p.proxy.up(t)
		took = p.shows(t, last)
	})
	c.record(t, row{
		harm: "API server away for 60 s in which objects changed", scope: "all", target: asControl,
		with: harmed.of(), without: undisturbed.of(),
		note: fmt.Sprintf("(changes shown %.1f s after its return)", took.Seconds()),
	}, harmed, undisturbed)
}

// etcdStopped kills etcd for 20 seconds.
func (c *chaos) etcdStopped(t *testing.T) {
	one := startFarServer(t, "127.0.0.1:0", farDelay)
	p := c.startPod(t, podOptions{config: upstreams(one)})
	p.warm(t)
	m := &moves{objects: &apiTarget{objects: rig.cluster.objects}, round: 100}
	t.Cleanup(func() { rig.cluster.restart(t) })
	var took time.Duration
	harmed, undisturbed := c.inTurn(t, c.load(p, rate), 25*time.Second, func() {
		rig.cluster.signal(t, "etcd", syscall.SIGKILL)
		time.Sleep(20 * time.Second)
		rig.cluster.restart(t)
		began := time.Now()
		// The API server accepts writes some time after it reports that.
		var last []*asked
		eventually(t, 60*time.Second, func() error {
			_, err := rig.cluster.client.CoreV1().Services("").List(t.Context(), listOne)
			return err
		})
		last = m.next(t)
		p.shows(t, last)
		took = time.Since(began)
	})
	c.record(t, row{
		harm: "etcd killed, back after 20 s", scope: "all", target: asControl,
		with: harmed.of(), without: undisturbed.of(),
		note: fmt.Sprintf("(a change shown %.1f s after its return)", took.Seconds()),
	}, harmed, undisturbed)
}

// watchesCut cuts all connections to the API server each second, while objects change.
func (c *chaos) watchesCut(t *testing.T) {
	one := startFarServer(t, "127.0.0.1:0", farDelay)
	p := c.startPod(t, podOptions{config: upstreams(one)})
	control := c.startPod(t, podOptions{config: upstreams(one)})
	p.warm(t)
	control.warm(t)
	m := &moves{objects: &apiTarget{objects: rig.cluster.objects}, round: 200}
	var took time.Duration
	harmed, undisturbed := c.compare(t, c.load(p, rate), c.load(control, rate), 25*time.Second, func() {
		var last []*asked
		for range 20 {
			p.proxy.down(t)
			p.proxy.up(t)
			last = m.next(t)
			time.Sleep(time.Second)
		}
		took = p.shows(t, last)
	})
	c.record(t, row{
		harm: "all watches cut 20 times, once a second, while objects changed", scope: "all", target: asControl,
		with: harmed.of(), without: undisturbed.of(),
		note: fmt.Sprintf("(the last change shown after %.1f s)", took.Seconds()),
	}, harmed, undisturbed)
}

// The liveness probes of the manifests.
const (
	livenessTime      = 5 * time.Minute
	livenessDelay     = time.Minute
	livenessPeriod    = 10 * time.Second
	livenessThreshold = 5
)

// liveness starts two pods, one without API server, with a load for outside names, and acts like
// kubelet on their liveness probes. The returned function waits for the end.
func (c *chaos) liveness(t *testing.T) func(*testing.T) {
	one := startFarServer(t, "127.0.0.1:0", farDelay)
	p := c.startPod(t, podOptions{config: upstreams(one), apart: true})
	control := c.startPod(t, podOptions{config: upstreams(one)})
	opts := func(p *pod) loadOptions {
		return loadOptions{server: p.dns, rate: 50, limit: livenessTime, mix: []share{{weight: 1, list: c.outside}}}
	}
	a, b := startLoad(t, opts(p)), startLoad(t, opts(control))
	end := time.Now().Add(livenessTime)
	ctx, stop := context.WithDeadline(t.Context(), end)
	var probing sync.WaitGroup
	kubelets := []*kubelet{{url: p.probes + "/healthcheck/kubedns"}, {url: p.probes + "/healthcheck/dnsmasq"},
		{url: p.probes + "/metrics"}}
	for _, k := range kubelets {
		probing.Go(func() { k.run(ctx) })
	}
	t.Cleanup(func() { stop(); probing.Wait() })
	return func(t *testing.T) {
		time.Sleep(time.Until(end))
		a.stop()
		b.stop()
		harmed, undisturbed := a.finish(t), b.finish(t)
		probing.Wait()
		restarts := 0
		for _, k := range kubelets {
			if k.probes == 0 {
				t.Errorf("%s was never probed", k.url)
			}
			if k.restarts > 0 {
				t.Errorf("kubelet would have restarted a container %d times because of %s, the last time because of %v", k.restarts,
					k.url, k.last)
			}
			restarts += k.restarts
		}
		c.record(t, row{
			harm: "no API server from the start for 5 min, liveness probes as in the manifests", scope: "outside",
			target: asControl,
			with:   harmed.of(classOutside), without: undisturbed.of(classOutside),
			note: fmt.Sprintf("(restarts due: %d)", restarts),
		}, harmed, undisturbed)
	}
}

// A kubelet runs one liveness probe.
type kubelet struct {
	url              string
	probes, restarts int
	last             error
}

func (k *kubelet) run(ctx context.Context) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	wait, failures := livenessDelay, 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = livenessPeriod
		k.probes++
		if err := probe(client, k.url); err != nil {
			k.last = err
			failures++
		} else {
			failures = 0
		}
		if failures == livenessThreshold {
			k.restarts++
			wait, failures = livenessDelay, 0
		}
	}
}

// probe is an HTTP probe: any status from 200 to 399 is a success.
func probe(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode >= 400 {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	return nil
}
