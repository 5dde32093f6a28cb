package config

import (
	"context"
	"fmt"
	"os"
	"time"
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

// Run implements Source. It reports invalid content once, but an unreadable directory
// after each Period, so that operators see it. It reports content after a read error even
// if it is the same as before.
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
			// Neither a read error nor an empty directory has a version.
			next := d.read()
			if next.unreadable() || last.unreadable() || next.Version != last.Version {
				apply(next)
			}
			last = next
		}
	}
}

// unreadable reports whether u is a read error: invalid content has a version.
func (u Update) unreadable() bool { return u.Err != nil && u.Version == "" }

func (d Dir) read() Update {
	files, version, err := readDir(d.Path)
	if err != nil {
		return Update{Err: err}
	}
	cfg, err := Parse(files)
	if err != nil {
		return Update{Version: version, Err: fmt.Errorf("config directory %s: %w", d.Path, err)}
	}
	return Update{Config: cfg, Version: version}
}
