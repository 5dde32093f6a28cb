package kube_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// redirect queries for a Service of another cluster and returns the target, which contains the
// cluster's own location.
func redirect(ctx context.Context, z *kubedns.Zone) (string, error) {
	got, err := z.Records(ctx, backend.Query{Name: "web.shop.east.svc.cluster.local.", Type: backend.TypeA, Limit: 10})
	if err != nil || len(got.Records) == 0 {
		return "", err
	}
	return got.Records[0].Host, nil
}

var labelled = map[string]string{
	"topology.kubernetes.io/zone":   "zone-1",
	"topology.kubernetes.io/region": "region-1",
}

func isNodeList(q request) bool { return q.Path == nodesPath }

func TestLocation(t *testing.T) {
	api := newFakeAPI("36")
	for i := range 120 {
		api.put(node(i, map[string]string{"topology.kubernetes.io/zone": "zone-9"}))
	}
	inBubble(t, api, func(t *testing.T, r *rig) {
		r.zone.SetFederations(map[string]string{"east": "example.com"})
		for range 3 {
			if got, err := redirect(t.Context(), r.zone); err == nil ||
				!strings.Contains(err.Error(), "topology.kubernetes.io/zone") {
				t.Errorf("without labels: %q, %v; want an error that names them", got, err)
			}
		}
		if n := r.count(isNodeList); n != 3 {
			t.Errorf("%d pages of nodes, want 3: one list a minute", n)
		}
		api.put(node(60, labelled))
		time.Sleep(59 * time.Second)
		if _, err := redirect(t.Context(), r.zone); err == nil {
			t.Error("nodes were listed again before a minute was over")
		}
		time.Sleep(time.Second)
		const want = "web.shop.east.svc.zone-1.region-1.example.com."
		if got, err := redirect(t.Context(), r.zone); got != want {
			t.Errorf("redirect = %q, %v; want %q", got, err, want)
		}
		if n := r.count(isNodeList); n != 5 {
			t.Errorf("%d pages of nodes, want 5: up to the first node with labels", n)
		}
		api.remove(node(60, nil))
		time.Sleep(time.Hour)
		if got, err := redirect(t.Context(), r.zone); got != want {
			t.Errorf("later: %q, %v; want %q, remembered", got, err, want)
		}
	})
}

func TestLocationForbidden(t *testing.T) {
	api := newFakeAPI("36")
	api.refuse[nodesPath] = 403
	inBubble(t, api, func(t *testing.T, r *rig) {
		r.zone.SetFederations(map[string]string{"east": "example.com"})
		if _, err := redirect(t.Context(), r.zone); err == nil || !strings.Contains(err.Error(), "list nodes") {
			t.Errorf("err = %v, want one that says that nodes cannot be listed", err)
		}
	})
}

// Concurrent queries cause one list. A query that gives up does not stop it.
func TestLocationAskedAtOnce(t *testing.T) {
	api := newFakeAPI("36")
	api.put(node(1, labelled))
	inBubble(t, api, func(t *testing.T, r *rig) {
		r.zone.SetFederations(map[string]string{"east": "example.com"})
		api.change(func() {
			api.before = func(q request) {
				if isNodeList(q) {
					time.Sleep(2 * time.Second)
				}
			}
		})
		var group sync.WaitGroup
		for i := range 10 {
			group.Go(func() {
				timeout := 5 * time.Second
				if i%2 == 0 {
					timeout = time.Second
				}
				ctx, cancel := context.WithTimeout(t.Context(), timeout)
				defer cancel()
				if _, err := redirect(ctx, r.zone); timeout > 2*time.Second && err != nil {
					t.Errorf("redirect: %v", err)
				}
			})
		}
		group.Wait()
		if n := r.count(isNodeList); n != 1 {
			t.Errorf("%d lists of nodes, want 1", n)
		}
	})
}
