package kube_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/convert"
)

// A Service can become headless: by deletion and creation, or through ExternalName. Its endpoints
// exist already.
func TestBecomesHeadless(t *testing.T) {
	for name, refuse := range map[string]map[string]int{"slices": {}, "endpoints": {slicesPath: 403}} {
		t.Run(name, func(t *testing.T) {
			api := newFakeAPI("36")
			api.refuse = refuse
			api.put(
				clusterIP("db", "10.0.0.1"), slice("db", "a", "10.1.0.1"), slice("db", "b", "10.1.0.2"),
				endpoints("db", "10.1.0.1", "10.1.0.2"),
				clusterIP("web", "10.0.0.2"), slice("web", "a", "10.1.0.3"), endpoints("web", "10.1.0.3"),
			)
			inBubble(t, api, func(t *testing.T, r *rig) {
				time.Sleep(steppedDown)
				r.want("db", "10.0.0.1", "web", "10.0.0.2")
				lists := r.count(func(q request) bool { return q.Verb == "list" })
				api.put(externalName("db", "www.example.com"))
				r.want("db", "www.example.com.")
				api.put(headless("db"))
				r.want("db", "10.1.0.1 10.1.0.2", "web", "10.0.0.2")
				if n := r.count(func(q request) bool { return q.Verb == "list" }); n != lists {
					t.Errorf("%d lists for it, want none", n-lists)
				}
			})
		})
	}
}

// Endpoints that arrive before their Services are held until then.
func TestEndpointsBeforeServices(t *testing.T) {
	for name, refuse := range map[string]map[string]int{"slices": {}, "endpoints": {slicesPath: 403}} {
		t.Run(name, func(t *testing.T) {
			api := newFakeAPI("36")
			api.refuse = refuse
			inBubble(t, api, func(t *testing.T, r *rig) {
				time.Sleep(steppedDown)
				const n = 500
				for i := range n {
					service, ip := fmt.Sprint("s", i), fmt.Sprintf("10.1.%d.%d", i/250, i%250)
					api.put(slice(service, "a", ip), endpoints(service, ip))
				}
				synctest.Wait()
				for i := range n {
					api.put(headless(fmt.Sprint("s", i)))
				}
				for i := range n {
					r.want(fmt.Sprint("s", i), fmt.Sprintf("10.1.%d.%d", i/250, i%250))
				}
			})
		})
	}
}

// After any changes in any order, the zone finally matches the objects of the server.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1))
			api := newFakeAPI([]string{"36", "30"}[seed%2])
			api.json = seed%4 < 2
			for range 20 {
				mutate(api, rnd)
			}
			inBubble(t, api, func(t *testing.T, r *rig) {
				for range 200 {
					mutate(api, rnd)
					switch rnd.IntN(12) {
					case 0:
						api.cut()
					case 1:
						api.forget()
						api.cut()
					case 2, 3, 4:
						time.Sleep(time.Duration(rnd.IntN(3000)) * time.Millisecond)
					case 5, 6:
						synctest.Wait()
					}
				}
				time.Sleep(time.Minute)
				compare(t, r, api)
			})
		})
	}
}

const anyServices = 4

// mutate changes one object at random.
func mutate(api *fakeAPI, rnd *rand.Rand) {
	name := fmt.Sprintf("s%d", rnd.IntN(anyServices))
	suffix := string(rune('a' + rnd.IntN(3)))
	var o kruntime.Object
	switch rnd.IntN(8) {
	case 0:
		o = clusterIP(name, fmt.Sprintf("10.0.0.%d", 1+rnd.IntN(250)))
	case 1:
		o = externalName(name, "www.example.com")
	case 2, 3:
		o = headless(name)
	default:
		o = slice(name, suffix, fmt.Sprintf("10.1.0.%d", 1+rnd.IntN(250)))
	}
	if rnd.IntN(5) == 0 {
		api.remove(o)
		return
	}
	api.put(o)
}

// compare checks the zone against a new one with the server's objects.
func compare(t *testing.T, r *rig, api *fakeAPI) {
	t.Helper()
	want := kubedns.NewZone(kubedns.Options{})
	api.change(func() {
		for _, o := range api.held[servicesPath] {
			want.SetService(convert.Service(o.(*corev1.Service)))
		}
		for _, o := range api.held[slicesPath] {
			e, _ := convert.Slice(o.(*discoveryv1.EndpointSlice))
			want.SetEndpoints(e)
		}
	})
	want.Publish()
	want.MarkSynced()
	for i := range anyServices {
		name := fmt.Sprintf("s%d", i)
		if got, want := r.a(name), lookup(t, want, name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}
