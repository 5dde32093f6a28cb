package skydns_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/querylog"
	"github.com/kube-dns/kube-dns/pkg/skydns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
	"github.com/kube-dns/kube-dns/pkg/skydns/internal/udpbatch"
	"github.com/kube-dns/kube-dns/pkg/skydns/upstream"
)

// A recorder passes copies of its entries to a channel.
type recorder chan querylog.Entry

func (r recorder) Put(e *querylog.Entry) { r <- *e }

// TestTap: every kind of reply reaches the query log, with the address of the client.
func TestTap(t *testing.T) {
	other := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		_ = w.WriteMsg(new(dns.Msg).SetRcode(q, dns.RcodeServerFailure))
	}))
	forwarder := upstream.NewForwarder(upstream.Options{All: other.AddrPort()})
	defer forwarder.Close()
	got := make(recorder, 100)
	log := querylog.New(querylog.Options{Always: got})
	s := newServer(t, skydns.Options{Backend: twinZone(), Forwarder: forwarder, Tap: log.Tap()})
	ctx, cancel := context.WithCancel(t.Context())
	sockets, err := skydns.Listen(ctx, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running errgroup.Group
	running.Go(func() error { return s.Run(ctx, sockets) })
	running.Go(func() error { return log.Run(ctx) })
	defer func() {
		cancel()
		if err := running.Wait(); err != nil {
			t.Error(err)
		}
	}()
	want := map[string]bool{}
	for _, q := range []struct {
		name  string
		qtype uint16
		want  string
	}{
		{"Web.ns.svc.cluster.local.", dns.TypeA, "web.ns.svc.cluster.local. A NOERROR fast"},
		{"none.ns.svc.cluster.local.", dns.TypeA, "none.ns.svc.cluster.local. A NXDOMAIN fast"},
		{"Web.ns.svc.cluster.local.", dns.TypeTXT, "web.ns.svc.cluster.local. TXT NOERROR zone"},
		{"*.ns.svc.cluster.local.", dns.TypeA, "*.ns.svc.cluster.local. A NXDOMAIN zone"},
		{"www.example.com.", dns.TypeA, "www.example.com. A SERVFAIL upstream"},
		{"9.0.0.10.in-addr.arpa.", dns.TypePTR, "9.0.0.10.in-addr.arpa. PTR SERVFAIL reverse"},
		{"web.ns.svc.cluster.local.", dns.TypeANY, "web.ns.svc.cluster.local. ANY REFUSED zone"},
	} {
		for _, overTCP := range []bool{false, true} {
			dnstest.Exchange(t, sockets.Addr().String(), dnstest.Query(q.name, q.qtype), overTCP)
			proto := map[bool]string{false: "udp", true: "tcp"}[overTCP]
			want[proto+" "+q.want] = true
		}
	}
	notified := dnstest.Query("web.ns.svc.cluster.local.", dns.TypeA)
	notified.Opcode = dns.OpcodeNotify
	dnstest.Exchange(t, sockets.Addr().String(), notified, false)
	want["udp web.ns.svc.cluster.local. A NOTIMP refused"] = true

	for range len(want) {
		e := <-got
		text := fmt.Sprintf("%s %s %s %s %s", e.Proto(), e.Name, e.TypeText(), e.RcodeText(), e.Path)
		if !want[text] {
			t.Errorf("an entry too many: %s", text)
		}
		delete(want, text)
		reply := new(dns.Msg)
		if err := reply.Unpack(e.Message); err != nil || reply.Rcode != e.Rcode || len(e.Message) != e.Size {
			t.Errorf("%s: the message of %d bytes, want %d: %v, %v", text, len(e.Message), e.Size, reply, err)
		}
		if e.Client.String() != "127.0.0.1" || e.Time.IsZero() || e.Took <= 0 {
			t.Errorf("%s: client %s at %v took %v", text, e.Client, e.Time, e.Took)
		}
	}
	if len(want) > 0 {
		t.Errorf("no entry for %q", slices.Sorted(maps.Keys(want)))
	}
}

// tapBatch returns 32 plain queries.
func tapBatch(t testing.TB) (batch []udpbatch.Packet) {
	t.Helper()
	for i := range 32 {
		msg := new(dns.Msg).SetQuestion([]string{"web.ns.svc.cluster.local.", "ten.ns.svc.cluster.local."}[i%2], dns.TypeA)
		msg.SetEdns0(1232, false)
		raw, err := msg.Pack()
		if err != nil {
			t.Fatal(err)
		}
		batch = append(batch, udpbatch.Packet{Data: raw, Room: make([]byte, 0, udpbatch.MaxPacket)})
	}
	return batch
}

// tapped returns the fast path with a query log that samples a share, or without one for 0.
func tapped(t testing.TB, zone backend.Backend, sample float64) (answer func([]udpbatch.Packet)) {
	t.Helper()
	opts := skydns.Options{Backend: zone}
	if sample > 0 {
		log := querylog.New(querylog.Options{})
		log.Start(querylog.Settings{For: time.Hour, Sample: sample})
		opts.Tap = log.Tap()
		ctx, cancel := context.WithCancel(t.Context())
		var running errgroup.Group
		running.Go(func() error { return log.Run(ctx) })
		t.Cleanup(func() { cancel(); _ = running.Wait() })
	}
	return newServer(t, opts).BatchForTest()
}

// tappedOff returns the fast path with a query log that was switched on and off.
func tappedOff(t testing.TB, zone backend.Backend, batch []udpbatch.Packet) (answer func([]udpbatch.Packet)) {
	t.Helper()
	log := querylog.New(querylog.Options{})
	answer = newServer(t, skydns.Options{Backend: zone, Tap: log.Tap()}).BatchForTest()
	log.Start(querylog.Settings{For: time.Hour, Sample: 1})
	answer(batch)
	if _, picked := log.Tap().Pick(); !picked {
		t.Fatal("the log is not on")
	}
	log.Stop()
	return answer
}

// TestTapAllocations: the fast path allocates nothing without a query log, with one that was
// switched off, and for a query that a log of 1 % skips.
func TestTapAllocations(t *testing.T) {
	zone, batch := twinZone(), tapBatch(t)
	log := querylog.New(querylog.Options{}) // does not run, for its own goroutine may allocate
	s := newServer(t, skydns.Options{Backend: zone, Tap: log.Tap()})
	for name, answer := range map[string]func([]udpbatch.Packet){
		"no log": tapped(t, zone, 0), "a log that is off": s.BatchForTest(), "a log that was on": tappedOff(t, zone, batch),
	} {
		if allocs := testing.AllocsPerRun(100, func() { answer(batch) }); allocs != 0 {
			t.Errorf("%s: %v allocations", name, allocs)
		}
	}
	log.Start(querylog.Settings{For: time.Hour, Sample: 0.01})
	answer, n := s.BatchForTest(), 0
	one := func() { answer(batch[n%len(batch):][:1]); n++ }
	if allocs := testing.AllocsPerRun(10000, one); allocs != 0 {
		t.Errorf("%v allocations for a query with 1 %% sampled, want none", allocs)
	}
	log.Start(querylog.Settings{For: time.Hour, Sample: 1})
	answer = s.BatchForTest()
	for range 1000 { // the buffer is full: it does not grow while allocations are counted
		answer(batch)
	}
	if allocs := testing.AllocsPerRun(100, func() { answer(batch) }); allocs > float64(len(batch)) {
		t.Errorf("%v allocations for %d sampled queries, want one for each name", allocs, len(batch))
	}
}

// BenchmarkTap is the time for a batch of 32 queries, without the sockets. The processor
// time includes that of the query log's own goroutine.
func BenchmarkTap(b *testing.B) {
	for _, sample := range []float64{0, 0.01, 0.1, 1} {
		b.Run(fmt.Sprint("sample=", sample), func(b *testing.B) {
			answer, batch := tapped(b, twinZone(), sample), tapBatch(b)
			b.ReportAllocs()
			before := cpuTime(b)
			for b.Loop() {
				answer(batch)
			}
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/float64(b.N*len(batch)), "cpu-ns/query")
		})
	}
}

// BenchmarkTapRatio compares a query log that was on, and one that samples 1 %, to none. A round
// times each of them in turn, in another order than the round before. The ratios are medians over
// the rounds, because the speed of a machine changes from round to round.
func BenchmarkTapRatio(b *testing.B) {
	const batches = 16 // in a row, so that the clock takes little of the time
	zone, batch := twinZone(), tapBatch(b)
	shapes := []struct {
		name   string
		answer func([]udpbatch.Packet)
		took   []float64 // ns a query, by round
	}{
		{name: "none", answer: tapped(b, zone, 0)},
		{name: "none-again", answer: tapped(b, zone, 0)}, // its ratio is the measurement error
		{name: "off", answer: tappedOff(b, zone, batch)},
		{name: "1%", answer: tapped(b, zone, 0.01)},
	}
	b.ReportAllocs()
	for round := 0; b.Loop(); round++ {
		for i := range shapes {
			s := &shapes[(i+round)%len(shapes)]
			start := time.Now()
			for range batches {
				s.answer(batch)
			}
			s.took = append(s.took, float64(time.Since(start).Nanoseconds())/float64(batches*len(batch)))
		}
	}
	for _, s := range shapes {
		ratios := slices.Clone(s.took)
		for i := range ratios {
			ratios[i] /= shapes[0].took[i]
		}
		b.ReportMetric(median(s.took), s.name+"-ns/query")
		b.ReportMetric(median(ratios), s.name+"/none")
	}
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
