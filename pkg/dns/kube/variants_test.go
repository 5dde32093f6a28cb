package kube_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	kruntime "k8s.io/apimachinery/pkg/runtime"
)

// refusals are the ways in which a server, or a proxy, refuses one resource.
func refusals() map[string]func(a *fakeAPI, path string) {
	all := map[string]func(*fakeAPI, string){
		"a page with status 200": func(a *fakeAPI, path string) { a.page, a.pageOf = "<html>sign in</html>", path },
	}
	for _, status := range []int{400, 401, 403, 404, 405, 406, 410, 422, 429, 500, 502, 503, 504} {
		all[fmt.Sprint(status)] = func(a *fakeAPI, path string) { a.refuse[path] = status }
	}
	return all
}

// A resource is refused after its first list. The old data is served without a replacement, the
// reason is reported, and it is read again when that works.
func TestResourceRefusedLater(t *testing.T) {
	tests := []struct {
		name, minor string
		refused     map[string]int // from the start
		path        string         // refused later
		role        string
		put         func(ip string) kruntime.Object
	}{
		{"slices", "36", nil, slicesPath, "endpoints", func(ip string) kruntime.Object { return slice("db", "a", ip) }},
		{"slices in pages", "30", nil, slicesPath, "endpoints",
			func(ip string) kruntime.Object { return slice("db", "a", ip) }},
		{
			"beta slices", "20", map[string]int{slicesPath: 404}, betaSlicesPath, "endpoints",
			func(ip string) kruntime.Object { return betaSlice("db", "a", ip) },
		},
		{
			"Endpoints", "36", map[string]int{slicesPath: 403}, endpointsPath, "endpoints",
			func(ip string) kruntime.Object { return endpoints("db", ip) },
		},
		{"Services", "36", nil, servicesPath, "services", func(ip string) kruntime.Object { return clusterIP("db", ip) }},
	}
	for _, tt := range tests {
		for name, refuse := range refusals() {
			t.Run(tt.name+" "+name, func(t *testing.T) {
				api := newFakeAPI(tt.minor)
				maps.Copy(api.refuse, tt.refused)
				api.put(headless("db"), tt.put("10.1.0.1"))
				inBubble(t, api, func(t *testing.T, r *rig) {
					time.Sleep(steppedDown)
					r.want("db", "10.1.0.1")
					from := r.src.Status().Endpoints
					api.change(func() { refuse(api, tt.path); api.cuts++ })
					api.put(tt.put("10.1.0.2"))
					api.forget()
					time.Sleep(time.Hour)
					r.want("db", "10.1.0.1")
					reason := "the fake says " + name
					if api.page != "" {
						reason = "neither Kubernetes protobuf nor JSON"
					}
					if got := r.src.Status().Trouble(); !strings.Contains(got, "no changes of "+tt.role+" since") ||
						!strings.Contains(got, reason) {
						t.Errorf("Trouble = %q, want %s and %q", got, tt.role, reason)
					}
					if got := r.metric("kubedns_api_watch_connected", "resource="+tt.role); got != 0 {
						t.Errorf("connected = %v", got)
					}
					api.change(func() { delete(api.refuse, tt.path); api.page = "" })
					time.Sleep(2 * time.Minute)
					r.want("db", "10.1.0.2")
					if got := r.src.Status(); got.Endpoints != from || got.Trouble() != "" {
						t.Errorf("Status = %+v, want endpoints from %s without trouble", got, from)
					}
				})
			})
		}
	}
}

// At startup only a missing or forbidden API is replaced by another one. All other refusals are
// waited out.
func TestSlicesRefusedAtStartOtherwise(t *testing.T) {
	for name, refuse := range refusals() {
		if name == "403" || name == "404" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			api := newFakeAPI("36")
			api.put(headless("db"), slice("db", "a", "10.1.0.1"), endpoints("db", "10.1.0.9"), clusterIP("web", "10.0.0.1"))
			refuse(api, slicesPath)
			inBubble(t, api, func(t *testing.T, r *rig) {
				time.Sleep(time.Hour)
				r.zone.MarkPartial()
				r.want("web", "10.0.0.1")
				if n := r.count(func(q request) bool { return q.Path == endpointsPath }); n != 0 || r.zone.HasSynced() {
					t.Errorf("%d requests for Endpoints, synced: %t", n, r.zone.HasSynced())
				}
				if got := r.src.Status().String(); !strings.Contains(got, "waiting for endpoints of") {
					t.Errorf("Status = %q, want waiting for endpoints", got)
				}
				api.change(func() { clear(api.refuse); api.page = "" })
				time.Sleep(2 * time.Minute)
				r.want("db", "10.1.0.1")
			})
		})
	}
}

// A server restored from a backup is noticed for each kind of endpoints.
func TestRestoredEndpoints(t *testing.T) {
	tests := []struct {
		name, minor string
		refused     map[string]int
		object      func(ip string) kruntime.Object
	}{
		{"beta slices", "20", map[string]int{slicesPath: 404},
			func(ip string) kruntime.Object { return betaSlice("db", "a", ip) }},
		{"Endpoints", "36", map[string]int{slicesPath: 403}, func(ip string) kruntime.Object { return endpoints("db", ip) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := newFakeAPI(tt.minor)
			maps.Copy(api.refuse, tt.refused)
			api.put(headless("db"), tt.object("10.1.0.1"))
			inBubble(t, api, func(t *testing.T, r *rig) {
				time.Sleep(time.Minute)
				r.want("db", "10.1.0.1")
				api.change(func() {
					api.history = nil
					api.restore(headless("db"), 50)
					api.restore(tt.object("10.1.0.9"), 51)
					api.revision = 60
					api.cuts++
				})
				time.Sleep(2 * time.Second)
				r.want("db", "10.1.0.9")
			})
		})
	}
}

// The same for --config-map, and for other refusals.
func TestConfigMapRestoredServer(t *testing.T) {
	api := newFakeAPI("36")
	api.put(newConfigMap("kube-dns", upstreams("192.0.2.1")))
	watchConfigMap(t, api, func(t *testing.T, u *updates) {
		u.want(t, "version 101 192.0.2.1:53")
		time.Sleep(time.Minute)
		api.change(func() {
			api.history = nil
			api.restore(newConfigMap("kube-dns", upstreams("192.0.2.9")), 50)
			api.revision = 60
			api.cuts++
		})
		time.Sleep(2 * time.Second)
		u.want(t, "version 50 192.0.2.9:53")
	})
}

func TestConfigMapRefusedLater(t *testing.T) {
	for name, refuse := range refusals() {
		t.Run(name, func(t *testing.T) {
			api := newFakeAPI("36")
			api.put(newConfigMap("kube-dns", upstreams("192.0.2.1")))
			watchConfigMap(t, api, func(t *testing.T, u *updates) {
				u.want(t, "version 101 192.0.2.1:53")
				time.Sleep(time.Minute)
				api.change(func() { refuse(api, configMapsPath); api.cuts++ })
				api.put(newConfigMap("kube-dns", upstreams("192.0.2.2")))
				api.forget()
				time.Sleep(10 * time.Minute)
				got := u.take()
				if len(got) < 5 || len(got) > 10 {
					t.Errorf("%d updates in ten minutes, want an error a minute: %q", len(got), got)
				}
				for _, line := range got {
					if line != "error " {
						t.Errorf("update %q, want errors alone", line)
					}
				}
				api.change(func() { clear(api.refuse); api.page = "" })
				time.Sleep(2 * time.Minute)
				if got := u.take(); len(got) == 0 || got[len(got)-1] != "version 102 192.0.2.2:53" {
					t.Errorf("updates = %q, want the new version at last", got)
				}
			})
		})
	}
}

// Watches that end soon are reopened after a pause, for each resource.
func TestShortWatchesOfAll(t *testing.T) {
	api := newFakeAPI("36")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		for range 600 { // one a second
			api.cut()
			time.Sleep(time.Second)
		}
		for role, path := range map[string]string{"services": servicesPath, "endpoints": slicesPath} {
			if n := r.count(func(q request) bool { return q.Verb == "watch" && q.Path == path }); n < 60 || n > 180 {
				t.Errorf("%d watches of %s in ten minutes, want pauses", n, role)
			}
			if got := r.metric("kubedns_api_errors_total", "resource="+role, "reason=connection_lost"); got < 60 {
				t.Errorf("%v errors of %s", got, role)
			}
			if n := r.log.lines("WARN", "resource="+role); n < 9 || n > 12 {
				t.Errorf("%d lines about %s, want one a minute", n, role)
			}
		}
	})
}

// Watches are open but silent. Nothing is confirmed, the trouble is reported, and changes are still
// found.
func TestWatchesMute(t *testing.T) {
	for _, minor := range []string{"36", "30"} {
		t.Run("1."+minor, func(t *testing.T) {
			api := newFakeAPI(minor)
			api.bookmarks = time.Minute
			api.put(headless("db"), slice("db", "a", "10.1.0.1"))
			inBubble(t, api, func(t *testing.T, r *rig) {
				time.Sleep(time.Hour)
				lost := time.Now()
				api.change(func() { api.mute = true; api.cuts++ })
				time.Sleep(2 * time.Minute)
				if got := r.src.Status().Confirmed(); got.After(lost) {
					t.Errorf("Confirmed = %v, want nothing later than %v", got, lost)
				}
				for i := range 6 {
					ip := fmt.Sprintf("10.1.0.%d", i+2)
					api.put(slice("db", "a", ip))
					time.Sleep(25 * time.Minute)
					r.want("db", ip)
				}
				if got := r.metric("kubedns_api_errors_total", "resource=endpoints", "reason=timeout"); got < 6 {
					t.Errorf("%v errors counted", got)
				}
				if got := r.src.Status().Trouble(); !strings.Contains(got, "no changes of services and endpoints since") {
					t.Errorf("Trouble = %q, want both watches", got)
				}
				api.change(func() { api.mute = false })
				time.Sleep(13 * time.Minute) // the mute watches have ended
				api.put(slice("db", "a", "10.1.0.200"))
				r.want("db", "10.1.0.200")
				if got := r.src.Status().Trouble(); got != "" {
					t.Errorf("Trouble = %q, want none", got)
				}
			})
		})
	}
}

// Watches are silent from their start, and the server sends no bookmarks. The objects are listed
// again after a long silence.
func TestWatchesMuteFromStart(t *testing.T) {
	for _, minor := range []string{"36", "30"} {
		for _, endless := range []bool{false, true} {
			t.Run(fmt.Sprintf("1.%s, endless %v", minor, endless), func(t *testing.T) {
				api := newFakeAPI(minor)
				api.mute, api.endless, api.bookmarks = true, endless, 0
				api.put(headless("db"), slice("db", "a", "10.1.0.1"))
				inBubble(t, api, func(t *testing.T, r *rig) {
					for i := range 4 {
						ip := fmt.Sprintf("10.1.0.%d", i+2)
						api.put(slice("db", "a", ip))
						time.Sleep(42 * time.Minute)
						r.want("db", ip)
					}
					if n := r.metric("kubedns_api_lists_total"); n > 2*7 {
						t.Errorf("%v lists in three hours", n)
					}
				})
			})
		}
	}
}

// A server that was slow to send its version once streams lists later.
func TestVersionSlow(t *testing.T) {
	api := newFakeAPI("36")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	slow := true
	api.before = func(q request) {
		if q.Path == "/version" && slow {
			slow = false
			time.Sleep(10 * time.Second)
		}
	}
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(30 * time.Second)
		r.want("db", "10.1.0.1")
		time.Sleep(2 * time.Minute)
		if got := r.src.Status(); !got.Streaming || got.Server != "v1.36.0" {
			t.Errorf("Status = %+v, want streaming and v1.36.0", got)
		}
	})
}

// Each resource has one name in all metrics.
func TestResourceNames(t *testing.T) {
	api := newFakeAPI("36")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		api.change(func() { api.down = true })
		time.Sleep(time.Minute)
		api.change(func() { api.down = false })
		time.Sleep(time.Hour)
		families, err := r.reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if name := resourceOf(m); name != "" {
					seen++
					if name != "services" && name != "endpoints" && name != "configmaps" {
						t.Errorf("%s has the resource %s", f.GetName(), name)
					}
				}
			}
		}
		if seen == 0 {
			t.Error("no metric has a resource")
		}
	})
}

func resourceOf(m *dto.Metric) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == "resource" {
			return l.GetValue()
		}
	}
	return ""
}
