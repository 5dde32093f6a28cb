package snapshot

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/kube-dns/kube-dns/internal/atomicfile"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
	"github.com/kube-dns/kube-dns/pkg/skydns/backend"
)

// A disk writes files when it is allowed to.
type disk struct {
	stuck  chan struct{} // nil: not stuck; a write waits until it is closed
	err    atomic.Pointer[error]
	writes atomic.Int32
}

func (d *disk) replace(path string, mode fs.FileMode, fill func(io.Writer) error) error {
	n := d.writes.Add(1)
	if err := d.err.Load(); err != nil {
		return &fs.PathError{Op: "open", Path: path + fmt.Sprint(n), Err: *err}
	}
	err := atomicfile.Write(path, mode, fill)
	if d.stuck != nil {
		<-d.stuck // as fsync does
	}
	return err
}

// A logBuffer is safe for the test and the keeper.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// onDisk runs a keeper of a synced zone, on a disk that can be stuck.
func onDisk(t *testing.T, stuck bool, test func(d *disk, k *Keeper, stop func(), stopped <-chan struct{},
	log *logBuffer)) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var log logBuffer
		d := &disk{}
		if stuck {
			d.stuck = make(chan struct{})
		}
		z := kubedns.NewZone(kubedns.Options{})
		k, err := New(Options{
			Path: filepath.Join(dir, "snapshot"), Zone: z, Domain: "cluster.local.",
			Log: slog.New(slog.NewTextHandler(&log, nil)), Metrics: NewMetrics(prometheus.NewRegistry()),
		})
		if err != nil {
			t.Fatal(err)
		}
		k.replace = d.replace
		setAddr(z, 1)
		z.MarkSynced()
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			if err := k.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		time.Sleep(2 * time.Second)
		test(d, k, cancel, stopped, &log)
		cancel()
		<-stopped
	})
}

func setAddr(z *kubedns.Zone, n byte) {
	key := kubedns.Key{Namespace: "ns", Name: "web"}
	z.SetService(kubedns.Service{Key: key, ClusterIPs: []netip.Addr{netip.AddrFrom4([4]byte{10, 0, 0, n})}})
	z.Publish()
}

// A hung write delays neither changes nor queries, and the stop only briefly.
func TestKeeperOnAStuckDisk(t *testing.T) {
	onDisk(t, true, func(d *disk, k *Keeper, stop func(), stopped <-chan struct{}, log *logBuffer) {
		for n := range byte(100) {
			setAddr(k.Zone, n)
			a, err := k.Zone.Records(t.Context(), backend.Query{Name: "web.ns.svc.cluster.local.", Type: backend.TypeA,
				Limit: 1})
			if err != nil || len(a.Records) != 1 || a.Records[0].Addr.As4()[3] != n {
				t.Fatalf("got %v, %v while a write hangs, want address %d", a.Records, err, n)
			}
			if _, stale := k.StaleSince(); stale || k.Zone.Status() != backend.Ready {
				t.Fatalf("status %v while a write hangs, want ready", k.Zone.Status())
			}
		}
		time.Sleep(time.Hour)
		if d.writes.Load() != 1 {
			t.Errorf("%d writes were begun while one hangs, want 1", d.writes.Load())
		}
		stop()
		<-stopped // a deadlock, if the stop waits for the disk
		if !strings.Contains(log.String(), "cannot write the snapshot before the stop") {
			t.Errorf("the stop without a last write is not in the log:\n%s", log)
		}
		close(d.stuck)
	})
}

// A slow write is followed by a pause a hundred times as long.
func TestKeeperOnASlowDisk(t *testing.T) {
	onDisk(t, true, func(d *disk, k *Keeper, _ func(), _ <-chan struct{}, _ *logBuffer) {
		time.Sleep(8 * time.Second) // it started less than 2 s ago
		setAddr(k.Zone, 2)
		close(d.stuck)
		time.Sleep(12 * time.Minute)
		if d.writes.Load() != 1 {
			t.Errorf("%d writes in the pause after a slow one, want 1", d.writes.Load())
		}
		time.Sleep(6 * time.Minute)
		if d.writes.Load() != 2 {
			t.Errorf("%d writes after the pause, want 2", d.writes.Load())
		}
	})
}

// A disk that refuses writes is reported once for each kind of error, counted each time, and used
// again after it recovers.
func TestKeeperOnAFullDisk(t *testing.T) {
	onDisk(t, false, func(d *disk, k *Keeper, _ func(), _ <-chan struct{}, log *logBuffer) {
		const message = "cannot write the snapshot: "
		for i, err := range []error{syscall.EROFS, syscall.ENOSPC, syscall.EIO} {
			d.err.Store(&err)
			setAddr(k.Zone, byte(i+2))
			time.Sleep(10 * time.Minute)
			if n := strings.Count(log.String(), message); n != i+1 || !strings.Contains(log.String(), err.Error()) {
				t.Errorf("%v: %d errors in the log, want %d:\n%s", err, n, i+1, log)
			}
		}
		if n := testutil.ToFloat64(k.Metrics.failed); n < 25 || int32(n) != d.writes.Load()-1 {
			t.Errorf("%v errors were counted, and %d writes failed", n, d.writes.Load()-1)
		}
		if k.Zone.Status() != backend.Ready {
			t.Errorf("status %v, want ready", k.Zone.Status())
		}
		d.err.Store(nil)
		time.Sleep(2 * time.Minute)
		if !strings.Contains(log.String(), "wrote the snapshot again") {
			t.Errorf("the first good write is not in the log:\n%s", log)
		}
	})
}
