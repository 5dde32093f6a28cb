package manifest

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// maxFileSize is the largest manifest that is read, in bytes.
	maxFileSize = 64 << 20
	// A file younger than freshTime when read can have changed since without a new size or time:
	// file systems count time in steps of up to two seconds.
	freshTime = 2 * time.Second
	// recheckPeriod is how often a file is read without a visible change, because some file systems
	// and tools record wrong times.
	recheckPeriod = time.Minute
	// remindPeriod is how often a broken file is logged again.
	remindPeriod = time.Minute
)

// A tracker follows the files of a directory and keeps the last good content of each.
type tracker struct {
	dir   string
	log   *slog.Logger
	files map[string]*file // by name
	err   error            // why the directory could not be read
}

// A file is the state of one manifest.
type file struct {
	path   string
	there  bool
	seen   fs.FileInfo // as of the last look; nil: stat failed
	read   fs.FileInfo // as of the last reading; nil when it could not be read
	readAt time.Time
	sum    [sha256.Size]byte // of the content decoded last; zero: none
	good   Objects           // its last valid content
	usable bool              // it was valid once
	err    error             // why it is invalid now
	warnAt time.Time         // when err is logged again
}

// same reports whether both are the same file, unchanged, or both are missing.
func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// sorted returns the files in name order.
func (t *tracker) sorted() []*file {
	return slices.SortedFunc(maps.Values(t.files), func(a, b *file) int { return strings.Compare(a.path, b.path) })
}

// look reads the files that changed since the last look, and reports whether the contents changed.
// A change counts once two looks in a row find the same state. So a file is not read during a write
// or a replacement without a rename. unsettled requests another look soon. The first look does not
// wait.
func (t *tracker) look(now time.Time, first bool) (changed, unsettled bool, err error) {
	seen, err := t.list()
	if err != nil && t.err == nil {
		t.log.Error("cannot read the directory of manifests; keeping its previous content", "dir", t.dir, "err", err)
	} else if err == nil && t.err != nil {
		t.log.Info("read the directory of manifests again", "dir", t.dir)
	}
	if t.err = err; err != nil {
		return false, false, err
	}
	for path := range seen {
		if t.files[path] == nil {
			t.files[path] = &file{path: path}
		}
	}
	for _, f := range t.sorted() {
		is, there := seen[f.path]
		settled := first || f.there == there && same(f.seen, is)
		f.there, f.seen = there, is
		switch {
		case !settled:
			unsettled = true
		case !there:
			delete(t.files, f.path)
			t.log.Info("removed the objects of a deleted manifest", "file", f.path)
			changed = true
		case f.read == nil || !same(f.read, is) || // changed, or may have
			f.readAt.Sub(is.ModTime()) < freshTime || now.Sub(f.readAt) > recheckPeriod:
			changed = t.reload(f, now) || changed
		}
		if there && f.err != nil && !now.Before(f.warnAt) {
			f.warnAt = now.Add(remindPeriod)
			t.log.Error("cannot use a manifest", "err", f.err, "kept", f.usable)
		}
	}
	return changed, unsettled, nil
}

// list returns the manifests of the directory by path.
func (t *tracker) list() (map[string]fs.FileInfo, error) {
	entries, err := os.ReadDir(t.dir)
	seen := make(map[string]fs.FileInfo, len(entries))
	for _, e := range entries {
		isManifest := slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name()))
		if !isManifest || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		path := filepath.Join(t.dir, e.Name())
		info, err := os.Stat(path)       // follows links
		if err != nil || !info.IsDir() { // as kubectl does without -R
			seen[path] = info // nil: reading it has the error again
		}
	}
	return seen, err
}

// reload reads a file and decodes it if its content changed. It reports whether
// its objects changed.
func (t *tracker) reload(f *file, now time.Time) bool {
	data, err := readFile(f.path, f.seen)
	if err != nil {
		f.read, f.sum = nil, [sha256.Size]byte{} // retried at every look
		f.broken(err)
		return false
	}
	sum := sha256.Sum256(data)
	f.read, f.readAt = f.seen, now
	if sum == f.sum {
		return false
	}
	f.sum = sum
	objects, err := Decode(f.path, data)
	if err != nil {
		f.broken(err)
		return false
	}
	for _, w := range objects.Warnings {
		t.log.Warn("found a questionable manifest", "where", w)
	}
	f.good, f.usable, f.err = objects, true, nil
	return true
}

func readFile(path string, info fs.FileInfo) ([]byte, error) {
	switch {
	case info == nil: // reading it has the error
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s: this is not a regular file", path)
	case info.Size() > maxFileSize:
		return nil, fmt.Errorf("%s: %d bytes are too many for one file: divide it, %d are allowed", path, info.Size(),
			maxFileSize)
	}
	return os.ReadFile(path)
}

// broken notes why a file is unusable. A new error is logged now.
func (f *file) broken(err error) {
	if f.err == nil || f.err.Error() != err.Error() {
		f.warnAt = time.Time{}
	}
	f.err = err
}
