package kube_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

// During any outage of the API server, no watch counts as open, the reported reason is right, and
// nothing confirms the data.
func TestOutage(t *testing.T) {
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	tests := []struct {
		name   string
		outage func(*fakeAPI)
		want   listwatch.Reason
	}{
		{"a balancer without backends", func(a *fakeAPI) { a.fail = io.EOF }, listwatch.ConnectionLost},
		{"connections are cut", func(a *fakeAPI) { a.fail = io.ErrUnexpectedEOF }, listwatch.ConnectionLost},
		{"connections are reset", func(a *fakeAPI) { a.fail = dial(syscall.ECONNRESET) }, listwatch.ConnectionLost},
		{"packets are dropped", func(a *fakeAPI) { a.fail = dial(context.DeadlineExceeded) }, listwatch.Timeout},
		{"the pings of HTTP/2", func(a *fakeAPI) { a.fail = errors.New("http2: client connection lost") },
			listwatch.ConnectionLost},
		{"GOAWAY", func(a *fakeAPI) {
			a.fail = errors.New("http2: server sent GOAWAY and closed the connection; ErrCode=NO_ERROR")
		}, listwatch.ConnectionLost},
		{"a proxy that hangs", func(a *fakeAPI) { a.hangs = true }, listwatch.Timeout},
		{"a proxy with a page of its own", func(a *fakeAPI) { a.page = "<html>sign in</html>" }, listwatch.Other},
		{"a proxy that answers 503", func(a *fakeAPI) { a.refuse[servicesPath], a.refuse[slicesPath] = 503, 503 },
			listwatch.ServerError},
		{"a proxy that answers 404", func(a *fakeAPI) { a.refuse[servicesPath], a.refuse[slicesPath] = 404, 404 },
			listwatch.NotFound},
		{"watches are closed at once", func(a *fakeAPI) { a.closes = true }, listwatch.ConnectionLost},
	}
	for _, tt := range tests {
		for _, minor := range []string{"36", "30"} {
			t.Run(tt.name+" 1."+minor, func(t *testing.T) {
				api := newFakeAPI(minor)
				api.bookmarks = time.Minute
				api.put(headless("db"), slice("db", "a", "10.1.0.1"))
				inBubble(t, api, func(t *testing.T, r *rig) {
					time.Sleep(time.Hour)
					lost := time.Now()
					api.change(func() { tt.outage(api); api.cuts++ })
					time.Sleep(2 * time.Minute)
					again := r.log.lines("INFO", "again")
					for range 30 { // at any moment
						time.Sleep(2 * time.Minute)
						status := r.src.Status()
						if status.Problem == nil || status.Problem.Reason != tt.want ||
							!strings.Contains(status.Trouble(), string(tt.want)) {
							t.Fatalf("Problem = %+v, Trouble = %q, want %s", status.Problem, status.Trouble(), tt.want)
						}
						if got := status.Confirmed(); got.After(lost) {
							t.Fatalf("Confirmed = %v, want nothing later than %v", got, lost)
						}
						if got := r.metric("kubedns_api_watch_connected"); got != 0 {
							t.Fatalf("%v watches connected", got)
						}
					}
					if n := r.log.lines("INFO", "again") - again; n > 0 && !api.closes {
						t.Errorf("%d lines that watches are open again", n)
					}
					if n := r.log.lines("", "class="+string(tt.want)); n < 100 || n > 130 {
						t.Errorf("%d lines in an hour, want one a minute of each resource", n)
					}
					r.want("db", "10.1.0.1")
					api.change(func() { api.fail, api.page, api.hangs, api.closes = nil, "", false, false; clear(api.refuse) })
					api.put(slice("db", "a", "10.1.0.2"))
					time.Sleep(3 * time.Minute)
					r.want("db", "10.1.0.2")
					if got := r.src.Status().Trouble(); got != "" {
						t.Errorf("Trouble = %q, want none", got)
					}
				})
			})
		}
	}
}

// A quiet watch opens even if a proxy holds back the headers of a response until its first byte.
func TestHeadersHeldBack(t *testing.T) {
	api := newFakeAPI("30")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	api.holdsHeaders = 2 * time.Minute // until the first bookmark
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(time.Hour)
		api.put(slice("db", "a", "10.1.0.2"))
		time.Sleep(5 * time.Minute)
		r.want("db", "10.1.0.2")
		if n := r.log.lines("INFO", "watching the API server again"); n == 0 {
			t.Error("no watch was ever opened")
		}
		if n := r.metric("kubedns_api_lists_total"); n != 2 {
			t.Errorf("%v lists, want the first ones alone", n)
		}
	})
}

// A watch that ends soon, or after one event, is reopened after a pause, counted and logged.
func TestShortWatches(t *testing.T) {
	api := newFakeAPI("36")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		isWatch := func(q request) bool { return q.Verb == "watch" && q.Path == slicesPath }
		api.change(func() {
			api.events = 1
			api.cuts++
			api.afterList = func(q request) {
				if q.Verb == "newest" && q.Path == slicesPath {
					api.put(slice("db", "b", "10.1.0.2"))
				}
			}
		})
		time.Sleep(10 * time.Minute)
		if n := r.count(isWatch); n < 60 || n > 150 {
			t.Errorf("%d watches in ten minutes, want a pause of up to 10 s between them", n)
		}
		r.want("db", "10.1.0.1 10.1.0.2")
		if got, opened := r.metric("kubedns_api_errors_total", "resource=endpoints", "reason=connection_lost"),
			r.metric("kubedns_api_watches_total", "resource=endpoints"); got < 60 || opened < 60 {
			t.Errorf("%v errors and %v watches counted", got, opened)
		}
		if n := r.log.lines("WARN", "was closed within"); n < 9 || n > 12 {
			t.Errorf("%d lines, want one a minute", n)
		}
	})
}

// A server restored from a backup is noticed as soon as a watch opens again.
func TestRestoredServer(t *testing.T) {
	for _, minor := range []string{"36", "20"} {
		t.Run("1."+minor, func(t *testing.T) {
			api := newFakeAPI(minor)
			api.put(clusterIP("web", "10.0.0.1"), clusterIP("new", "10.0.0.2"), headless("db"), slice("db", "a", "10.1.0.1"))
			inBubble(t, api, func(t *testing.T, r *rig) {
				time.Sleep(time.Minute)
				api.change(func() {
					api.history = nil
					delete(api.held[servicesPath], objectKey(clusterIP("new", "")))
					api.restore(clusterIP("web", "10.0.0.9"), 50)
					api.restore(slice("db", "a", "10.1.0.9"), 51)
					api.revision = 60
					api.cuts++
				})
				time.Sleep(2 * time.Second)
				r.want("web", "10.0.0.9", "new", notFound, "db", "10.1.0.9")
				if n := r.log.lines("WARN", "an older state than before"); n != 2 {
					t.Errorf("%d lines about it, want one of each resource", n)
				}
			})
		})
	}
}

// A backup was restored during an outage, and the server now has a newer version than ours. No
// watch shows it, so a comparison follows soon.
func TestRestoredServerIsAhead(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("web", "10.0.0.1"), clusterIP("new", "10.0.0.2"), headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(time.Minute)
		api.change(func() { api.down = true; api.cuts++ })
		time.Sleep(time.Minute)
		api.change(func() {
			api.history = nil
			delete(api.held[servicesPath], objectKey(clusterIP("new", "")))
			api.restore(clusterIP("web", "10.0.0.9"), 50)
			api.restore(slice("db", "a", "10.1.0.9"), 51)
			api.revision, api.down = 160, false
		})
		api.put(clusterIP("later", "10.0.0.3"))
		time.Sleep(5 * time.Minute)
		r.want("web", "10.0.0.9", "new", notFound, "later", "10.0.0.3", "db", "10.1.0.9")
		r.wantDifferences(3)
	})
}

// A short outage causes no comparison: API servers restart one after the other.
func TestShortOutage(t *testing.T) {
	api := newFakeAPI("36")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		for range 3 {
			time.Sleep(3 * time.Minute)
			api.change(func() { api.down = true; api.cuts++ })
			time.Sleep(4 * time.Second)
			api.change(func() { api.down = false })
		}
		if n := r.count(isMetadata); n != 0 {
			t.Errorf("%d lists of metadata", n)
		}
	})
}

// A lagging cache of a server never causes a relist.
func TestAuditOfLaggingCache(t *testing.T) {
	for role, path := range map[string]string{"services": servicesPath, "endpoints": slicesPath} {
		t.Run(role, func(t *testing.T) {
			api := newFakeAPI("36")
			api.put(clusterIP("web", "10.0.0.1"), clusterIP("db", "10.0.0.2"), slice("web", "a", "10.1.0.1"),
				slice("db", "a", "10.1.0.2"))
			api.metadata.editCache = true
			api.metadata.edit = func(listed string, list *metav1.PartialObjectMetadataList) {
				if listed == path {
					list.ResourceVersion, list.Items[0].ResourceVersion = "90", "90"
					list.Items = list.Items[:1]
				}
			}
			inBubble(t, api, func(t *testing.T, r *rig) {
				time.Sleep(5 * time.Hour)
				r.wantDifferences(0)
				r.wantLists(role, 1)
				if got := r.audits(role, "ok"); got < 9 {
					t.Errorf("%v audits are ok, want all", got)
				}
			})
		})
	}
}
