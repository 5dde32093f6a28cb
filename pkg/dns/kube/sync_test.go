package kube_test

import (
	"fmt"
	"testing"
	"time"

	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

const notFound = "no such name"

// steppedDown is longer than an API for endpoints has to be refused at startup.
const steppedDown = 4 * time.Second

func TestFirstSync(t *testing.T) {
	tests := []struct {
		name          string
		minor         string
		refuse        map[string]int
		wantAPI       string
		wantAddresses string
		wantStreamed  bool
		wantFallback  float64
	}{
		{
			name: "current server", minor: "36", wantStreamed: true,
			wantAPI: "endpointslices.discovery.k8s.io/v1", wantAddresses: "10.1.0.1",
		},
		{
			name: "a provider's version", minor: "32+", wantStreamed: true,
			wantAPI: "endpointslices.discovery.k8s.io/v1", wantAddresses: "10.1.0.1",
		},
		{
			name: "before streamed lists", minor: "31",
			wantAPI: "endpointslices.discovery.k8s.io/v1", wantAddresses: "10.1.0.1",
		},
		{
			name: "version not readable", minor: "",
			wantAPI: "endpointslices.discovery.k8s.io/v1", wantAddresses: "10.1.0.1",
		},
		{
			name: "slices in beta, with mirroring", minor: "19", refuse: map[string]int{slicesPath: 404},
			wantAPI: "endpointslices.discovery.k8s.io/v1beta1", wantAddresses: "10.1.0.2",
		},
		{
			name: "slices in beta, without mirroring", minor: "18", refuse: map[string]int{slicesPath: 404},
			wantAPI: "endpoints/v1", wantAddresses: "10.1.0.3", wantFallback: 1,
		},
		{
			name: "no slices", minor: "16", refuse: map[string]int{slicesPath: 404, betaSlicesPath: 404},
			wantAPI: "endpoints/v1", wantAddresses: "10.1.0.3", wantFallback: 1,
		},
		{
			name: "slices forbidden", minor: "30", refuse: map[string]int{slicesPath: 403},
			wantAPI: "endpoints/v1", wantAddresses: "10.1.0.3", wantFallback: 1,
		},
		{
			name: "slices forbidden, streamed", minor: "36", refuse: map[string]int{slicesPath: 403}, wantStreamed: true,
			wantAPI: "endpoints/v1", wantAddresses: "10.1.0.3", wantFallback: 1,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := newFakeAPI(tt.minor)
			api.refuse = tt.refuse
			api.put(
				clusterIP("web", "10.0.0.1"), externalName("ext", "www.example.com"), headless("db"),
				slice("web", "a", "10.1.9.9"),
				slice("db", "a", "10.1.0.1"), betaSlice("db", "a", "10.1.0.2"), endpoints("db", "10.1.0.3"),
			)
			inBubble(t, api, func(t *testing.T, r *rig) {
				if len(tt.refuse) > 0 { // a refusal has to last for a moment
					if r.zone.HasSynced() {
						t.Error("synced at the first refusal")
					}
					time.Sleep(time.Duration(len(tt.refuse)) * steppedDown)
				}
				synced := time.Now()
				if !r.zone.HasSynced() {
					t.Fatal("not synced")
				}
				r.want("web", "10.0.0.1", "ext", "www.example.com.", "db", tt.wantAddresses, "none", notFound)
				status := r.src.Status()
				if status.Endpoints != tt.wantAPI || status.Streaming != tt.wantStreamed || status.String() != "" {
					t.Errorf("Status = %+v, want endpoints from %s, streaming %t", status, tt.wantAPI, tt.wantStreamed)
				}
				if got := status.Confirmed(); synced.Sub(got) > time.Duration(len(tt.refuse))*steppedDown {
					t.Errorf("Confirmed = %v, want the time of the lists", got)
				}
				if got := r.metric("kubedns_api_endpoints_fallback"); got != tt.wantFallback {
					t.Errorf("fallback = %v, want %v", got, tt.wantFallback)
				}
				if got := r.log.lines("", "reading Endpoints"); got != int(tt.wantFallback) {
					t.Errorf("%d lines about the fallback, want %v", got, tt.wantFallback)
				}
				if n := r.log.lines("ERROR", ""); n != 0 {
					t.Errorf("%d errors, want none", n)
				}
				for _, req := range r.api.seen() {
					if req.Streamed && !tt.wantStreamed {
						t.Errorf("streamed request %+v", req)
					}
				}
			})
		})
	}
}

func TestPages(t *testing.T) {
	api := newFakeAPI("30")
	var objects []kruntime.Object
	for i := range 1100 {
		objects = append(objects, clusterIP(fmt.Sprintf("s%04d", i), fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)))
	}
	api.put(objects...)
	api.expireAfter = 1 // the first list has to start again
	inBubble(t, api, func(t *testing.T, r *rig) {
		r.want("s0000", "10.0.0.1", "s0500", "10.0.2.1", "s1099", "10.0.4.100")
		first, further, endpoints := 0, 0, false
		for _, req := range r.api.seen() {
			switch {
			case req.Verb == "list" && req.Path == slicesPath:
				endpoints = true
			case req.Verb != "list" || req.Path != servicesPath:
			case req.Limit != "500" || req.Version != "":
				t.Errorf("list %+v, want pages of 500 of the newest state", req)
			case endpoints:
				t.Errorf("Services listed after endpoints")
			case req.Continued:
				further++
			default:
				first++
			}
		}
		if first != 2 || further != 3 {
			t.Errorf("lists began %d times and went on %d times, want 2 and 3", first, further)
		}
	})
}

func TestPagesThatAlwaysExpire(t *testing.T) {
	api := newFakeAPI("30")
	for i := range 600 {
		api.put(clusterIP(fmt.Sprintf("s%03d", i), fmt.Sprintf("10.0.%d.%d", i/250, i%250+1)))
	}
	api.expireAfter = 1000
	inBubble(t, api, func(t *testing.T, r *rig) {
		r.want("s000", "10.0.0.1", "s599", "10.0.2.100")
	})
}

func TestChanges(t *testing.T) {
	for _, minor := range []string{"36", "30"} {
		t.Run("1."+minor, func(t *testing.T) {
			api := newFakeAPI(minor)
			api.put(headless("db"), slice("db", "a", "10.1.0.1"), clusterIP("web", "10.0.0.1"))
			inBubble(t, api, func(t *testing.T, r *rig) {
				api.put(slice("db", "b", "10.1.0.2"))
				r.want("db", "10.1.0.1 10.1.0.2")
				api.put(slice("db", "a", "10.1.0.3"))
				r.want("db", "10.1.0.2 10.1.0.3")
				api.remove(slice("db", "a"), slice("db", "b"))
				r.want("db", notFound)

				api.put(clusterIP("web", "10.0.0.2"), externalName("new", "www.example.com"))
				r.want("web", "10.0.0.2", "new", "www.example.com.")
				api.remove(clusterIP("web", ""), externalName("new", ""))
				r.want("web", notFound, "new", notFound)
			})
		})
	}
}

// A slice that no longer belongs to its Service is removed, although the server reports only a
// change.
func TestSliceLeavesService(t *testing.T) {
	api := newFakeAPI("36")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"), slice("db", "b", "10.1.0.2"), headless("other"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		moved, orphan := slice("other", "x", "10.1.0.1"), slice("db", "b", "10.1.0.2")
		moved.Name = "db-a"
		orphan.Labels = nil
		api.put(moved, orphan)
		r.want("db", notFound, "other", "10.1.0.1")
	})
}

func TestDeletedWhileAway(t *testing.T) {
	for i, minor := range []string{"36", "36", "30", "30"} {
		t.Run(fmt.Sprintf("1.%s-%d", minor, i), func(t *testing.T) {
			api := newFakeAPI(minor)
			api.goneAsEvent = i%2 == 0
			api.put(headless("db"), slice("db", "a", "10.1.0.1"), slice("db", "b", "10.1.0.2"), clusterIP("web", "10.0.0.1"))
			inBubble(t, api, func(t *testing.T, r *rig) {
				api.change(func() { api.down = true })
				r.want("db", "10.1.0.1 10.1.0.2", "web", "10.0.0.1")
				api.remove(clusterIP("web", ""), slice("db", "b"))
				api.forget() // so that the watches cannot continue
				time.Sleep(10 * time.Minute)
				r.want("db", "10.1.0.1 10.1.0.2", "web", "10.0.0.1")
				api.change(func() { api.down = false })
				time.Sleep(15 * time.Second)
				r.want("db", "10.1.0.1", "web", notFound)
				if got := r.metric("kubedns_api_lists_total", "resource=services"); got != 2 {
					t.Errorf("services were listed %v times, want 2", got)
				}
			})
		})
	}
}

// A watch that ended is continued without a list.
func TestWatchGoesOn(t *testing.T) {
	api := newFakeAPI("36")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		for i := range 5 {
			time.Sleep(time.Minute)
			api.cut()
			ip := fmt.Sprintf("10.1.1.%d", i)
			api.put(slice("db", "a", ip))
			time.Sleep(time.Second)
			r.want("db", ip)
		}
		if got := r.metric("kubedns_api_lists_total"); got != 2 {
			t.Errorf("%v lists, want one of Services and one of slices", got)
		}
		if n := r.log.lines("WARN", ""); n != 0 {
			t.Errorf("%d warnings, want none", n)
		}
	})
}

// Changes can arrive during a streamed list.
func TestChangesDuringStreamedList(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("a", "10.0.0.1"), clusterIP("b", "10.0.0.2"), clusterIP("c", "10.0.0.3"))
	api.during = []change{
		{kind: watch.Modified, object: clusterIP("a", "10.0.0.9")},
		{kind: watch.Deleted, object: clusterIP("b", "10.0.0.2")},
		{kind: watch.Bookmark, object: clusterIP("", "")},
	}
	inBubble(t, api, func(t *testing.T, r *rig) {
		r.want("a", "10.0.0.9", "b", notFound, "c", "10.0.0.3")
	})
}
