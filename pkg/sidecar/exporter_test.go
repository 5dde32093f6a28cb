package sidecar_test

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/chaos"
	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

// fakeDnsmasq has the replies of dnsmasq to one poll.
type fakeDnsmasq struct {
	stats      chaos.Stats
	servers    []chaos.Server
	err        error // of stats and servers
	serversErr error
}

func upstream(addr string, queries, failed uint64) chaos.Server {
	return chaos.Server{Address: netip.MustParseAddrPort(addr), Queries: queries, Failed: failed}
}

// legacy are the series of dnsmasq's five counters and of the failed polls.
func legacy(hits, misses, evictions, insertions, maxSize, errs float64) map[string]float64 {
	return map[string]float64{
		"kubedns_dnsmasq_hits": hits, "kubedns_dnsmasq_misses": misses,
		"kubedns_dnsmasq_evictions": evictions, "kubedns_dnsmasq_insertions": insertions,
		"kubedns_dnsmasq_max_size": maxSize, "kubedns_dnsmasq_errors": errs,
	}
}

func TestExporter(t *testing.T) {
	down := errors.New("connection refused")
	type poll struct {
		name string
		dns  fakeDnsmasq
		want map[string]float64
	}
	queries := func(server string) string { return "kubedns_dnsmasq_upstream_queries_total server=" + server }
	failures := func(server string) string { return "kubedns_dnsmasq_upstream_failures_total server=" + server }
	const one, two = "10.0.0.1:53", "[2001:db8::1]:5353"
	polls := []poll{
		{"dnsmasq is not there yet", fakeDnsmasq{err: down}, legacy(0, 0, 0, 0, 0, 1)},
		{
			"first counters",
			fakeDnsmasq{
				stats:   chaos.Stats{Hits: 10, Misses: 20, Evictions: 3, Insertions: 40, CacheSize: 1000},
				servers: []chaos.Server{upstream(one, 15, 2), upstream(two, 5, 0)},
			},
			join(legacy(10, 20, 3, 40, 1000, 1), map[string]float64{queries(one): 15, failures(one): 2, queries(two): 5,
				failures(two): 0}),
		},
		{
			"growth",
			fakeDnsmasq{
				stats:   chaos.Stats{Hits: 11, Misses: 22, Evictions: 6, Insertions: 44, CacheSize: 1000},
				servers: []chaos.Server{upstream(one, 16, 3), upstream(two, 6, 0)},
			},
			join(legacy(11, 22, 6, 44, 1000, 1), map[string]float64{queries(one): 16, failures(one): 3, queries(two): 6}),
		},
		{"a failed poll changes nothing", fakeDnsmasq{err: down},
			join(legacy(11, 22, 6, 44, 1000, 2), map[string]float64{queries(one): 16})},
		{
			"restart with a smaller cache: what it counted since is added",
			fakeDnsmasq{
				stats:   chaos.Stats{Hits: 2, Misses: 30, Evictions: 0, Insertions: 1, CacheSize: 150},
				servers: []chaos.Server{upstream(one, 20, 1), upstream(two, 1, 0)},
			},
			join(legacy(13, 52, 6, 45, 150, 2), map[string]float64{queries(one): 36, failures(one): 4, queries(two): 7}),
		},
		{
			"growth after it",
			fakeDnsmasq{
				stats:   chaos.Stats{Hits: 3, Misses: 31, Evictions: 1, Insertions: 4, CacheSize: 150},
				servers: []chaos.Server{upstream(one, 21, 1), upstream(two, 1, 0)},
			},
			join(legacy(14, 53, 7, 48, 150, 2), map[string]float64{queries(one): 37, failures(one): 4, queries(two): 7}),
		},
		{
			"reload: the counters of the servers may have changed places",
			fakeDnsmasq{
				stats:   chaos.Stats{Hits: 4, Misses: 32, Evictions: 0, Insertions: 2, CacheSize: 150},
				servers: []chaos.Server{upstream(one, 1, 0), upstream(two, 22, 1)},
			},
			join(legacy(15, 54, 7, 50, 150, 2), map[string]float64{queries(one): 37, failures(one): 4, queries(two): 7}),
		},
		{
			"one query more",
			fakeDnsmasq{
				stats:   chaos.Stats{Hits: 4, Misses: 33, Evictions: 0, Insertions: 2, CacheSize: 150},
				servers: []chaos.Server{upstream(one, 1, 0), upstream(two, 23, 1)},
			},
			join(legacy(15, 55, 7, 50, 150, 2), map[string]float64{queries(one): 37, queries(two): 8}),
		},
		{
			"a server is gone, which only the list shows",
			fakeDnsmasq{
				stats:   chaos.Stats{Hits: 4, Misses: 33, Evictions: 0, Insertions: 2, CacheSize: 150},
				servers: []chaos.Server{upstream(one, 24, 1)},
			},
			join(legacy(15, 55, 7, 50, 150, 2), map[string]float64{queries(one): 37, failures(one): 4, queries(two): -1,
				failures(two): -1}),
		},
		{
			"the server is used again",
			fakeDnsmasq{
				stats:   chaos.Stats{Hits: 4, Misses: 33, Evictions: 0, Insertions: 2, CacheSize: 150},
				servers: []chaos.Server{upstream(one, 24, 1), upstream(two, 0, 0)},
			},
			join(legacy(15, 55, 7, 50, 150, 2), map[string]float64{queries(one): 37, queries(two): 0}),
		},
		{
			"only the upstream servers fail",
			fakeDnsmasq{
				stats:      chaos.Stats{Hits: 5, Misses: 33, Evictions: 0, Insertions: 2, CacheSize: 150},
				serversErr: errors.New("NOTIMP"),
			},
			join(legacy(16, 55, 7, 50, 150, 2), map[string]float64{queries(one): 37,
				"kubedns_dnsmasq_upstream_poll_errors_total": 1}),
		},
		{
			"restart seen while they fail",
			fakeDnsmasq{stats: chaos.Stats{Hits: 1, CacheSize: 150}, serversErr: errors.New("NOTIMP")},
			join(legacy(17, 55, 7, 50, 150, 2), map[string]float64{"kubedns_dnsmasq_upstream_poll_errors_total": 2}),
		},
		{
			"their counters after it; one is no longer in use",
			fakeDnsmasq{
				stats:   chaos.Stats{Hits: 1, CacheSize: 150},
				servers: []chaos.Server{upstream(one, 30, 0)},
			},
			join(legacy(17, 55, 7, 50, 150, 2), map[string]float64{queries(one): 67, queries(two): -1}),
		},
	}
	synctest.Test(t, func(t *testing.T) {
		var (
			fake    atomic.Pointer[fakeDnsmasq]
			counted atomic.Int64 // polls
		)
		s, reg := newServer(t, sidecar.Options{
			Stats: func(context.Context) (chaos.Stats, error) {
				counted.Add(1)
				return fake.Load().stats, fake.Load().err
			},
			Upstreams: func(context.Context) ([]chaos.Server, error) {
				return fake.Load().servers, errors.Join(fake.Load().err, fake.Load().serversErr)
			},
			PollInterval: time.Second,
		})
		wantValues(t, reg, legacy(0, 0, 0, 0, 0, 0))
		fake.Store(&polls[0].dns)
		stop := running(t, s)
		for i, p := range polls {
			synctest.Wait()
			t.Logf("poll %d: %s", counted.Load(), p.name)
			if int(counted.Load()) != i+1 {
				t.Fatalf("%d polls after %d intervals", counted.Load(), i)
			}
			wantValues(t, reg, p.want)
			state := s.Dnsmasq()
			if !state.Polled || (state.Err != "") != (p.dns.err != nil) ||
				time.Since(state.Since) > time.Duration(i)*time.Second {
				t.Errorf("got the state %+v", state)
			}
			if i+1 < len(polls) {
				fake.Store(&polls[i+1].dns)
				time.Sleep(time.Second)
			}
		}
		stop()
	})
}

// The interval counts from the end of a poll, and a stop does not wait for it.
func TestExporterInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked []time.Time
		s, reg := newServer(t, sidecar.Options{
			Stats: func(ctx context.Context) (chaos.Stats, error) {
				asked = append(asked, time.Now())
				select {
				case <-ctx.Done():
				case <-time.After(2 * time.Second):
				}
				return chaos.Stats{}, errors.New("i/o timeout")
			},
			PollInterval: 5 * time.Second,
		})
		stop := running(t, s)
		time.Sleep(22 * time.Second) // in the middle of the fourth poll
		before := time.Now()
		stop()
		if took := time.Since(before); took != 0 {
			t.Errorf("stopping took %v", took)
		}
		if len(asked) != 4 || asked[1].Sub(asked[0]) != 7*time.Second {
			t.Errorf("asked at %v, want 4 times, every 7 seconds", asked)
		}
		wantValues(t, reg, map[string]float64{"kubedns_dnsmasq_errors": 3})
	})
}

func join(a, b map[string]float64) map[string]float64 {
	maps.Copy(a, b)
	return a
}
