package config

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
)

// Dir is a Source that polls a directory with one file per key, such as a mounted ConfigMap. It
// skips directories and names that start with ".".
type Dir struct {
	// Path of the directory.
	Path string
	// Period is the time between two reads. If it is zero or less, the directory is read only once.
	Period time.Duration
	// Reread makes Run read the directory and report it, even unchanged, for each signal, such as
	// SIGHUP. It can be nil.
	Reread <-chan os.Signal
	// TLS accepts servers over TLS, as ParseTLS does.
	TLS bool
}

var _ Source = Dir{}

// settleTime is how long a change in a directory that is no mounted ConfigMap must last. Some
// editors truncate or rename a file before they write it again. Blank and absent mean the default,
// which must not be applied for a moment.
const settleTime = 200 * time.Millisecond

// Run implements Source. It reports invalid content once, but an unreadable directory after each
// Period, so that operators see it. After a read error it reports content even if unchanged.
func (d Dir) Run(ctx context.Context, apply func(Update)) error {
	last, revision := d.read()
	apply(last)
	var tick <-chan time.Time
	if d.Period > 0 {
		ticker := time.NewTicker(d.Period)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-d.Reread:
			last, revision = d.read()
			apply(last)
		case <-tick:
			next, now := d.read()
			if next.Version != last.Version && now == revision {
				if !pause.For(ctx, settleTime) {
					return nil
				}
				next, now = d.read()
			}
			// Neither a read error nor an empty directory has a version.
			if next.unreadable() || last.unreadable() || next.Version != last.Version {
				apply(next)
			}
			last, revision = next, now
		}
	}
}

// unreadable reports whether u is a read error: invalid content has a version.
func (u Update) unreadable() bool { return u.Err != nil && u.Version == "" }

// read also returns the revision of the mounted ConfigMap, "" in other directories.
func (d Dir) read() (u Update, revision string) {
	files, revision, err := readDir(d.Path)
	if err != nil {
		return Update{Err: err}, revision
	}
	u.Version = Version(files)
	if u.Config, err = parse(files, d.TLS); err != nil {
		u.Err = fmt.Errorf("config directory %s: %w", d.Path, err)
	}
	return u, revision
}
