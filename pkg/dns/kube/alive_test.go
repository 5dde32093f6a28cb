package kube_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
)

// A stuckZone is one whose Publish waits for free, if that is set.
type stuckZone struct {
	*kubedns.Zone
	free chan struct{}
}

func (z *stuckZone) Publish() []kubedns.Key {
	if z.free != nil {
		<-z.free
	}
	return z.Zone.Publish()
}

func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newFakeAPI("36")
		api.put(clusterIP("web", "10.0.0.1"))
		log := slog.New(slog.DiscardHandler)
		client, err := kube.NewClientOver(api, log)
		if err != nil {
			t.Fatal(err)
		}
		src, err := kube.NewSource(kube.SourceOptions{Client: client})
		if err != nil {
			t.Fatal(err)
		}
		zone := &stuckZone{Zone: kubedns.NewZone(kubedns.Options{})}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = src.RunInto(ctx, zone)
		}()
		defer func() { cancel(); <-done }()
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

		zone.free = make(chan struct{}) // the writer waits for changes, and does not look at it
		api.put(clusterIP("web", "10.0.0.2"))
		synctest.Wait()
		stuck := time.Now()
		time.Sleep(20 * time.Second)
		api.put(clusterIP("web", "10.0.0.3"))
		time.Sleep(10 * time.Second)
		alive("stuck for 30 s", true)
		time.Sleep(time.Second)
		alive("stuck for 31 s", false)
		if err := src.Alive(stuck); err != nil {
			t.Errorf("Alive of an earlier moment = %v", err)
		}
		free := zone.free
		zone.free = nil
		close(free)
		alive("free again", true)
		if got := lookup(t, zone.Zone, "web"); got != "10.0.0.3" {
			t.Errorf("web = %q, want what came last", got)
		}
		time.Sleep(time.Hour)
		alive("an hour later", true)
	})
}
