package config

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
)

// Dir is a Source that polls a directory with one file for each key, such as a mounted
// ConfigMap. It skips directories and names that begin with ".".
type Dir struct {
	// Path of the directory.
	Path string
	// Period is the time between two reads. If it is zero or less, the directory is
	// read only once.
	Period time.Duration
	// Reread makes Run read the directory and report it, even unchanged, for each
	// signal, such as SIGHUP. It may be nil.
	Reread <-chan os.Signal
}

var _ Source = Dir{}

// settleTime is how long a blank file may be one that an editor has truncated and not
// written yet. Blank means the default, which must not be applied for a moment.
const settleTime = 200 * time.Millisecond

// Run implements Source. It reports invalid content once, but an unreadable directory
// after each Period, so that operators see it. It reports content after a read error even
// if it is the same as before.
func (d Dir) Run(ctx context.Context, apply func(Update)) error {
	last := d.read()
	apply(last.Update)
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
			last = d.read()
			apply(last.Update)
		case <-tick:
			// Neither a read error nor an empty directory has a version.
			next := d.read()
			if next.blank && next.Version != last.Version {
				if !pause.For(ctx, settleTime) {
					return nil
				}
				next = d.read()
			}
			if next.unreadable() || last.unreadable() || next.Version != last.Version {
				apply(next.Update)
			}
			last = next
		}
	}
}

// unreadable reports whether u is a read error: invalid content has a version.
func (u Update) unreadable() bool { return u.Err != nil && u.Version == "" }

// A reading is an Update, and whether a file was blank.
type reading struct {
	Update
	blank bool
}

func (d Dir) read() reading {
	files, version, err := readDir(d.Path)
	if err != nil {
		return reading{Update: Update{Err: err}}
	}
	r := reading{Update: Update{Version: version}}
	for _, text := range files {
		r.blank = r.blank || strings.TrimSpace(text) == ""
	}
	if r.Config, err = Parse(files); err != nil {
		r.Err = fmt.Errorf("config directory %s: %w", d.Path, err)
	}
	return r
}
