package kube_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
)

// updates collects the updates of a ConfigMap.
type updates struct {
	mu   sync.Mutex
	list []config.Update
}

func (u *updates) apply(up config.Update) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, up)
}

// take returns a line for each update since the last call.
func (u *updates) take() []string {
	synctest.Wait()
	u.mu.Lock()
	defer u.mu.Unlock()
	var lines []string
	for _, up := range u.list {
		switch {
		case up.Err != nil:
			lines = append(lines, "error "+up.Version)
		case up.Version == "":
			lines = append(lines, "defaults")
		default:
			line := "version " + up.Version
			for _, s := range up.Config.Upstreams {
				line += " " + s.String()
			}
			lines = append(lines, line)
		}
	}
	u.list = nil
	return lines
}

func (u *updates) want(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, u.take()); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
}

func watchConfigMap(t *testing.T, api *fakeAPI, test func(t *testing.T, u *updates)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		api.change(func() { api.wake = make(chan struct{}) })
		client, err := kube.NewClientOver(api, nil)
		if err != nil {
			t.Fatal(err)
		}
		source, err := kube.NewConfigMap(kube.ConfigMapOptions{Client: client, Name: "kube-dns"})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		u := &updates{}
		done := make(chan error, 1)
		go func() { done <- source.Run(ctx, u.apply) }()
		defer func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		}()
		test(t, u)
	})
}

var _ config.Source = (*kube.ConfigMap)(nil)

func upstreams(ip string) map[string]string {
	return map[string]string{"upstreamNameservers": `["` + ip + `"]`, "unknown": "ignored"}
}

func TestConfigMap(t *testing.T) {
	api := newFakeAPI("36")
	api.put(newConfigMap("kube-dns", upstreams("192.0.2.1"))) // version 101
	watchConfigMap(t, api, func(t *testing.T, u *updates) {
		u.want(t, "version 101 192.0.2.1:53")
		// Other objects are ignored.
		api.put(newConfigMap("other", upstreams("192.0.2.9")))
		api.remove(newConfigMap("other", nil))
		u.want(t)
		api.put(newConfigMap("kube-dns", upstreams("192.0.2.2")))
		u.want(t, "version 104 192.0.2.2:53")
		api.put(newConfigMap("kube-dns", upstreams("bogus")))
		u.want(t, "error 105")
		api.put(newConfigMap("kube-dns", nil))
		u.want(t, "defaults")
		api.put(newConfigMap("kube-dns", upstreams("192.0.2.3")))
		api.remove(newConfigMap("kube-dns", nil))
		u.want(t, "version 107 192.0.2.3:53", "defaults")
		api.put(newConfigMap("kube-dns", upstreams("192.0.2.4")))
		u.want(t, "version 109 192.0.2.4:53")

		for _, q := range api.seen() {
			if q.Path == configMapsPath && q.Verb != "get" && q.Selector != "metadata.name=kube-dns" {
				t.Errorf("request %+v is not restricted to the named object", q)
			}
		}
	})
}

// A server that ignores the selector sends the events of all objects.
func TestConfigMapSelectorIgnored(t *testing.T) {
	api := newFakeAPI("36")
	api.ignoresSelectors = true
	api.put(newConfigMap("kube-dns", upstreams("192.0.2.1")), newConfigMap("other", upstreams("192.0.2.9")))
	watchConfigMap(t, api, func(t *testing.T, u *updates) {
		u.want(t, "version 101 192.0.2.1:53")
		api.put(newConfigMap("other", upstreams("192.0.2.8")))
		api.remove(newConfigMap("other", nil))
		u.want(t)
	})
}

func TestConfigMapAbsent(t *testing.T) {
	api := newFakeAPI("36")
	watchConfigMap(t, api, func(t *testing.T, u *updates) {
		u.want(t, "defaults")
		api.put(newConfigMap("kube-dns", upstreams("192.0.2.1")))
		u.want(t, "version 101 192.0.2.1:53")
	})
}

// A list finds changes and deletions that a broken watch missed.
func TestConfigMapWatchBroken(t *testing.T) {
	api := newFakeAPI("36")
	api.put(newConfigMap("kube-dns", upstreams("192.0.2.1")))
	watchConfigMap(t, api, func(t *testing.T, u *updates) {
		u.take()
		time.Sleep(time.Minute)
		api.change(func() { api.down = true })
		synctest.Wait()
		api.remove(newConfigMap("kube-dns", nil))
		api.forget()
		time.Sleep(10 * time.Second)
		u.want(t) // a server restart is not reported
		api.change(func() { api.down = false })
		time.Sleep(20 * time.Second)
		u.want(t, "defaults")
	})
}

// A change that the watch has silently missed is found.
func TestConfigMapMissedChange(t *testing.T) {
	api := newFakeAPI("36")
	api.put(newConfigMap("kube-dns", upstreams("192.0.2.1")))
	watchConfigMap(t, api, func(t *testing.T, u *updates) {
		u.want(t, "version 101 192.0.2.1:53")
		api.silently(func() { api.store(newConfigMap("kube-dns", upstreams("192.0.2.2"))) })
		time.Sleep(oneAudit)
		u.want(t, "version 102 192.0.2.2:53")
		time.Sleep(3 * time.Hour)
		u.want(t)
	})
}

func TestConfigMapServerAway(t *testing.T) {
	api := newFakeAPI("36")
	api.put(newConfigMap("kube-dns", upstreams("192.0.2.1")))
	api.down = true
	watchConfigMap(t, api, func(t *testing.T, u *updates) {
		u.want(t, "error ")
		time.Sleep(3 * time.Minute)
		if n := len(u.take()); n < 2 || n > 3 {
			t.Errorf("%d errors in three minutes, want one a minute", n)
		}
		api.change(func() { api.down = false })
		time.Sleep(10 * time.Second)
		u.want(t, "version 101 192.0.2.1:53")

		// A long outage without a change is reported at its end, too, so that an alarm can clear.
		api.change(func() { api.down = true })
		time.Sleep(90 * time.Second)
		u.want(t, "error ")
		api.change(func() { api.down = false })
		time.Sleep(10 * time.Second)
		u.want(t, "version 101 192.0.2.1:53")
	})
}

// The first read must not keep a server from starting.
func TestConfigMapServerHangs(t *testing.T) {
	api := newFakeAPI("36")
	watchConfigMap(t, api, func(t *testing.T, u *updates) {
		u.take()
	})
	api = newFakeAPI("36")
	api.hangs = true
	watchConfigMap(t, api, func(t *testing.T, u *updates) {
		time.Sleep(3*time.Second + time.Millisecond)
		u.want(t, "error ")
	})
}

func TestConfigMapForbidden(t *testing.T) {
	api := newFakeAPI("36")
	api.refuse[configMapsPath] = 403
	watchConfigMap(t, api, func(t *testing.T, u *updates) {
		synctest.Wait()
		u.mu.Lock()
		defer u.mu.Unlock()
		if len(u.list) != 1 || u.list[0].Err == nil {
			t.Fatalf("updates = %v, want one error", u.list)
		}
		for _, want := range []string{"kube-system/kube-dns", "list and watch configmaps"} {
			if got := u.list[0].Err.Error(); !strings.Contains(got, want) {
				t.Errorf("error %q does not contain %q", got, want)
			}
		}
	})
}

func TestConfigMapOptions(t *testing.T) {
	client, err := kube.NewClientOver(newFakeAPI("36"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kube.NewConfigMap(kube.ConfigMapOptions{Client: client}); err == nil {
		t.Error("a source without a name was made")
	}
	if _, err := kube.NewConfigMap(kube.ConfigMapOptions{Name: "kube-dns"}); err == nil {
		t.Error("a source without a client was made")
	}
}
