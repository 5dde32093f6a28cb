package kube_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
)

// A stuckZone is a zone with a Publish that waits while it is stuck.
type stuckZone struct {
	*kubedns.Zone
	gate atomic.Pointer[chan struct{}]
}

func (z *stuckZone) Publish() {
	if gate := z.gate.Load(); gate != nil {
		<-*gate
	}
	z.Zone.Publish()
}

func (z *stuckZone) block() {
	gate := make(chan struct{})
	z.gate.Store(&gate)
}

func (z *stuckZone) free() { close(*z.gate.Swap(nil)) }

// startStuck runs a source into a zone that can be stuck.
func startStuck(t *testing.T, api *fakeAPI) (*kube.Source, *stuckZone) {
	t.Helper()
	client, err := kube.NewClientOver(api, nil)
	if err != nil {
		t.Fatal(err)
	}
	src := kube.NewSource(kube.SourceOptions{Client: client})
	zone := &stuckZone{Zone: kubedns.NewZone(kubedns.Options{})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = src.RunInto(ctx, zone)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return src, zone
}

func TestAlive(t *testing.T) {
	tests := []struct {
		name   string
		change func(api *fakeAPI, zone *stuckZone) // while it is stuck
		want   string                              // the final answer for db
	}{
		{
			name: "Service",
			change: func(api *fakeAPI, zone *stuckZone) {
				zone.block()
				api.put(clusterIP("db", "10.0.0.2"))
			},
			want: "10.0.0.2",
		},
		{
			name: "slice",
			change: func(api *fakeAPI, zone *stuckZone) {
				zone.block()
				api.put(slice("web", "a", "10.1.0.2"))
			},
			want: "10.0.0.1",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := newFakeAPI("36")
				api.put(clusterIP("db", "10.0.0.1"), slice("db", "a", "10.1.0.1"), headless("web"))
				src, zone := startStuck(t, api)
				alive := func(when string, want bool) {
					t.Helper()
					synctest.Wait()
					if err := src.Alive(time.Now()); (err == nil) != want {
						t.Errorf("%s: Alive = %v, want alive: %t", when, err, want)
					}
				}
				alive("in the beginning", true)
				time.Sleep(time.Hour)
				alive("after an hour in which nothing changed", true)
				api.change(func() { api.down = true })
				time.Sleep(time.Hour)
				alive("after an hour without API server", true)
				api.change(func() { api.down = false })
				time.Sleep(time.Minute)

				tt.change(api, zone)
				time.Sleep(20 * time.Second)
				api.put(clusterIP("other", "10.0.0.3"))
				time.Sleep(10 * time.Second)
				alive("stuck for 30 s", true)
				time.Sleep(time.Second)
				alive("stuck for 31 s", false)
				zone.free()
				alive("free again", true)
				if got := lookup(t, zone.Zone, "db"); got != tt.want {
					t.Errorf("db = %q, want %q", got, tt.want)
				}
				if got := lookup(t, zone.Zone, "other"); got != "10.0.0.3" {
					t.Errorf("other = %q, want what came last", got)
				}
				time.Sleep(time.Hour)
				alive("an hour later", true)
			})
		})
	}
}

// A source that never ran waits for no change.
func TestAliveBeforeRun(t *testing.T) {
	client, err := kube.NewClientOver(newFakeAPI("36"), nil)
	if err != nil {
		t.Fatal(err)
	}
	src := kube.NewSource(kube.SourceOptions{Client: client})
	if err := src.Alive(time.Now()); err != nil {
		t.Errorf("Alive = %v", err)
	}
}
