package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// outside is a record of the world.
const outside = "www.outside.example. 60 IN A 203.0.113.80"

// follow starts a kube-dns with EndpointSlices and waits for its data. The target changes its
// objects. Outside names do not exist.
func follow(t *testing.T, id identity) (*kubeDNS, *apiTarget) {
	t.Helper()
	k := startKubeDNS(t, id.write(t), upstream(startResolver(t)))
	k.waitReady(t, 30*time.Second)
	return k, &apiTarget{objects: rig.cluster.objects, server: k.dns, config: k.config, endpoints: "EndpointSlice"}
}

// Before there is an API server, a pod answers outside names and reports the missing data. It gets
// its data without a restart.
func TestAPIServerAwayAtStart(t *testing.T) {
	id := rig.cluster.kubeDNSIdentity(t, true, false)
	proxy := startFilterProxy(t, id)
	kubeconfig := proxy.identity().write(t)
	proxy.down(t)

	resolver := startResolver(t, outside)
	k := startKubeDNS(t, kubeconfig, upstream(resolver))
	mustAnswer(t, k.dns, question{name: "www.outside.example", qtype: dns.TypeA}, dns.RcodeSuccess, "A 203.0.113.80")

	inside := question{name: "kubernetes.default.svc.cluster.local", qtype: dns.TypeA}
	for _, q := range []question{inside, {name: "1.0.96.10.in-addr.arpa", qtype: dns.TypePTR}} {
		if err := wantNotReady(k.dns, q); err != nil {
			t.Error(err)
		}
	}
	eventually(t, time.Minute, func() error {
		text, err := get(k.status+"/readiness", 503)
		if err != nil {
			return err
		}
		if !strings.Contains(text, "services") || !strings.Contains(text, "refused") {
			return fmt.Errorf("/readiness: got %q, want what it waits for (services) and why (connection refused)", text)
		}
		return nil
	})
	if _, err := get(k.status+"/healthz", 200); err != nil {
		t.Errorf("waiting for the API server is no reason to be restarted: %v", err)
	}

	proxy.up(t)
	k.waitReady(t, 45*time.Second)
	mustAnswer(t, k.dns, inside, dns.RcodeSuccess, "A 10.96.0.1")
}

// An API server outage removes no data. When the API server is back, kube-dns continues from there.
func TestAPIServerKilled(t *testing.T) {
	k, target := follow(t, rig.cluster.kubeDNSIdentity(t, true, false))
	one, other := startResolver(t, outside), startResolver(t, "www.outside.example. 60 IN A 203.0.113.81")
	if err := target.Configure(t.Context(), upstream(one)); err != nil {
		t.Fatal(err)
	}
	change(t, target, []map[string]any{
		service("killed", "stays", map[string]any{"clusterIP": "10.96.71.1"}),
		service("killed", "set", map[string]any{"clusterIP": "None"}),
		slice("v1", "killed", "set", "10.244.71.1"),
	})
	world := question{name: "www.outside.example", qtype: dns.TypeA}
	records := map[question]string{
		{name: "stays.killed.svc.cluster.local", qtype: dns.TypeA}: "A 10.96.71.1",
		{name: "set.killed.svc.cluster.local", qtype: dns.TypeA}:   "A 10.244.71.1",
		{name: "1.71.96.10.in-addr.arpa", qtype: dns.TypePTR}:      "PTR stays.killed.svc.cluster.local.",
		world: "A 203.0.113.80",
	}
	check := func() error {
		for q, record := range records {
			if err := wantAnswer(k.dns, q, dns.RcodeSuccess, record); err != nil {
				return err
			}
		}
		_, err := get(k.status+"/readiness", 200)
		return err
	}
	if err := check(); err != nil {
		t.Fatal(err)
	}

	rig.cluster.kill(t)
	for until := time.Now().Add(3 * time.Second); time.Now().Before(until); time.Sleep(100 * time.Millisecond) {
		if err := check(); err != nil {
			t.Fatalf("after the API server was killed: %v", err)
		}
	}
	// The configuration is a directory: it can still change.
	if err := k.config.set(upstream(other)); err != nil {
		t.Fatal(err)
	}
	records[world] = "A 203.0.113.81"
	eventually(t, time.Minute, check)

	rig.cluster.restart(t)
	added := service("killed", "added", map[string]any{"clusterIP": "10.96.71.2"})
	removeLater(t, target, conformance.Object(added).Ref())
	if _, err := target.apply(t.Context(), &unstructured.Unstructured{Object: added}); err != nil {
		t.Fatal(err)
	}
	records[question{name: "added.killed.svc.cluster.local", qtype: dns.TypeA}] = "A 10.96.71.2"
	eventually(t, 60*time.Second, check)
}

// One of several API servers hangs, and its connections remain open: the watches continue at
// another one. Missing bookmarks show that the first watches are dead.
func TestWatchesHang(t *testing.T) {
	t.Parallel() // it mostly waits
	proxy := startFilterProxy(t, rig.cluster.kubeDNSIdentity(t, true, false))
	k, target := follow(t, proxy.identity())
	eventually(t, 4*time.Minute, func() error {
		if n := proxy.marked.Load(); n < 2 {
			return fmt.Errorf("%d watches brought a bookmark", n)
		}
		return nil
	})
	proxy.hang()
	added := service("hung", "added", map[string]any{"clusterIP": "10.96.72.1"})
	removeLater(t, target, conformance.Object(added).Ref())
	if _, err := target.apply(t.Context(), &unstructured.Unstructured{Object: added}); err != nil {
		t.Fatal(err)
	}
	q := question{name: "added.hung.svc.cluster.local", qtype: dns.TypeA}
	if err := wantAnswer(k.dns, q, dns.RcodeNameError); err != nil {
		t.Errorf("the watches do not hang: %v", err)
	}
	eventually(t, 2*time.Minute, func() error { return wantAnswer(k.dns, q, dns.RcodeSuccess, "A 10.96.72.1") })
}

// A kube-dns that restarts while the API server is away answers from its predecessor's data, and
// reports that.
func TestRestartWithoutAPIServer(t *testing.T) {
	id := rig.cluster.kubeDNSIdentity(t, true, false)
	proxy := startFilterProxy(t, id)
	kubeconfig := proxy.identity().write(t)
	config, snapshot := upstream(startResolver(t)), "--snapshot="+stateDir(t)+"/snapshot"
	k := startKubeDNS(t, kubeconfig, config, snapshot)
	k.waitReady(t, 30*time.Second)
	target := &apiTarget{objects: rig.cluster.objects, server: k.dns, endpoints: "EndpointSlice"}
	change(t, target, []map[string]any{
		service("kept", "web", map[string]any{"clusterIP": "10.96.77.1"}),
		service("kept", "set", map[string]any{"clusterIP": "None"}),
		slice("v1", "kept", "set", "10.244.77.1"),
	})
	k.stop(t)

	proxy.down(t)
	k = startKubeDNS(t, kubeconfig, config, snapshot)
	web := question{name: "web.kept.svc.cluster.local", qtype: dns.TypeA}
	mustAnswer(t, k.dns, web, dns.RcodeSuccess, "A 10.96.77.1")
	mustAnswer(t, k.dns, question{name: "set.kept.svc.cluster.local", qtype: dns.TypeA}, dns.RcodeSuccess, "A 10.244.77.1")
	reply, err := ask(k.dns, web)
	if err != nil {
		t.Fatal(err)
	}
	if ttl := reply.Answer[0].Header().Ttl; ttl > 5 || extendedError(reply) != int(dns.ExtendedErrorCodeStaleAnswer) {
		t.Errorf("stale answer: got TTL %d and extended error %d, want at most 5 and %d",
			ttl, extendedError(reply), dns.ExtendedErrorCodeStaleAnswer)
	}
	if text, err := get(k.status+"/readiness", 200); err != nil || !strings.HasPrefix(text, "ok (stale since ") {
		t.Errorf("/readiness: got %q, %v, want how old the data is", text, err)
	}
	if page, err := get(k.status+"/", 200); err != nil || !strings.Contains(page, "the names of the snapshot") {
		t.Errorf("/: got %q, %v, want where the names come from", page, err)
	}

	proxy.up(t)
	eventually(t, 45*time.Second, func() error {
		text, err := get(k.status+"/readiness", 200)
		if err == nil && text != "ok\n" {
			err = fmt.Errorf("/readiness: got %q, want ok", text)
		}
		return err
	})
	if reply, err = ask(k.dns, web); err != nil || len(reply.Answer) != 1 || reply.Answer[0].Header().Ttl != 30 {
		t.Errorf("once the API server is back: got %v, %v, want one record with TTL 30", reply, err)
	}
}

// Objects deleted while the watches are down are removed when they are back, whether the watches
// resume or list again.
func TestDeletedWhileWatchIsDown(t *testing.T) {
	for _, tt := range []struct {
		name   string
		expire bool
	}{
		{"watch goes on", false},
		{"watch has to list again", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			id := rig.cluster.kubeDNSIdentity(t, true, false)
			proxy := startFilterProxy(t, id)
			k, target := follow(t, proxy.identity())
			objects := []map[string]any{
				service("gap", "web", map[string]any{"clusterIP": "10.96.72.1"}),
				service("gap", "set", map[string]any{"clusterIP": "None"}),
				slice("v1", "gap", "set", "10.244.72.1"),
				service("gap", "half", map[string]any{"clusterIP": "None"}),
				slice("v1", "gap", "half", "10.244.72.2"),
			}
			change(t, target, objects)
			names := []string{"web.gap.svc.cluster.local", "set.gap.svc.cluster.local", "half.gap.svc.cluster.local"}
			for i, record := range []string{"A 10.96.72.1", "A 10.244.72.1", "A 10.244.72.2"} {
				mustAnswer(t, k.dns, question{name: names[i], qtype: dns.TypeA}, dns.RcodeSuccess, record)
			}

			proxy.down(t)
			if tt.expire {
				proxy.expireUpTo.Store(rig.cluster.version(t))
			}
			for i, object := range objects {
				if i == 3 {
					continue // the Service "half" only loses its endpoints
				}
				if err := target.delete(t.Context(), conformance.Object(object).Ref()); err != nil {
					t.Fatal(err)
				}
			}
			// kube-dns has not been notified yet.
			mustAnswer(t, k.dns, question{name: names[0], qtype: dns.TypeA}, dns.RcodeSuccess, "A 10.96.72.1")
			proxy.up(t)
			for _, name := range names {
				eventually(t, 60*time.Second, func() error {
					return wantAnswer(k.dns, question{name: name, qtype: dns.TypeA}, dns.RcodeNameError)
				})
			}
			if tt.expire && proxy.expired.Load() == 0 {
				t.Error("no watch had to list again: the test did not test that")
			}
			reply, err := ask(k.dns, question{name: "1.72.96.10.in-addr.arpa", qtype: dns.TypePTR})
			if err != nil {
				t.Fatal(err)
			}
			if len(reply.Answer) > 0 {
				t.Errorf("reverse name of a deleted Service: got %v, want none", reply.Answer)
			}
		})
	}
}
