// Package snapshot keeps the objects of a zone in a file, so that a process that starts without its
// API server can answer.
//
// It covers restarts of a container and of a node, where the file survives. A new pod has no file.
package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/kube-dns/kube-dns/internal/atomicfile"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

const (
	// grace is how long a start waits for the source before it uses the file.
	grace = 2 * time.Second
	// endpointsMaxAge limits the use of addresses of headless Services, because pod addresses are
	// reused.
	endpointsMaxAge = time.Hour
	// writeInterval is the minimum time between two writes, and how often the file is confirmed
	// without a write. The pause after a write is at least writeShare times its duration. After a
	// large file it limits the rate to writeRate bytes a second (2.8 GB a day).
	writeInterval = time.Minute
	writeShare    = 100
	writeRate     = 32 << 10
	// clockSkew is how far in the future the time of a file can be. Beyond that its age is unknown.
	clockSkew = time.Minute
	// lookInterval is how often the state is checked. During a start it is startInterval.
	lookInterval  = time.Second
	startInterval = 20 * time.Millisecond
	// stopTimeout is how long a stop waits for the disk.
	stopTimeout = 5 * time.Second
)

// Options configure a Keeper.
type Options struct {
	// Path of the file. Required.
	Path string
	// Zone to keep, and its apex. Required.
	Zone   *kubedns.Zone
	Domain string
	// MaxAge is how old a file may be. 0 means 24 hours.
	MaxAge time.Duration
	// Failing reports whether the source currently cannot list. nil: unknown.
	Failing func() bool
	// Confirmed returns the last time at which the source was being followed. nil: always now.
	Confirmed func(now time.Time) time.Time
	// Log receives state changes; nil discards. Metrics may be nil.
	Log     *slog.Logger
	Metrics *Metrics
}

// A Keeper reads the file at startup, and writes it when the zone changes.
type Keeper struct {
	Options
	since atomic.Pointer[time.Time] // of the stale data in use

	generation uint64 // written last; 0: none
	size       int64  // of the file that was written last
	nextWrite  time.Time
	nextTouch  time.Time
	failing    bool
	lastError  syscall.Errno

	// replace is atomicfile.Write, except in tests.
	replace func(path string, mode fs.FileMode, fill func(io.Writer) error) error
}

// New returns a keeper. Run starts it.
func New(opts Options) (*Keeper, error) {
	if opts.Path == "" || opts.Zone == nil || opts.Domain == "" {
		return nil, errors.New("a snapshot needs a path, a zone and its domain")
	}
	opts.MaxAge = cmp.Or(opts.MaxAge, 24*time.Hour)
	opts.Log = cmp.Or(opts.Log, slog.New(slog.DiscardHandler))
	opts.Metrics = cmp.Or(opts.Metrics, NewMetrics(nil))
	return &Keeper{Options: opts, replace: atomicfile.Write}, nil
}

// StaleSince returns when the data served instead of the source's was last confirmed. It reports
// false if the source's data is served.
func (k *Keeper) StaleSince() (time.Time, bool) {
	if since := k.since.Load(); since != nil && !k.Zone.HasSynced() {
		return *since, true
	}
	return time.Time{}, false
}

// Run reads and keeps the file until ctx is done. File errors are logged and counted, and never
// stop it. A system call on a stuck disk can block forever, so Run then returns without it after a
// few seconds.
func (k *Keeper) Run(ctx context.Context) error {
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		defer close(done)
		k.run(ctx)
	})
	<-ctx.Done()
	select {
	case <-done:
	case <-time.After(stopTimeout):
		k.Log.Error("cannot write the snapshot before the stop: the disk does not answer", "file", k.Path, "after",
			stopTimeout)
	}
	return nil
}

func (k *Keeper) run(ctx context.Context) {
	started := time.Now()
	old, confirmed := k.load()
	ticker := time.NewTicker(startInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			k.keep(time.Now(), true)
			return
		case now := <-ticker.C:
			if k.Zone.HasSynced() {
				old = nil
				k.keep(now, false)
			} else if old != nil && (now.Sub(started) >= grace || k.Failing != nil && k.Failing()) {
				k.serve(old, confirmed)
				old = nil
			}
			if old == nil {
				ticker.Reset(lookInterval)
			}
		}
	}
}

// load reads the file, if it is usable.
func (k *Keeper) load() (*kubedns.Zone, time.Time) {
	z, written, confirmed, err := read(k.Path, k.Domain)
	switch age := time.Since(confirmed); {
	case errors.Is(err, fs.ErrNotExist):
		k.Log.Info("found no snapshot", "file", k.Path)
		return nil, confirmed
	case err == nil && age < -clockSkew:
		err = fmt.Errorf("its time is %s in the future, so its age is not known: check the clock", -age.Round(time.Second))
	case err == nil && age > k.MaxAge:
		err = fmt.Errorf("it was confirmed last %s ago, and --snapshot-max-age is %s", age.Round(time.Second), k.MaxAge)
	}
	if err != nil {
		k.Log.Warn("ignoring the snapshot", "file", k.Path, "err", err)
		k.Metrics.ignored.Inc()
		return nil, confirmed
	}
	k.Metrics.written.Set(float64(written.Unix()))
	k.Metrics.confirmed.Set(float64(confirmed.Unix()))
	return z, confirmed
}

// serve answers from the data of an earlier run until newer data arrives.
func (k *Keeper) serve(old *kubedns.Zone, confirmed time.Time) {
	k.since.Store(&confirmed)
	now := time.Now() // clock changes after this do not matter
	age := now.Sub(confirmed)
	k.Zone.ServeStale(old, now.Add(k.MaxAge-age), now.Add(endpointsMaxAge-age))
	k.Log.Warn("answering from the snapshot: no list from the API server yet",
		"file", k.Path, "confirmed", confirmed.UTC().Format(time.RFC3339))
}

// keep writes the file if the zone changed or the file is gone, else it confirms the file. On
// shutdown it writes immediately.
func (k *Keeper) keep(now time.Time, last bool) {
	if !k.Zone.HasSynced() {
		return
	}
	generation := k.Zone.Generation()
	switch {
	case generation == 0: // no data was ever published
	case generation != k.generation:
		if last || !now.Before(k.nextWrite) {
			k.write(now, generation)
		}
	case last || !now.Before(k.nextTouch):
		k.nextTouch = now.Add(writeInterval)
		if info, err := os.Stat(k.Path); err != nil || info.Size() != k.size {
			k.write(now, generation) // deleted or replaced
			return
		}
		k.report(k.confirm(now))
	}
}

// confirm sets the file's time: its content is still right.
func (k *Keeper) confirm(now time.Time) error {
	at := now
	if k.Confirmed != nil {
		if last := k.Confirmed(now); !last.IsZero() {
			at = last
		}
	}
	k.Metrics.confirmed.Set(float64(at.Unix()))
	return os.Chtimes(k.Path, now, at)
}

func (k *Keeper) write(now time.Time, generation uint64) {
	err := k.replace(k.Path, 0o600, func(w io.Writer) error { return Encode(w, k.Zone, k.Domain, now) })
	if err == nil {
		k.generation = generation
		k.Metrics.written.Set(float64(now.Unix()))
		var info fs.FileInfo
		if info, err = os.Stat(k.Path); err == nil {
			k.size = info.Size()
			err = k.confirm(now)
		}
	}
	pause := max(writeInterval, writeShare*time.Since(now), time.Duration(k.size)*time.Second/writeRate)
	k.nextWrite, k.nextTouch = now.Add(pause), now.Add(writeInterval)
	k.report(err)
}

// report logs a file error, once for each kind.
func (k *Keeper) report(err error) {
	if err == nil {
		if k.failing {
			k.Log.Info("wrote the snapshot again", "file", k.Path)
		}
		k.failing, k.lastError = false, 0
		return
	}
	k.Metrics.failed.Inc()
	errno, _ := errors.AsType[syscall.Errno](err) // error texts name temporary files
	if !k.failing || errno != k.lastError {
		k.Log.Error("cannot write the snapshot: a restart without API server would answer from an older one, or none",
			"file", k.Path, "err", err)
	}
	k.failing, k.lastError = true, errno
}
