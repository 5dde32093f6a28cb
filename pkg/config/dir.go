package config

import (
	"context"
	"fmt"
	"os"
	"time"
)

// Dir is a Source that polls a directory with one file per key, such as a
// mounted ConfigMap. It follows the rules of Read.
type Dir struct {
	// Path of the directory.
	Path string
	// Period from one reading to the next. Zero or negative: the directory is
	// read once, at the start, and never again.
	Period time.Duration
	// Reread makes Run read the directory at once for each signal, such as
	// SIGHUP, and report what it holds, even if that did not change. Nil: it
	// does not.
	Reread <-chan os.Signal
}

var _ Source = Dir{}

// Run implements Source. It reads at once, and then once a Period. Content
// that is invalid is reported once; a directory that cannot be read, however,
// at every Period, so that it is noticed. When it can be read again its
// content is reported, even if it is the same as before.
func (d Dir) Run(ctx context.Context, apply func(Update)) error {
	last := d.read()
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
			last = d.read()
			apply(last)
		case <-tick:
			// Read errors have no version, nor has an empty directory.
			// That one has no error either.
			next := d.read()
			if next.unreadable() || last.unreadable() || next.Version != last.Version {
				apply(next)
			}
			last = next
		}
	}
}

// unreadable reports whether u is a read error. Content that is invalid has a
// version.
func (u Update) unreadable() bool { return u.Err != nil && u.Version == "" }

func (d Dir) read() Update {
	files, version, err := Read(d.Path)
	if err != nil {
		return Update{Err: err}
	}
	cfg, err := Parse(files)
	if err != nil {
		return Update{Version: version, Err: fmt.Errorf("config directory %s: %w", d.Path, err)}
	}
	return Update{Config: cfg, Version: version}
}
