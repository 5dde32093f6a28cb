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

// isFetch says whether a request is for the endpoints of one Service.
func isFetch(q request) bool { return q.Verb == "list" && q.Selector != "" }

// A Service can become headless: by deleting and creating it, or by way of
// ExternalName.
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
				r.want("db", "10.0.0.1", "web", "10.0.0.2")
				if n := r.count(isFetch); n != 0 {
					t.Errorf("%d fetches before they are needed", n)
				}
				published := r.metric("kubedns_api_publish_duration_seconds")
				api.put(externalName("db", "www.example.com"))
				r.want("db", "www.example.com.")
				if n := r.metric("kubedns_api_publish_duration_seconds") - published; n != 1 {
					t.Errorf("one change was published %v times", n)
				}
				api.put(headless("db"))
				r.want("db", "10.1.0.1 10.1.0.2", "web", "10.0.0.2")
				if n := r.count(isFetch); n != 1 {
					t.Errorf("%d fetches, want 1", n)
				}
				if got := r.metric("kubedns_api_endpoints_fetches_total", "result=ok"); got != 1 {
					t.Errorf("fetches counted: %v, want 1", got)
				}
			})
		})
	}
}

// While the endpoints cannot be fetched, the old answer stays; and the fetch is
// tried until it works.
func TestFetchIsRetried(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("db", "10.0.0.1"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		api.change(func() { api.refuse[slicesPath] = 500 })
		api.put(headless("db"))
		time.Sleep(time.Minute)
		r.want("db", "10.0.0.1")
		if n := r.count(isFetch); n < 5 || n > 30 {
			t.Errorf("%d fetches in a minute, want some", n)
		}
		api.change(func() { clear(api.refuse) })
		time.Sleep(10 * time.Second)
		r.want("db", "10.1.0.1")
	})
}

// What the watch says while a fetch is under way is newer than its answer.
func TestFetchIsOlderThanWatch(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("db", "10.0.0.1"))
	for _, suffix := range []string{"kept", "changed", "deleted"} {
		api.put(slice("db", suffix, "10.1.0.1"))
	}
	api.put(slice("db", "kept", "10.1.0.7"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		api.change(func() { api.afterList = func(q request) { hold(q, release) } })
		api.put(headless("db"))
		synctest.Wait() // the answer is made, and on its way
		api.put(slice("db", "changed", "10.1.0.8"), slice("db", "new", "10.1.0.9"))
		api.remove(slice("db", "deleted"))
		r.want("db", "10.0.0.1") // one slice is still missing
		close(release)
		r.want("db", "10.1.0.7 10.1.0.8 10.1.0.9")
	})
}

func hold(q request, release chan struct{}) {
	if isFetch(q) {
		<-release
	}
}

// While a fetch is under way, its Service stops being headless for a moment. A
// slice that changes then comes without addresses, and newer than the fetch: so
// there has to be another one.
func TestFetchIsOlderThanDropped(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("db", "10.0.0.1"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		api.change(func() { api.afterList = func(q request) { hold(q, release) } })
		api.put(headless("db"))
		synctest.Wait() // the answer is made, and on its way
		api.put(clusterIP("db", "10.0.0.1"))
		synctest.Wait()
		api.put(slice("db", "a", "10.1.0.2"))
		synctest.Wait()
		api.put(headless("db"))
		r.want("db", "10.0.0.1")
		close(release)
		r.want("db", "10.1.0.2")
		if n := r.count(isFetch); n != 2 {
			t.Errorf("%d fetches, want 2", n)
		}
	})
}

// A fetch can also be newer than what the watch brings next.
func TestFetchIsNewerThanWatch(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("db", "10.0.0.1"), slice("db", "a", "10.1.0.1"), slice("db", "b", "10.1.0.5"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		api.change(func() { api.delayed = slicesPath }) // its watches fall behind
		api.put(slice("db", "a", "10.1.0.2"), slice("db", "a", "10.1.0.3"))
		api.put(headless("db"))
		r.want("db", "10.1.0.3 10.1.0.5")
		// Now the watch brings the older states one by one: none may be seen.
		var seen []string
		for range 3 {
			api.change(func() { api.steps++ })
			seen = append(seen, r.a("db"))
		}
		for _, got := range seen {
			if got != "10.1.0.3 10.1.0.5" {
				t.Errorf("answers went back: %q", seen)
				break
			}
		}
		api.change(func() { api.delayed = "" })
		api.put(slice("db", "a", "10.1.0.4"))
		r.want("db", "10.1.0.4 10.1.0.5")
	})
}

// While one API takes the place of another, nothing is fetched: endpoints of two
// APIs must not come together.
func TestFetchDuringFallback(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("db", "10.0.0.1"), slice("db", "a", "10.1.0.1"), endpoints("db", "10.1.0.9"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		release := make(chan struct{})
		api.change(func() {
			api.refuse[slicesPath] = 403
			api.cuts++
			api.before = func(q request) {
				if q.Path == endpointsPath && q.Selector == "" {
					<-release
				}
			}
		})
		api.put(headless("db"))
		time.Sleep(time.Minute)
		r.want("db", "10.0.0.1")
		if n := r.count(func(q request) bool { return isFetch(q) && q.Path == endpointsPath }); n != 0 {
			t.Errorf("%d fetches of Endpoints before they were listed", n)
		}
		if n := r.count(isFetch); n > 10 {
			t.Errorf("%d fetches of slices, which are forbidden, want a few", n)
		}
		close(release)
		r.want("db", "10.1.0.9")
	})
}

// A complete list during a fetch makes its answer worthless.
func TestListDuringFetch(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("db", "10.0.0.1"), slice("db", "a", "10.1.0.1"), slice("db", "b", "10.1.0.2"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(time.Minute)
		release := make(chan struct{})
		api.change(func() { api.afterList = func(q request) { hold(q, release) } })
		api.put(headless("db"))
		synctest.Wait()
		api.remove(slice("db", "b"))
		api.forget()
		api.cut()
		time.Sleep(5 * time.Second)
		close(release)
		time.Sleep(time.Second)
		r.want("db", "10.1.0.1")
	})
}

// Whatever happens in whatever order, in the end the zone is what the objects
// of the server make it.
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

// compare checks the zone against one that is made of the server's objects.
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
