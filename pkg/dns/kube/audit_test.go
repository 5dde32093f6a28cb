package kube_test

import (
	"fmt"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// oneAudit is longer than the time to the end of the next audit.
const oneAudit = 33 * time.Minute

func withUID[T kruntime.Object](o T, uid types.UID) T {
	m, _ := meta.Accessor(o)
	m.SetUID(uid)
	return o
}

func isMetadata(q request) bool { return q.Verb == "metadata" }

// audits returns the number of audits of a kind with the result; "" is any.
func (r *rig) audits(resource, result string) float64 {
	r.t.Helper()
	labels := []string{"resource=" + resource}
	if result != "" {
		labels = append(labels, "result="+result)
	}
	return r.metric("kubedns_api_audits_total", labels...)
}

func (r *rig) wantDifferences(want float64) {
	r.t.Helper()
	if got := r.metric("kubedns_api_audit_differences_total"); got != want {
		r.t.Errorf("differences = %v, want %v", got, want)
	}
}

func (r *rig) wantLists(resource string, want float64) {
	r.t.Helper()
	if got := r.metric("kubedns_api_lists_total", "resource="+resource); got != want {
		r.t.Errorf("%s were listed %v times, want %v", resource, got, want)
	}
}

// A change that the watch has missed is found, counted, logged and cured.
func TestAuditFindsMissedChange(t *testing.T) {
	const endpointSlices = "endpoints"
	tests := []struct {
		name     string
		refuse   map[string]int
		path     string
		resource string
		miss     func(*fakeAPI) // with the lock held
		before   []string       // pairs of Service and answer
		after    []string
		wantLog  string
	}{
		{
			name: "Service changed", path: servicesPath, resource: "services",
			miss:   func(a *fakeAPI) { a.store(clusterIP("web", "10.0.0.9")) },
			before: []string{"web", "10.0.0.1"}, after: []string{"web", "10.0.0.9"},
			wantLog: "shop/web: held in version 101, the server has version 10",
		},
		{
			name: "Service created", path: servicesPath, resource: "services",
			miss:   func(a *fakeAPI) { a.store(clusterIP("new", "10.0.0.9")) },
			before: []string{"new", notFound}, after: []string{"new", "10.0.0.9"},
			wantLog: "shop/new: not held, the server has version 10",
		},
		{
			name: "Service deleted", path: servicesPath, resource: "services",
			miss:   func(a *fakeAPI) { a.drop(clusterIP("web", "")) },
			before: []string{"web", "10.0.0.1"}, after: []string{"web", notFound},
			wantLog: "shop/web: held in version 101, the server has none",
		},
		{
			name: "Service created anew", path: servicesPath, resource: "services",
			miss: func(a *fakeAPI) {
				a.drop(clusterIP("web", ""))
				a.store(withUID(clusterIP("web", "10.0.0.9"), "other"))
			},
			before: []string{"web", "10.0.0.1"}, after: []string{"web", "10.0.0.9"},
			wantLog: "of another object of that name",
		},
		{
			name: "Service restored from a backup", path: servicesPath, resource: "services",
			miss:   func(a *fakeAPI) { a.restore(clusterIP("web", "10.0.0.9"), 50) },
			before: []string{"web", "10.0.0.1"}, after: []string{"web", "10.0.0.9"},
			wantLog: "shop/web: held in version 101, the server has version 50",
		},
		{
			name: "slice changed", path: slicesPath, resource: endpointSlices,
			miss:   func(a *fakeAPI) { a.store(slice("db", "a", "10.1.0.9")) },
			before: []string{"db", "10.1.0.1"}, after: []string{"db", "10.1.0.9"},
			wantLog: "shop/db-a: held in version 103, the server has version 10",
		},
		{
			name: "slice deleted", path: slicesPath, resource: endpointSlices,
			miss:   func(a *fakeAPI) { a.drop(slice("db", "a")) },
			before: []string{"db", "10.1.0.1"}, after: []string{"db", notFound},
			wantLog: "shop/db-a: held in version 103, the server has none",
		},
		{
			name: "slice of which the addresses are not kept", path: slicesPath, resource: endpointSlices,
			miss:   func(a *fakeAPI) { a.store(slice("web", "a", "10.1.9.8")) },
			before: []string{"web", "10.0.0.1"}, after: []string{"web", "10.0.0.1"},
			wantLog: "shop/web-a: held in version 104, the server has version 10",
		},
		{
			name: "beta slice changed", path: betaSlicesPath, resource: endpointSlices, refuse: map[string]int{slicesPath: 404},
			miss:   func(a *fakeAPI) { a.store(betaSlice("db", "a", "10.1.0.9")) },
			before: []string{"db", "10.1.0.2"}, after: []string{"db", "10.1.0.9"},
			wantLog: "shop/db-a: held in version 105, the server has version 10",
		},
		{
			name: "Endpoints changed", path: endpointsPath, resource: "endpoints",
			refuse: map[string]int{slicesPath: 403, betaSlicesPath: 403},
			miss:   func(a *fakeAPI) { a.store(endpoints("db", "10.1.0.9")) },
			before: []string{"db", "10.1.0.3"}, after: []string{"db", "10.1.0.9"},
			wantLog: "shop/db: held in version 106, the server has version 10",
		},
	}
	for i, tt := range tests {
		for _, minor := range []string{"36", "20"} {
			t.Run(tt.name+" 1."+minor, func(t *testing.T) {
				if tt.path == betaSlicesPath && minor == "36" {
					t.Skip("there is no v1beta1")
				}
				api := newFakeAPI(minor)
				api.refuse = tt.refuse
				api.put(
					withUID(clusterIP("web", "10.0.0.1"), types.UID(fmt.Sprint("u", i))), headless("db"),
					slice("db", "a", "10.1.0.1"), slice("web", "a", "10.1.9.9"),
					betaSlice("db", "a", "10.1.0.2"), endpoints("db", "10.1.0.3"),
				)
				inBubble(t, api, func(t *testing.T, r *rig) {
					time.Sleep(2 * steppedDown)
					api.silently(func() { tt.miss(api) })
					api.pass(tt.path)
					r.want(tt.before...)
					time.Sleep(oneAudit)
					r.want(tt.after...)
					r.wantDifferences(1)
					r.wantLists(tt.resource, 2)
					if n := r.log.lines("ERROR", tt.wantLog); n != 1 {
						t.Errorf("%d log lines with %q, want 1", n, tt.wantLog)
					}
					if got := r.audits(tt.resource, "different"); got != 1 {
						t.Errorf("%v audits found it, want 1", got)
					}
					// Later there are no more differences.
					time.Sleep(3 * time.Hour)
					r.wantDifferences(1)
					r.wantLists(tt.resource, 2)
					if got := r.metric("kubedns_api_lists_total"); got != 3 {
						t.Errorf("%v lists, want 3: the other kind needs no other one", got)
					}
				})
			})
		}
	}
}

// If no change was missed, an audit costs one small request for each kind, and finds no difference.
func TestAuditOfSameState(t *testing.T) {
	domains := slice("web", "fqdn")
	domains.AddressType = discoveryv1.AddressTypeFQDN
	domains.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{"www.example.com"}}}
	orphan := slice("web", "orphan", "10.1.0.2")
	orphan.Labels = nil
	nameless := slice("web", "nameless", "10.1.0.3")
	nameless.Labels["kubernetes.io/service-name"] = ""
	api := newFakeAPI("36")
	api.put(clusterIP("web", "10.0.0.1"), headless("db"), externalName("ext", "www.example.com"),
		slice("web", "a", "10.1.9.9"), slice("db", "a", "10.1.0.1"), slice("none", "a", "10.1.0.4"),
		domains, orphan, nameless)
	inBubble(t, api, func(t *testing.T, r *rig) {
		for i := range 20 {
			time.Sleep(time.Hour / 2)
			api.put(slice("db", "a", fmt.Sprintf("10.1.0.%d", i)), headless("web"))
			api.put(clusterIP("web", "10.0.0.1"))
		}
		for _, resource := range []string{"services", "endpoints"} {
			ok, all := r.audits(resource, "ok"), r.audits(resource, "")
			if ok != all || ok < 19 || ok > 40 {
				t.Errorf("%v of %v audits of %s in ten hours are ok, want all of about 27", ok, all, resource)
			}
			r.wantLists(resource, 1)
		}
		r.wantDifferences(0)
		if n := r.log.lines("WARN", "") + r.log.lines("ERROR", ""); n != 0 {
			t.Errorf("%d warnings and errors, want none", n)
		}
		for _, q := range r.api.seen() {
			if isMetadata(q) && (q.Version != "0" || q.Limit != "") {
				t.Errorf("request %+v, want one to the watch cache", q)
			}
		}
	})
}

// A lagging watch has not missed a change yet.
func TestAuditOfLaggingWatch(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("web", "10.0.0.1"), headless("db"), slice("db", "a", "10.1.0.1"), slice("db", "b", "10.1.0.2"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		api.change(func() { api.delayed = slicesPath })
		api.put(slice("db", "a", "10.1.0.3"), slice("db", "c", "10.1.0.4"))
		api.remove(slice("db", "b"))
		time.Sleep(2 * time.Hour)
		if got := r.audits("endpoints", "unclear"); got < 3 || got != r.audits("endpoints", "") {
			t.Errorf("%v of %v audits are unclear, want all of some", got, r.audits("endpoints", ""))
		}
		api.change(func() { api.delayed = "" })
		r.want("db", "10.1.0.3 10.1.0.4")
		r.wantDifferences(0)
		r.wantLists("endpoints", 1)
	})
}

// A deletion has no version to compare: the watch has to pass the list without the object.
func TestAuditOfDeletionNeedsProgress(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("web", "10.0.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		api.silently(func() { api.drop(clusterIP("web", "")) })
		time.Sleep(2 * time.Hour)
		r.wantDifferences(0)
		api.pass(servicesPath)
		time.Sleep(oneAudit)
		r.wantDifferences(1)
		r.want("web", notFound)
	})
}

// An object that changes from one look to the other proves nothing.
func TestAuditOfChangingObject(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("web", "10.0.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		for range 400 {
			api.silently(func() { api.store(clusterIP("web", "10.0.0.2")) })
			api.pass(servicesPath)
			time.Sleep(30 * time.Second)
		}
		r.wantDifferences(0)
		r.wantLists("services", 1)
		if twice := r.count(isMetadata); twice < 15 {
			t.Errorf("%d looks, want two in an audit of Services", twice)
		}
	})
}

// A difference that a relist does not cure is counted each time, and relisted once an hour.
func TestAuditRelistsOnceAnHour(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("web", "10.0.0.1"))
	api.metadata.edit = phantom(servicesPath, "90")
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(10 * time.Hour)
		found := r.metric("kubedns_api_audit_differences_total", "resource=services")
		if found < 18 || found > 40 || found != float64(r.log.lines("ERROR", "shop/phantom: not held")) {
			t.Errorf("found %v times in ten hours, with %d log lines, want each audit to find it",
				found, r.log.lines("ERROR", "shop/phantom"))
		}
		lists := r.metric("kubedns_api_lists_total", "resource=services")
		if relists := r.log.lines("ERROR", "relist=true"); lists < 6 || lists > 11 || lists != float64(1+relists) {
			t.Errorf("%v lists, %d of them logged, want one an hour", lists, relists)
		}
		r.wantLists("endpoints", 1)
	})
}

// A relist at that moment for another reason is as good.
func TestAuditRelistIsDoneOnce(t *testing.T) {
	api := newFakeAPI("20")
	api.put(clusterIP("web", "10.0.0.1"))
	api.metadata.edit = phantom(servicesPath, "90")
	inBubble(t, api, func(t *testing.T, r *rig) {
		looks := 0
		api.change(func() {
			api.before = func(q request) {
				if q.Verb == "list" && q.Path == servicesPath {
					time.Sleep(10 * time.Second)
				}
			}
			api.afterList = func(q request) {
				if !isMetadata(q) || q.Path != servicesPath {
					return
				}
				if looks++; looks == 2 {
					api.change(func() { // so that a watch cannot continue
						api.revision++
						api.forgotten = api.revision
						api.cuts++
					})
					time.Sleep(time.Second) // now they are being listed
				}
			}
		})
		time.Sleep(oneAudit)
		if n := r.log.lines("ERROR", "relist=true"); n != 1 {
			t.Errorf("%d relists logged, want 1", n)
		}
		r.wantLists("services", 2)
	})
}

// Versions that are not numbers cannot be compared.
func TestAuditOfOpaqueVersions(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("web", "10.0.0.1"))
	api.metadata.edit = phantom(servicesPath, "x1")
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(2 * time.Hour)
		r.wantDifferences(0)
		if got := r.audits("services", "unclear"); got < 3 {
			t.Errorf("%v audits are unclear, want all", got)
		}
	})
}

// A server that cannot list only metadata is not audited, which is logged once.
func TestAuditWithoutMetadata(t *testing.T) {
	tests := []struct {
		name   string
		change func(*fakeAPI)
	}{
		{"406", func(a *fakeAPI) { a.metadata.refuse = 406 }},
		{"415", func(a *fakeAPI) { a.metadata.refuse = 415 }},
		{"whole objects", func(a *fakeAPI) { a.metadata.whole = true }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := newFakeAPI("14")
			api.bookmarks = 30 * time.Second
			api.put(clusterIP("web", "10.0.0.1"))
			tt.change(api)
			inBubble(t, api, func(t *testing.T, r *rig) {
				api.silently(func() { api.store(clusterIP("web", "10.0.0.9")) })
				api.pass(servicesPath)
				time.Sleep(5 * time.Hour)
				if n := r.log.lines("INFO", "does not list only metadata"); n != 1 {
					t.Errorf("%d lines about it, want 1", n)
				}
				if got := r.audits("services", "unsupported"); got < 9 || got != r.audits("services", "") {
					t.Errorf("%v of %v audits are unsupported, want all of some", got, r.audits("services", ""))
				}
				if n := r.log.lines("WARN", "") + r.log.lines("ERROR", ""); n != 0 {
					t.Errorf("%d warnings and errors, want none", n)
				}
				if got := r.metric("kubedns_api_errors_total"); got != 0 {
					t.Errorf("%v errors counted, want none", got)
				}
				r.wantDifferences(0)
				// Until the server is upgraded.
				api.change(func() { api.metadata, api.json = metadataAPI{}, false })
				time.Sleep(oneAudit)
				r.wantDifferences(1)
			})
		})
	}
}

func TestAuditFails(t *testing.T) {
	tests := []struct {
		name       string
		metadata   metadataAPI
		wantReason string
	}{
		{"server error", metadataAPI{refuse: 500}, "server_error"},
		{"answer cut off", metadataAPI{cut: 20}, "connection_lost"},
		{"not the whole list", metadataAPI{edit: func(_ string, l *metav1.PartialObjectMetadataList) {
			l.Continue = "more"
		}}, "other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := newFakeAPI("36")
			api.put(clusterIP("web", "10.0.0.1"), headless("db"), slice("db", "a", "10.1.0.1"))
			api.metadata = tt.metadata
			inBubble(t, api, func(t *testing.T, r *rig) {
				time.Sleep(oneAudit)
				failed := r.audits("services", "error")
				if failed < 1 || failed != r.audits("services", "") {
					t.Errorf("%v of %v audits failed, want all", failed, r.audits("services", ""))
				}
				if got := r.metric("kubedns_api_errors_total", "resource=services", "reason="+tt.wantReason); got != failed {
					t.Errorf("%v errors counted as %s, want %v", got, tt.wantReason, failed)
				}
				if r.src.Status().Problem != nil {
					t.Errorf("Problem = %+v, want none: the watches are open", r.src.Status().Problem)
				}
				r.wantDifferences(0)
			})
		})
	}
}

// While changes of one kind do not arrive, differences mean nothing.
func TestAuditWithoutWatch(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("web", "10.0.0.1"), headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		api.change(func() { api.refuseWatch[servicesPath] = 500; api.cuts++ })
		time.Sleep(2 * time.Hour)
		if n := r.count(isMetadata); n != 0 {
			t.Errorf("%d requests for metadata, want none", n)
		}
		for _, resource := range []string{"services", "endpoints"} {
			if got := r.audits(resource, "skipped"); got < 3 || got != r.audits(resource, "") {
				t.Errorf("%v of %v audits of %s were skipped, want all", got, r.audits(resource, ""), resource)
			}
		}
	})
}

// The endpoints' API changes during the list of Endpoints.
func TestAuditDuringStepUp(t *testing.T) {
	api := newFakeAPI("36")
	api.refuse[slicesPath] = 403
	api.put(headless("db"), slice("db", "a", "10.1.0.1"), endpoints("db", "10.1.0.9"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		time.Sleep(steppedDown)
		r.want("db", "10.1.0.9")
		api.change(func() {
			api.afterList = func(q request) {
				if isMetadata(q) && q.Path == endpointsPath {
					api.change(func() { clear(api.refuse) })
					time.Sleep(betterTime)
				}
			}
		})
		time.Sleep(oneAudit + betterTime)
		r.want("db", "10.1.0.1")
		if got := r.audits("endpoints", "skipped"); got != 1 {
			t.Errorf("%v audits of Endpoints were skipped, want the one", got)
		}
		time.Sleep(2 * time.Hour)
		if got := r.audits("endpoints", "ok"); got < 3 {
			t.Errorf("%v audits of slices are ok, want some", got)
		}
		r.wantDifferences(0)
	})
}

// A running audit does not keep a source from stopping.
func TestEndDuringAudit(t *testing.T) {
	api := newFakeAPI("36")
	api.put(clusterIP("web", "10.0.0.1"))
	api.metadata.edit = phantom(servicesPath, "90")
	inBubble(t, api, func(t *testing.T, r *rig) {
		for r.count(isMetadata) == 0 {
			time.Sleep(time.Second)
		}
		r.stop() // between the two looks
	})
}
