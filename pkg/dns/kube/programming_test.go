package kube_test

import (
	"maps"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	kruntime "k8s.io/apimachinery/pkg/runtime"
)

// triggered dates the change that an object was written for, as controllers do.
func triggered[T kruntime.Object](o T, at string) T {
	m, _ := meta.Accessor(o)
	annotations := maps.Clone(m.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{"note": "other"}
	}
	annotations[corev1.EndpointsLastChangeTriggerTime] = at
	m.SetAnnotations(annotations)
	return o
}

func ago(d time.Duration) string { return time.Now().Add(-d).UTC().Format(time.RFC3339Nano) }

// programming returns the number of measured changes, and the sum of their durations.
func (r *rig) programming() (n uint64, seconds float64) {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "kubedns_dns_programming_duration_seconds" {
			for _, m := range f.GetMetric() {
				if l := m.GetLabel(); len(l) != 1 || l[0].GetName() != "service_kind" ||
					l[0].GetValue() != "headless_with_selector" {
					r.t.Errorf("labels = %v", l)
				}
				n, seconds = m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum()
			}
		}
	}
	return n, seconds
}

// The latency of a change of endpoints is measured when it is published, for every API and
// encoding.
func TestProgrammingDuration(t *testing.T) {
	type object func(service, ip string) kruntime.Object
	slices := func(service, ip string) kruntime.Object { return slice(service, "a", ip) }
	tests := []struct {
		name   string
		minor  string
		json   bool
		refuse map[string]int
		object object
	}{
		{"slices", "36", false, nil, slices},
		{"slices in JSON", "36", true, nil, slices},
		{"slices in pages", "30", false, nil, slices},
		{"beta slices", "20", false, map[string]int{slicesPath: 404},
			func(service, ip string) kruntime.Object { return betaSlice(service, "a", ip) }},
		{"Endpoints", "36", false, map[string]int{slicesPath: 403},
			func(service, ip string) kruntime.Object { return endpoints(service, ip) }},
		{"Endpoints in JSON", "36", true, map[string]int{slicesPath: 403},
			func(service, ip string) kruntime.Object { return endpoints(service, ip) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := newFakeAPI(tt.minor)
			api.json, api.refuse = tt.json, map[string]int{}
			maps.Copy(api.refuse, tt.refuse)
			api.put(headless("db"), clusterIP("web", "10.0.0.1"), triggered(tt.object("db", "10.1.0.1"), "2020-01-01T00:00:00Z"))
			inBubble(t, api, func(t *testing.T, r *rig) {
				time.Sleep(steppedDown)
				r.want("db", "10.1.0.1")
				want := func(step string, count uint64, seconds float64) {
					t.Helper()
					if n, sum := r.programming(); n != count || sum != seconds {
						t.Errorf("%s: %d changes in %v s, want %d in %v s", step, n, sum, count, seconds)
					}
				}
				want("first list", 0, 0)
				change := func(service, ip, at string) {
					t.Helper()
					o := tt.object(service, ip)
					if at != "" {
						o = triggered(o, at)
					}
					api.put(o)
					r.want("db", "10.1.0.2")
				}
				change("db", "10.1.0.2", ago(1500*time.Millisecond))
				want("changed", 1, 1.5)
				change("db", "10.1.0.2", ago(time.Hour))
				want("changed in nothing that is published", 1, 1.5)
				change("web", "10.1.0.9", ago(time.Hour))
				want("endpoints of a ClusterIP", 1, 1.5)

				for _, at := range []string{"", "yesterday", ago(-time.Hour)} {
					api.put(triggered(tt.object("db", "10.1.0.3"), at))
					r.want("db", "10.1.0.3")
					change("db", "10.1.0.2", "")
				}
				want("no time, none that is valid, one in the future", 1, 1.5)

				api.put(triggered(tt.object("db", "10.1.0.4"), ago(2*time.Second)))
				r.want("db", "10.1.0.4")
				want("changed again", 2, 3.5)
				api.remove(tt.object("db", ""))
				r.want("db", notFound)
				want("deleted", 2, 3.5)
			})
		})
	}
}

// A relist is not measured: its changes are of any age.
func TestProgrammingDurationOfRelist(t *testing.T) {
	api := newFakeAPI("36")
	api.put(headless("db"), slice("db", "a", "10.1.0.1"))
	inBubble(t, api, func(t *testing.T, r *rig) {
		r.want("db", "10.1.0.1")
		api.change(func() { api.down = true })
		time.Sleep(time.Minute)
		api.put(triggered(slice("db", "a", "10.1.0.2"), ago(time.Hour)))
		api.forget()
		api.change(func() { api.down = false })
		time.Sleep(time.Minute)
		r.want("db", "10.1.0.2")
		if n, _ := r.programming(); n != 0 {
			t.Errorf("%d changes measured, want none of a list", n)
		}
	})
}
