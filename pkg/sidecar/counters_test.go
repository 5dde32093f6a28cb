package sidecar

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
)

func TestIncrease(t *testing.T) {
	type stats = chaos.Stats
	const top = 1<<32 - 10
	tests := []struct {
		name        string
		before, now stats
		want        stats
		wantEvent   event
	}{
		{
			"first poll",
			stats{}, stats{Hits: 5, Misses: 4, Evictions: 3, Insertions: 2, CacheSize: 1000},
			stats{Hits: 5, Misses: 4, Evictions: 3, Insertions: 2, CacheSize: 1000}, nothing,
		},
		{
			"growth",
			stats{Hits: 5, Misses: 4, Evictions: 3, Insertions: 2, CacheSize: 1000},
			stats{Hits: 15, Misses: 5, Evictions: 3, Insertions: 4, CacheSize: 1000},
			stats{Hits: 10, Misses: 1, Evictions: 0, Insertions: 2, CacheSize: 1000}, nothing,
		},
		{
			"smaller cache",
			stats{CacheSize: 1000}, stats{CacheSize: 150},
			stats{CacheSize: 150}, nothing,
		},
		{
			"restart",
			stats{Hits: 500, Misses: 400, Evictions: 300, Insertions: 200},
			stats{Hits: 5, Misses: 4, Evictions: 3, Insertions: 2},
			stats{Hits: 5, Misses: 4, Evictions: 3, Insertions: 2}, restart,
		},
		{
			"restart, and some counters overtook their old values",
			stats{Hits: 500, Misses: 4, Evictions: 0, Insertions: 2},
			stats{Hits: 5, Misses: 40, Evictions: 3, Insertions: 20},
			stats{Hits: 5, Misses: 40, Evictions: 3, Insertions: 20}, restart,
		},
		{
			"restart to zero",
			stats{Hits: 500, Misses: 4}, stats{},
			stats{}, restart,
		},
		{
			"reload: the counters of the cache begin again, the others go on",
			stats{Hits: 500, Misses: 400, Evictions: 3, Insertions: 200},
			stats{Hits: 510, Misses: 401, Evictions: 0, Insertions: 1},
			stats{Hits: 10, Misses: 1, Evictions: 0, Insertions: 1}, reload,
		},
		{
			"reload, and the evictions overtook their old value",
			stats{Hits: 500, Misses: 400, Evictions: 3, Insertions: 200},
			stats{Hits: 510, Misses: 401, Evictions: 5, Insertions: 100},
			stats{Hits: 10, Misses: 1, Evictions: 5, Insertions: 100}, reload,
		},
		{
			"a counter passes 32 bits",
			stats{Hits: top, Misses: 4_000_000_000, Evictions: 1, Insertions: top},
			stats{Hits: 20, Misses: 4_000_000_001, Evictions: 1, Insertions: 5},
			stats{Hits: 30, Misses: 1, Evictions: 0, Insertions: 15}, nothing,
		},
		{
			"restart of a dnsmasq that counted to the top",
			stats{Hits: top, Misses: 100}, stats{Hits: 20, Misses: 1},
			stats{Hits: 20, Misses: 1}, restart,
		},
		{
			"restart of a dnsmasq that counts beyond 32 bits",
			stats{Hits: 1 << 40, Misses: 100}, stats{Hits: 1<<32 + 1, Misses: 100},
			stats{Hits: 1<<32 + 1, Misses: 100}, restart,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, happened := increase(tt.before, tt.now)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("increase (-want +got):\n%s", diff)
			}
			if happened != tt.wantEvent {
				t.Errorf("event is %d, want %d", happened, tt.wantEvent)
			}
		})
	}
}
