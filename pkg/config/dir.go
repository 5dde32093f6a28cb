package config

import (
	"context"
	"fmt"
	"os"
	"slices"
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
	// TLS accepts servers over TLS, as ParseTLS does.
	TLS bool
}

var _ Source = Dir{}

// settleTime is how long a blank file may be one that an editor has truncated and not
// written yet. Blank means the default, which must not be applied for a moment.
const settleTime = 200 * time.Millisecond

// Run implements Source. It reports invalid content once, but an unreadable directory
// after each Period, so that operators see it. It reports content after a read error even
// if it is the same as before. The file of a key counts as removed after two Periods, or at
// once with a new revision of a mounted ConfigMap.
func (d Dir) Run(ctx context.Context, apply func(Update)) error {
	last := d.read()
	apply(last.Update)
	absent := false // a file was, and last is of the reading before
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
			last, absent = d.read(), false
			apply(last.Update)
		case <-tick:
			next := d.after(ctx, last)
			if absent = !absent && next.lacks(last); absent {
				continue // last is still what counts
			}
			// Neither a read error nor an empty directory has a version.
			if next.unreadable() || last.unreadable() || next.Version != last.Version {
				apply(next.Update)
			}
			last = next
		}
	}
}

// unreadable reports whether u is a read error: invalid content has a version.
func (u Update) unreadable() bool { return u.Err != nil && u.Version == "" }

// A reading is an Update, with what the next one is compared to.
type reading struct {
	Update
	blank bool     // a file is
	keys  []string // that have a file
	data  string   // revision of the ConfigMap; empty in other directories
}

// after returns the reading that follows last. It is last when ctx is done.
func (d Dir) after(ctx context.Context, last reading) reading {
	next := d.read()
	if next.blank && next.Version != last.Version {
		if !pause.For(ctx, settleTime) {
			return last
		}
		next = d.read()
	}
	if next.unreadable() {
		next.keys, next.data = last.keys, last.data
	}
	return next
}

// lacks reports whether r misses files of last that an editor may have renamed away and
// not written yet. Absent means the default, which must not be applied for a moment. A
// key that is deleted from a ConfigMap goes with a new revision.
func (r reading) lacks(last reading) bool {
	return !r.unreadable() && r.data == last.data && slices.ContainsFunc(last.keys, func(key string) bool {
		return !slices.Contains(r.keys, key)
	})
}

func (d Dir) read() reading {
	files, data, err := readDir(d.Path)
	if err != nil {
		return reading{Update: Update{Err: err}}
	}
	r := reading{Update: Update{Version: Version(files)}, data: data}
	for name, text := range files {
		r.blank = r.blank || strings.TrimSpace(text) == ""
		if slices.Contains(allKeys, name) {
			r.keys = append(r.keys, name)
		}
	}
	if r.Config, err = parse(files, d.TLS); err != nil {
		r.Err = fmt.Errorf("config directory %s: %w", d.Path, err)
	}
	return r
}
