package dnstap_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tap "github.com/dnstap/golang-dnstap"
	"github.com/miekg/dns"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/kube-dns/kube-dns/pkg/querylog"
	"github.com/kube-dns/kube-dns/pkg/querylog/dnstap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type counter struct{ atomic.Int64 }

func (c *counter) Inc() { c.Add(1) }

// start runs an output until stop is called.
func start(t *testing.T, target dnstap.Target, maxFile int, log io.Writer) (o *dnstap.Output, dropped *counter,
	stop func()) {
	t.Helper()
	dropped = new(counter)
	o = dnstap.New(dnstap.Options{
		Target: target, Identity: "pod", Version: "v1", Dropped: dropped, Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	o.SetForTest(5*time.Millisecond, maxFile)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := o.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return o, dropped, stop
}

func example(t *testing.T, id uint16) *querylog.Entry {
	t.Helper()
	reply := new(dns.Msg).SetQuestion("web.prod.svc.cluster.local.", dns.TypeA)
	reply.Id, reply.Response = id, true
	packed, err := reply.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return &querylog.Entry{
		Time: time.Unix(1_700_000_000, 999_000_000), Took: 2 * time.Millisecond, Client: netip.MustParseAddr("192.0.2.7"),
		TCP: true, Path: querylog.Fast, Message: packed,
	}
}

func decode(t *testing.T, frame []byte) *tap.Dnstap {
	t.Helper()
	d := new(tap.Dnstap)
	if err := proto.Unmarshal(frame, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// collect accepts one connection and returns its frames.
func collect(t *testing.T, path string) (frames chan []byte, closeAll func()) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	frames = make(chan []byte, 10_000)
	var reading sync.WaitGroup
	reading.Go(func() {
		in, err := tap.NewFrameStreamInput(conn, true)
		if err != nil {
			t.Error(err)
			return
		}
		in.ReadInto(frames)
	})
	return frames, func() {
		_, _ = ln.Close(), conn.Close()
		reading.Wait()
	}
}

// TestCollectorComesAndGoes: frames arrive after a collector starts, and after it restarts. In
// between, no caller blocks.
func TestCollectorComesAndGoes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tap.sock")
	var log bytes.Buffer
	o, _, stop := start(t, dnstap.Target("unix:"+path), 0, &log)
	fed, entry := make(chan struct{}), example(t, 7)
	var feeding sync.WaitGroup
	feeding.Go(func() {
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				o.Put(entry)
			case <-fed:
				return
			}
		}
	})
	for range 2 {
		frames, closeCollector := collect(t, path)
		d := decode(t, <-frames)
		m := d.GetMessage()
		reply := new(dns.Msg)
		err := reply.Unpack(m.GetResponseMessage())
		if err != nil || reply.Id != 7 || string(d.GetIdentity()) != "pod" || string(d.GetExtra()) != "path=fast" ||
			m.GetType() != tap.Message_CLIENT_RESPONSE || m.GetSocketProtocol() != tap.SocketProtocol_TCP ||
			m.GetSocketFamily() != tap.SocketFamily_INET || !net.IP(m.GetQueryAddress()).Equal(net.IPv4(192, 0, 2, 7)) ||
			m.GetQueryTimeSec() != 1_700_000_000 || m.GetQueryTimeNsec() != 999_000_000 ||
			m.GetResponseTimeSec() != 1_700_000_001 || m.GetResponseTimeNsec() != 1_000_000 {
			t.Errorf("got %v, %v", d, err)
		}
		closeCollector()
	}
	close(fed)
	feeding.Wait()
	stop()
	warnings, again := strings.Count(log.String(), "level=WARN"), strings.Count(log.String(), "again")
	if warnings == 0 || warnings > 3 || again == 0 {
		t.Errorf("%d warnings, want one for each time that the collector was away:\n%s", warnings, log.String())
	}
}

// TestAbsentCollector: entries without a collector are dropped and counted.
func TestAbsentCollector(t *testing.T) {
	o, dropped, stop := start(t, dnstap.Target("unix:"+filepath.Join(t.TempDir(), "none.sock")), 0, io.Discard)
	for i := range 5000 {
		o.Put(example(t, uint16(i)))
	}
	stop()
	if n := dropped.Load(); n != 5000-4096 {
		t.Errorf("%d dropped, want %d", n, 5000-4096)
	}
}

// TestFile: each run and each full file start a new file, and one old file remains.
func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "queries.tap")
	count := func(path string) (n int) {
		t.Helper()
		file, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		in, err := tap.NewFrameStreamInput(file, false)
		if err != nil {
			t.Fatal(err)
		}
		frames := make(chan []byte, 10_000)
		in.ReadInto(frames)
		close(frames)
		for frame := range frames {
			decode(t, frame)
			n++
		}
		return n
	}
	waitFor := func(path string, least, most int64) {
		for {
			if info, err := os.Stat(path); err == nil && info.Size() >= least && info.Size() < most {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}
	for run, n := range []int{3, 5} {
		o, _, stop := start(t, dnstap.Target("file:"+path), 1<<20, io.Discard)
		if run > 0 {
			waitFor(path+".1", 1, 1<<20)
		}
		waitFor(path, 1, 1<<20)
		for i := range n {
			o.Put(example(t, uint16(i)))
		}
		stop()
		if got := count(path); got != n {
			t.Errorf("%d entries in the file, want %d", got, n)
		}
	}
	if got := count(path + ".1"); got != 3 {
		t.Errorf("%d entries in the old file, want 3", got)
	}

	o, dropped, stop := start(t, dnstap.Target("file:"+path), 1000, io.Discard)
	for i := range 100 {
		o.Put(example(t, uint16(i)))
	}
	waitFor(path+".1", 1000, 1300)
	stop()
	if old := count(path + ".1"); old == 0 || old > 10 || dropped.Load() != 0 {
		t.Errorf("%d entries in an old file of 1000 bytes, %d dropped", old, dropped.Load())
	}
}

func TestParseTarget(t *testing.T) {
	for text, ok := range map[string]bool{
		"": true, "unix:/run/tap.sock": true, "file:/var/log/queries.tap": true,
		"unix:tap.sock": false, "tcp:192.0.2.1:6000": false, "/run/tap.sock": false, "file:": false,
	} {
		if got, err := dnstap.ParseTarget(text); (err == nil) != ok || ok && string(got) != text {
			t.Errorf("ParseTarget(%q) = %q, %v", text, got, err)
		}
	}
}
