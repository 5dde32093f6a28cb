package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
	"github.com/kube-dns/kube-dns/e2e/bench/kubeapi"
	"github.com/kube-dns/kube-dns/e2e/bench/peer"
	"github.com/kube-dns/kube-dns/e2e/bench/report"
)

// The cluster only ever grows: first in Services, then in endpoints.
var (
	growServices  = []float64{1_000, 5_000, 10_000, 20_000}
	growEndpoints = []float64{1_000, 10_000, 50_000, 150_000}
	growSizes     = []int{10, 50, 200, 1_000}
)

// grow measures only kube-dns while the cluster grows, and updates of Services of several sizes.
func (b *bench) grow(ctx context.Context) error {
	kubeconfig, down, err := b.clusterUp(ctx, "grow", nil)
	if err != nil {
		return err
	}
	defer down()
	api, err := kubeapi.New(kubeconfig)
	if err != nil {
		return err
	}
	s := &setup{kubeconfig: kubeconfig, api: api}
	have, headless := 0, dataset.Fifties(int(growEndpoints[0]*b.scale/50))
	for _, size := range growServices {
		n := int(size * b.scale)
		s.Set = dataset.Set{Name: "grow", Prefix: "svc" + strconv.Itoa(n), Services: n - have, FirstIP: have,
			Namespaces: 20, Headless: []dataset.Group{headless}}
		have = n
		if err := b.growTo(ctx, s, "services", s.LoadArgs()); err != nil {
			return err
		}
	}
	for _, n := range growEndpoints[1:] {
		s.Headless = []dataset.Group{dataset.Fifties(int(n * b.scale / 50))}
		if err := b.growTo(ctx, s, "endpoints", [][]string{s.Headless[0].LoadArgs()}); err != nil {
			return err
		}
	}
	return b.growSizes(ctx, s)
}

func (b *bench) growTo(ctx context.Context, s *setup, series string, loads [][]string) error {
	services := s.FirstIP + s.Services
	b.step("grow: %d Services and %d endpoints", services, s.Endpoints())
	if err := b.clusterLoad(ctx, s.kubeconfig, loads); err != nil {
		return err
	}
	r, took, err := b.start(ctx, s, peer.Profiled())
	if err != nil {
		return err
	}
	defer r.Stop()
	point := report.GrowPoint{Series: series, Services: services, Endpoints: s.Endpoints(),
		StartMs: took.Seconds() * 1e3, StartCPU: spent(r)}
	time.Sleep(time.Duration(b.settle * 1e9))
	memory := sum(r.Memory())
	point.RSS, point.Peak = memory.AfterSync, memory.Peak
	if point.Heap, err = liveHeap(ctx, r); err != nil {
		return err
	}
	for range b.turns {
		cost, _, err := updates(ctx, s.api, r, s.Headless[0], 100, 4*time.Second)
		if err != nil {
			return err
		}
		point.UpdateMs = append(point.UpdateMs, cost)
	}
	b.results.Grow = append(b.results.Grow, point)
	return b.save()
}

// growSizes changes one slice of Services with more and more endpoints.
func (b *bench) growSizes(ctx context.Context, s *setup) error {
	var groups []dataset.Group
	var loads [][]string
	for _, n := range growSizes {
		g := dataset.Group{Name: "size" + strconv.Itoa(n), Services: 10, Namespaces: 1, Endpoints: n, SliceSize: 100}
		groups, loads = append(groups, g), append(loads, g.LoadArgs())
	}
	if err := b.clusterLoad(ctx, s.kubeconfig, loads); err != nil {
		return err
	}
	r, _, err := b.start(ctx, s, peer.Profiled())
	if err != nil {
		return err
	}
	defer r.Stop()
	time.Sleep(3 * time.Second)
	for _, g := range groups {
		b.step("grow: updates of Services with %d endpoints", g.Endpoints)
		point := report.UpdatePoint{Endpoints: g.Endpoints, SliceSize: min(g.Endpoints, g.SliceSize)}
		for range b.turns {
			cost, _, err := updates(ctx, s.api, r, g, 50, 3*time.Second)
			if err != nil {
				return err
			}
			point.UpdateMs = append(point.UpdateMs, cost)
		}
		b.results.Updates = append(b.results.Updates, point)
	}
	return b.save()
}

// liveHeap returns the size of kube-dns's heap right after a garbage collection, in MiB.
func liveHeap(ctx context.Context, r *peer.Running) (float64, error) {
	if _, err := get(ctx, "http://localhost:6060/debug/pprof/heap?gc=1"); err != nil {
		return 0, err
	}
	text, err := get(ctx, "http://127.0.0.1:"+r.MetricsPort+"/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, "go_memstats_heap_alloc_bytes "); ok {
			bytes, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return bytes / (1 << 20), err
		}
	}
	return 0, fmt.Errorf("kube-dns has no metric go_memstats_heap_alloc_bytes")
}

func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := new(http.Client).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}
