package kube_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

func TestServerAwayAtStart(t *testing.T) {
	api := newFakeAPI("36")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	api.down = true
	inBubble(t, api, func(t *testing.T, r *rig) {
		started := time.Now()
		time.Sleep(time.Hour)
		if r.zone.HasSynced() {
			t.Error("synced without a server")
		}
		status := r.src.Status()
		got := status.String()
		for _, want := range []string{
			"waiting for services and endpoints",
			started.UTC().Format(time.RFC3339),
			"connection_refused",
			"dial tcp",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("Status = %q, want it to contain %q", got, want)
			}
		}
		if !status.Confirmed().IsZero() {
			t.Errorf("Confirmed = %v, want never", status.Confirmed())
		}
		if n := r.log.lines("WARN", ""); n < 45 || n > 61 {
			t.Errorf("%d warnings in an hour, want about one a minute", n)
		}
		api.change(func() { api.down = false })
		time.Sleep(10 * time.Second)
		r.want("db", "10.1.0.1")
		if status := r.src.Status(); status.String() != "" || status.Problem != nil || !status.Streaming {
			t.Errorf("Status = %+v, want all well and streaming", status)
		}
	})
}

func TestServerLostLater(t *testing.T) {
	api := newFakeAPI("36")
	api.bookmarks = time.Minute
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(time.Hour)
		lost := time.Now()
		api.change(func() { api.down = true })
		time.Sleep(time.Hour)
		r.want("db", "10.1.0.1")
		status := r.src.Status()
		if !r.zone.HasSynced() || status.String() != "" {
			t.Errorf("not ready: %q", status)
		}
		if status.Problem == nil || status.Problem.Reason != listwatch.ConnectionRefused {
			t.Errorf("Problem = %+v, want connection refused", status.Problem)
		}
		if got := status.Confirmed(); got.After(lost) || lost.Sub(got) > 3*time.Minute {
			t.Errorf("Confirmed = %v, want the last bookmark before %v", got, lost)
		}
		if got := r.metric("kubedns_api_watch_connected"); got != 0 {
			t.Errorf("%v watches connected, want none", got)
		}
		api.change(func() { api.down = false })
		time.Sleep(10 * time.Second)
		api.put(slice("db", "a", "10.1.0.2"))
		r.want("db", "10.1.0.2")
		if got := r.metric("kubedns_api_watch_connected"); got != 2 {
			t.Errorf("%v watches connected, want 2", got)
		}
		if n := r.log.lines("INFO", "watching the API server again"); n != 2 {
			t.Errorf("%d lines about the return, want one for each watch", n)
		}
	})
}

// A permanent error is reported, with advice.
func TestForbiddenForAll(t *testing.T) {
	api := newFakeAPI("36")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	api.refuse = map[string]int{servicesPath: 403, slicesPath: 403, endpointsPath: 403}
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(time.Minute)
		for _, want := range []string{
			"forbidden: ",
			"services: the fake says 403",
			"list and watch services",
			"ClusterRole system:kube-dns",
		} {
			if got := r.src.Status().String(); !strings.Contains(got, want) {
				t.Errorf("Status = %q, want it to contain %q", got, want)
			}
		}
		if got := r.metric("kubedns_api_errors_total", "resource=services", "reason=forbidden"); got < 5 {
			t.Errorf("%v errors counted, want some", got)
		}
		if n := r.log.lines("ERROR", "class=forbidden"); n < 1 || n > 2 {
			t.Errorf("%d lines in a minute, want one", n)
		}
		// The role for Services is granted, then the role for endpoints.
		api.change(func() { delete(api.refuse, servicesPath) })
		time.Sleep(time.Minute)
		if got := r.src.Status().String(); !strings.Contains(got, "waiting for endpoints of") {
			t.Errorf("Status = %q, want waiting for endpoints alone", got)
		}
		api.change(func() { delete(api.refuse, slicesPath) })
		time.Sleep(time.Minute)
		r.want("db", "10.1.0.1")
		if n := r.log.lines("", "reading Endpoints"); n != 1 {
			t.Errorf("%d lines about the fallback, want 1", n)
		}
	})
}

func TestUnauthorized(t *testing.T) {
	api := newFakeAPI("36")
	api.refuse["/version"] = 401
	api.refuse[servicesPath] = 401
	api.put(clusterIP("web", "10.0.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(10 * time.Second)
		got := r.src.Status().String()
		if !strings.Contains(got, "unauthorized") || !strings.Contains(got, "check the user") {
			t.Errorf("Status = %q, want unauthorized and advice", got)
		}
		api.change(func() { clear(api.refuse) })
		time.Sleep(10 * time.Second)
		r.want("web", "10.0.0.1")
		if !r.src.Status().Streaming {
			t.Error("streaming is off, though the server's version could be read later")
		}
	})
}

// Servers before 1.27, and some proxies, do not support streamed lists: they send the existing
// objects, and are silent after that.
func TestStreamingIgnored(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fakeAPI)
	}{
		{"parameter ignored", func(a *fakeAPI) { a.ignoresStream = true }},
		{"closing bookmark lost", func(a *fakeAPI) { a.losesBookmark = true }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := newFakeAPI("36")
			tt.change(api)
			api.put(headless("db"), slice("db", "a", "10.1.0.1"))
			inBubble(t, api, func(t *testing.T, r *rig) {
				time.Sleep(9900 * time.Millisecond)
				if r.zone.HasSynced() {
					t.Error("synced before the streamed list was given up")
				}
				time.Sleep(200 * time.Millisecond)
				r.want("db", "10.1.0.1")
				if n := r.count(func(q request) bool { return q.Streamed }); n != 1 {
					t.Errorf("%d streamed requests, want 1", n)
				}
				if got := r.metric("kubedns_api_streaming_off_total", "reason=silent"); got != 1 {
					t.Errorf("streaming_off = %v, want 1", got)
				}
				if n := r.log.lines("INFO", "does not stream lists"); n != 1 {
					t.Errorf("%d lines about it, want 1", n)
				}
				// It also works for a relist.
				api.forget()
				api.cut()
				api.put(slice("db", "a", "10.1.0.2"))
				api.forget()
				time.Sleep(5 * time.Second)
				r.want("db", "10.1.0.2")
				if n := r.count(func(q request) bool { return q.Streamed }); n != 1 {
					t.Errorf("%d streamed requests, want 1 in an hour", n)
				}
				// A server that was slow once streams again.
				api.change(func() { api.ignoresStream, api.losesBookmark = false, false })
				time.Sleep(time.Hour)
				if !r.src.Status().Streaming {
					t.Error("streaming is off for longer than an hour")
				}
				api.put(slice("db", "a", "10.1.0.3"))
				api.forget()
				api.cut()
				time.Sleep(5 * time.Second)
				r.want("db", "10.1.0.3")
				if n := r.count(func(q request) bool { return q.Streamed }); n < 2 {
					t.Errorf("%d streamed requests, want another one", n)
				}
			})
		})
	}
}

// While changes continue to arrive, there is no silence to notice.
func TestStreamingIgnoredBusy(t *testing.T) {
	api := newFakeAPI("36")
	api.losesBookmark = true
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		for range 13 {
			api.put(headless("db"))
			time.Sleep(5 * time.Second)
		}
		r.want("db", "10.1.0.1")
		if !r.zone.HasSynced() {
			t.Error("not synced after a minute")
		}
	})
}

func TestStreamingRefused(t *testing.T) {
	for _, status := range []int{422, 400} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			api := newFakeAPI("36")
			api.refusesStream = status
			api.put(headless("db"), slice("db", "a", "10.1.0.1"))
			inBubble(t, api, func(t *testing.T, r *rig) {
				r.want("db", "10.1.0.1")
				if got := r.metric("kubedns_api_streaming_off_total", "reason=refused"); got != 1 {
					t.Errorf("streaming_off = %v, want 1", got)
				}
				if n := r.count(func(q request) bool { return q.Streamed }); n != 1 {
					t.Errorf("%d streamed requests, want 1", n)
				}
			})
		})
	}
}

// A server that fails only at streaming is read in pages after some tries.
func TestStreamingFails(t *testing.T) {
	api := newFakeAPI("36")
	api.refusesStream = 500
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(20 * time.Second)
		r.want("db", "10.1.0.1")
		if !r.src.Status().Streaming {
			t.Error("streaming is off for good, though the server did not say that it cannot")
		}
	})
}

// betterTime is longer than the pause before a better API is tried.
const betterTime = 5*time.Minute + time.Second

// Slices that were listed once are never given up. The old data is served, and the reason is
// reported, until they can be read again.
func TestSlicesRefusedLater(t *testing.T) {
	for _, status := range []int{403, 404} {
		api := newFakeAPI("36")
		api.put(
			headless("db"), slice("db", "a", "10.1.0.1"), endpoints("db", "10.1.0.9"),
			headless("lone"), slice("lone", "a", "10.1.1.1"), // without Endpoints
		)
		inBubble(t, api, func(t *testing.T, r *rig) {
			api.change(func() { api.refuse[slicesPath] = status; api.cuts++ })
			api.put(slice("db", "a", "10.1.0.2"))
			api.forget()
			time.Sleep(time.Hour)
			r.want("db", "10.1.0.1", "lone", "10.1.1.1")
			if n := r.count(func(q request) bool { return q.Path == endpointsPath }); n != 0 {
				t.Errorf("%d requests for Endpoints", n)
			}
			got := r.src.Status().Trouble()
			if !strings.Contains(got, "no changes of endpoints since") || !strings.Contains(got, "the fake says") {
				t.Errorf("Trouble = %q, want the reason", got)
			}
			if got := r.metric("kubedns_api_watch_connected", "resource=endpoints"); got != 0 {
				t.Errorf("connected = %v", got)
			}
			if n := r.log.lines("ERROR", "the fake says"); n < 30 || n > 61 {
				t.Errorf("%d lines in an hour, want one a minute", n)
			}
			api.change(func() { clear(api.refuse) })
			time.Sleep(12 * time.Second)
			r.want("db", "10.1.0.2", "lone", "10.1.1.1")
			if got := r.src.Status(); got.Endpoints != "endpointslices.discovery.k8s.io/v1" || got.Trouble() != "" {
				t.Errorf("Status = %+v, want slices without trouble", got)
			}
			if got := r.metric("kubedns_api_endpoints_fallback"); got != 0 {
				t.Errorf("fallback = %v", got)
			}
		})
	}
}

// A process that started with Endpoints reads slices as soon as permitted. They are listed
// completely before they replace anything.
func TestStepUp(t *testing.T) {
	api := newFakeAPI("36")
	api.refuse[slicesPath] = 403
	api.put(
		headless("db"), slice("db", "a", "10.1.0.1"), endpoints("db", "10.1.0.9"),
		headless("lone"), slice("lone", "a", "10.1.1.1"), // without Endpoints
	)
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(time.Hour)
		r.want("db", "10.1.0.9", "lone", notFound)
		if got := r.metric("kubedns_api_endpoints_fallback"); got != 1 {
			t.Errorf("fallback = %v", got)
		}
		release := make(chan struct{})
		api.change(func() {
			clear(api.refuse)
			api.afterList = func(q request) {
				if q.Path == slicesPath && q.Verb == "list" {
					<-release
				}
			}
		})
		time.Sleep(betterTime)
		api.put(endpoints("db", "10.1.0.8"))
		r.want("db", "10.1.0.8", "lone", notFound) // changes arrive while slices are listed
		close(release)
		r.want("db", "10.1.0.1", "lone", "10.1.1.1")
		api.put(slice("db", "a", "10.1.0.2"), endpoints("db", "10.1.0.7"))
		r.want("db", "10.1.0.2")
		if got := r.metric("kubedns_api_endpoints_fallback"); got != 0 {
			t.Errorf("fallback = %v", got)
		}
		// It never steps back.
		api.change(func() { api.refuse[slicesPath] = 403; api.cuts++ })
		time.Sleep(time.Hour)
		r.want("db", "10.1.0.2", "lone", "10.1.1.1")
	})
}

// A server that refuses slices at startup, because it has not read its roles yet, does not keep a
// process from slices.
func TestSlicesRefusedAtStart(t *testing.T) {
	for _, refused := range []time.Duration{time.Second / 2, 10 * time.Second} {
		api := newFakeAPI("36")
		api.refuse[slicesPath] = 403
		api.put(headless("db"), slice("db", "a", "10.1.0.1"), endpoints("db", "10.1.0.9"))
		inBubble(t, api, func(t *testing.T, r *rig) {
			time.Sleep(refused)
			api.change(func() { clear(api.refuse) })
			time.Sleep(35 * time.Second)
			r.want("db", "10.1.0.1")
			if got := r.src.Status().Endpoints; got != "endpointslices.discovery.k8s.io/v1" {
				t.Errorf("endpoints from %s", got)
			}
		})
	}
}

// A version that could not be read is requested again.
func TestVersionLater(t *testing.T) {
	api := newFakeAPI("")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		r.want("db", "10.1.0.1")
		if r.src.Status().Streaming {
			t.Error("lists of an unknown server are streamed")
		}
		api.change(func() { api.minor = "36" })
		time.Sleep(2 * time.Minute)
		if got := r.src.Status(); !got.Streaming || got.Server != "v1.36.0" {
			t.Errorf("Status = %+v, want streaming and v1.36.0", got)
		}
	})
}

// A starting server can refuse everything for a moment.
func TestSlicesRefusedShortly(t *testing.T) {
	api := newFakeAPI("36")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"), endpoints("db", "10.1.0.9"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		for _, ip := range []string{"10.1.0.2", "10.1.0.3"} {
			time.Sleep(time.Hour)
			api.change(func() { api.refuse[slicesPath] = 403; api.cuts++ })
			time.Sleep(3 * time.Second)
			api.change(func() { clear(api.refuse) })
			time.Sleep(10 * time.Second)
			api.put(slice("db", "a", ip))
			r.want("db", ip)
		}
		if got := r.metric("kubedns_api_endpoints_fallback"); got != 0 {
			t.Errorf("fallbacks = %v, want none", got)
		}
	})
}

// A user that can list but not watch must not cause endless lists.
func TestWatchForbidden(t *testing.T) {
	api := newFakeAPI("30")
	api.refuseWatch[servicesPath] = 403
	api.put(clusterIP("web", "10.0.0.1"), headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		r.want("web", "10.0.0.1", "db", "10.1.0.1")
		time.Sleep(time.Hour)
		if n := r.count(func(q request) bool { return q.Path == servicesPath && q.Verb == "list" }); n != 1 {
			t.Errorf("%d lists of Services, want 1", n)
		}
		if got := r.src.Status().Problem; got == nil || got.Reason != listwatch.Forbidden || got.Advice == "" {
			t.Errorf("Problem = %+v, want forbidden, with advice", got)
		}
		api.change(func() { clear(api.refuseWatch) })
		time.Sleep(10 * time.Second)
		api.put(clusterIP("web", "10.0.0.2"))
		r.want("web", "10.0.0.2")
	})
}

// After a server replies to a watch with errors for some time, a list follows: the start version
// can be the cause.
func TestWatchBroken(t *testing.T) {
	api := newFakeAPI("30")
	api.refuseWatch[servicesPath] = 500
	api.put(clusterIP("web", "10.0.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(time.Minute)
		api.put(clusterIP("web", "10.0.0.2"))
		time.Sleep(time.Minute)
		r.want("web", "10.0.0.2")
		if n := r.count(func(q request) bool { return q.Path == servicesPath && q.Verb == "list" }); n < 2 || n > 40 {
			t.Errorf("%d lists of Services in two minutes, want a few", n)
		}
	})
}

func TestDeprecationIsLoggedOnce(t *testing.T) {
	api := newFakeAPI("36")
	api.warning = `299 - "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"`
	api.refuse[slicesPath] = 404
	inBubble(t, api, func(t *testing.T, r *rig) {
		for range 3 {
			api.cut()
			time.Sleep(time.Minute)
		}
		if n := r.log.lines("INFO", "Endpoints is deprecated"); n != 1 {
			t.Errorf("%d lines, want 1", n)
		}
	})
}

// Retry-After is respected.
func TestTooManyRequests(t *testing.T) {
	api := newFakeAPI("30")
	api.refuse[servicesPath] = 429
	inBubble(t, api, func(t *testing.T, r *rig) {
		isList := func(q request) bool { return q.Path == servicesPath && q.Verb == "list" }
		time.Sleep(29 * time.Second)
		if n := r.count(isList); n != 1 {
			t.Errorf("%d lists, want 1 within the 30 s that the server asked for", n)
		}
		time.Sleep(2 * time.Second)
		if n := r.count(isList); n != 2 {
			t.Errorf("%d lists, want another one after that", n)
		}
	})
}

// A silent watch with a live connection is reopened, if the server is known to send bookmarks.
func TestWatchSilent(t *testing.T) {
	isWatch := func(req request) bool { return req.Verb == "watch" && req.Path == slicesPath }
	tests := []struct {
		name         string
		bookmarks    time.Duration
		before, open time.Duration // life of the watches until all are cut, and then until the watch dies
		fresh        time.Duration // maximum age of a change after the death of the watch
	}{
		{"bookmarks", time.Minute, time.Hour, time.Second, 150 * time.Second},
		{"after the first bookmark", time.Minute, time.Second, 130 * time.Second, 90 * time.Second},
		{"no bookmarks", 0, time.Hour, time.Second, 2*5*time.Minute + 30*time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := newFakeAPI("36")
			api.bookmarks = tt.bookmarks
			api.put(headless("db"), slice("db", "a", "10.1.0.1"))
			inBubble(t, api, func(t *testing.T, r *rig) {
				time.Sleep(tt.before)
				// The client ends watches that the server should have ended.
				if n := r.count(isWatch); n > 12 {
					t.Errorf("%d watches opened in a quiet hour", n)
				}
				if n := r.log.lines("WARN", "bookmarks"); n > 0 {
					t.Errorf("%d watches were given up in a quiet hour", n)
				}
				api.cut() // new watches, which live for five minutes at least
				time.Sleep(tt.open)
				api.change(func() { api.stalls++ })
				api.put(slice("db", "a", "10.1.0.2"))
				r.want("db", "10.1.0.1")
				time.Sleep(tt.fresh + time.Second)
				r.want("db", "10.1.0.2")
				if got := r.metric("kubedns_api_watch_connected"); got != 2 {
					t.Errorf("%v watches connected, want 2", got)
				}
				if n := r.metric("kubedns_api_lists_total"); n != 2 && tt.bookmarks > 0 || n > 6 {
					t.Errorf("%v lists, want none but the first of each, without bookmarks two in an hour", n)
				}
			})
		})
	}
}

// An API server accepts the request for a watch and sends nothing.
func TestWatchUnanswered(t *testing.T) {
	api := newFakeAPI("31") // streams no lists
	api.hangsWatches = true
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(time.Minute)
		r.want("db", "10.1.0.1") // from the list
		status := r.src.Status()
		if status.Problem == nil || status.Problem.Reason != listwatch.Timeout {
			t.Errorf("Problem = %+v, want a timeout", status.Problem)
		}
		if got := r.metric("kubedns_api_watch_connected"); got != 0 {
			t.Errorf("%v watches connected", got)
		}
		api.change(func() { api.hangsWatches = false })
		api.put(slice("db", "a", "10.1.0.2"))
		time.Sleep(3 * time.Minute)
		r.want("db", "10.1.0.2")
	})
}
