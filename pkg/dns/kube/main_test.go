package kube_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/dns/kube"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// klog, a dependency of client-go, flushes its files from its first use on.
		goleak.IgnoreTopFunction("k8s.io/klog/v2.(*flushDaemon).run.func1"))
}

// A rig is a Source between a fake API server and a real zone, in a bubble of fake time.
type rig struct {
	t    *testing.T
	api  *fakeAPI
	zone *kubedns.Zone
	src  *kube.Source
	reg  *prometheus.Registry
	log  *syncBuffer
	stop context.CancelFunc
}

// inBubble starts a source on a server and runs test with it. The source must stop after test.
func inBubble(t *testing.T, api *fakeAPI, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &rig{
			t: t, api: api, zone: kubedns.NewZone(kubedns.Options{}),
			reg: prometheus.NewRegistry(), log: &syncBuffer{},
		}
		// Channels belong to the bubble that creates them.
		api.change(func() { api.wake = make(chan struct{}) })
		log := slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		client, err := kube.NewClientOver(api, log)
		if err != nil {
			t.Fatal(err)
		}
		r.src = kube.NewSource(kube.SourceOptions{Client: client, Log: log, Metrics: kube.NewMetrics(r.reg)})
		ctx, cancel := context.WithCancel(t.Context())
		r.stop = cancel
		done := make(chan error, 1)
		go func() { done <- r.src.Run(ctx, r.zone) }()
		defer func() {
			cancel()
			synctest.Wait()
			select {
			case err := <-done:
				if err != nil {
					t.Errorf("Run: %v", err)
				}
			default:
				t.Error("Run did not end with its context")
			}
			if t.Failed() {
				t.Logf("log:\n%s", r.log)
			}
		}()
		synctest.Wait()
		test(t, r)
	})
}

// a returns the addresses of a Service, sorted, or the error.
func (r *rig) a(service string) string {
	r.t.Helper()
	return lookup(r.t, r.zone, service)
}

func lookup(t *testing.T, z *kubedns.Zone, service string) string {
	t.Helper()
	synctest.Wait()
	q := backend.Query{Name: service + "." + ns + ".svc.cluster.local.", Type: backend.TypeA, Limit: 10_000}
	got, err := z.Records(t.Context(), q)
	if err != nil {
		return err.Error()
	}
	var texts []string
	for _, rec := range got.Records {
		if rec.Type == backend.TypeCNAME {
			texts = append(texts, rec.Host)
			continue
		}
		texts = append(texts, rec.Addr.String())
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}

// want checks the answers for several Services: pairs of name and addresses.
func (r *rig) want(pairs ...string) {
	r.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if got := r.a(pairs[i]); got != pairs[i+1] {
			r.t.Errorf("%s = %q, want %q", pairs[i], got, pairs[i+1])
		}
	}
}

// metric returns the sum of a metric's series with the labels given as name=value; for a histogram,
// the number of observations.
func (r *rig) metric(name string, labels ...string) float64 {
	r.t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	var sum float64
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			var has []string
			for _, l := range m.GetLabel() {
				has = append(has, l.GetName()+"="+l.GetValue())
			}
			if !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(has, l) }) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// count returns the number of matching requests.
func (r *rig) count(match func(request) bool) int {
	n := 0
	for _, req := range r.api.seen() {
		if match(req) {
			n++
		}
	}
	return n
}

// syncBuffer is a log that can be read while it is written.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// lines counts the lines of a level, or of any when it is empty, that contain text.
func (b *syncBuffer) lines(level, text string) int {
	n := 0
	for l := range strings.Lines(b.String()) {
		if strings.Contains(l, "level="+level) && strings.Contains(l, text) {
			n++
		}
	}
	return n
}
