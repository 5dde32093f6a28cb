package manifest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
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
	// A file that was younger than freshTime when it was read may have changed
	// since without a new size or time: file systems count time in steps of up
	// to two seconds.
	freshTime = 2 * time.Second
	// recheckPeriod is how often a file is read without a visible change: not
	// every file system and every tool keeps honest times.
	recheckPeriod = time.Minute
	// remindPeriod is how often a file that stays broken is logged.
	remindPeriod = time.Minute
)

// A tracker follows the files of a directory and keeps the last good content of each.
type tracker struct {
	dir   string
	log   *slog.Logger
	files map[string]*file
	seen  map[string]fs.FileInfo // as of the last look; nil: the file cannot be examined
	err   error                  // why the directory could not be read
}

// A file is the state of one manifest.
type file struct {
	read   fs.FileInfo // as of the last reading; nil when it could not be read
	readAt time.Time
	sum    [sha256.Size]byte // of what was decoded last; zero: nothing
	good   Objects           // its content when it was last right
	usable bool              // it was right once
	err    error             // why it is not right now
	warnAt time.Time         // when err is logged again
}

// same reports whether a file, if it is there, is still the same and has not changed.
func same(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return a == b
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

func newTracker(dir string, log *slog.Logger) *tracker {
	return &tracker{dir: dir, log: log, files: map[string]*file{}}
}

// look reads the files that changed since the last look, and reports whether the
// contents did. A change counts once two looks in a row found the same, so that a
// file is not read while it is written, or replaced without a rename; unsettled
// asks for another look soon. The first look takes what is there.
func (t *tracker) look(now time.Time, first bool) (changed, unsettled bool, err error) {
	seen, err := t.list()
	if err != nil {
		if t.err == nil {
			t.log.Error("cannot read the directory of manifests; keeping its previous content", "dir", t.dir, "err", err)
		}
		t.err = err
		return false, false, err
	}
	if t.err != nil {
		t.log.Info("read the directory of manifests again", "dir", t.dir)
	}
	t.err = nil
	for name := range seen {
		if t.files[name] == nil {
			t.files[name] = &file{}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		f := t.files[name]
		was, before := t.seen[name]
		is, there := seen[name]
		switch {
		case !first && (before != there || !same(was, is)):
			unsettled = true
		case !there:
			delete(t.files, name)
			t.log.Info("removed the objects of a deleted manifest", "file", filepath.Join(t.dir, name))
			changed = true
		case f.stale(is, now):
			changed = t.reload(name, f, now) || changed
		}
		if f.err != nil && now.After(f.warnAt) {
			f.warnAt = now.Add(remindPeriod)
			t.log.Error("still cannot use a manifest", "err", f.err)
		}
	}
	t.seen = seen
	return changed, unsettled, nil
}

// list returns the manifests of the directory by name.
func (t *tracker) list() (map[string]fs.FileInfo, error) {
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]fs.FileInfo, len(entries))
	for _, e := range entries {
		isManifest := slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name()))
		if !isManifest || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		info, err := os.Stat(filepath.Join(t.dir, e.Name())) // follows links
		switch {
		case err == nil && info.IsDir(): // as kubectl does without -R
		case err == nil:
			seen[e.Name()] = info
		case errors.Is(err, fs.ErrNotExist) && e.Type()&fs.ModeSymlink == 0: // went just now
		default:
			seen[e.Name()] = nil // reading it has the error again
		}
	}
	return seen, nil
}

// stale reports whether a file has to be read, because it changed or may have.
func (f *file) stale(is fs.FileInfo, now time.Time) bool {
	return f.read == nil || !same(f.read, is) ||
		f.readAt.Sub(f.read.ModTime()) < freshTime || now.Sub(f.readAt) > recheckPeriod
}

// reload reads a file and decodes it if its content changed. It reports whether
// its objects changed.
func (t *tracker) reload(name string, f *file, now time.Time) bool {
	path := filepath.Join(t.dir, name)
	data, info, err := readFile(path)
	if err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err // the message names the file already
		}
		f.read, f.sum = nil, [sha256.Size]byte{} // to be tried again at every look
		t.broken(f, fmt.Errorf("%s: %w", path, err), now)
		return false
	}
	sum := sha256.Sum256(data)
	f.read, f.readAt = info, now
	if sum == f.sum {
		return false
	}
	f.sum = sum
	objects, err := Decode(path, data)
	if err != nil {
		t.broken(f, err, now)
		return false
	}
	for _, w := range objects.Warnings {
		t.log.Warn("found a questionable manifest", "where", w)
	}
	f.good, f.usable, f.err = objects, true, nil
	return true
}

// readFile returns the content of a file, and its FileInfo of before.
func readFile(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular():
		return nil, nil, errors.New("this is no regular file")
	case info.Size() > maxFileSize:
		return nil, nil, fmt.Errorf("%d bytes are too many for one file: divide it, %d are allowed", info.Size(), maxFileSize)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize))
	return data, info, err
}

// broken notes and logs why a file cannot be used.
func (t *tracker) broken(f *file, err error, now time.Time) {
	repeated := f.err != nil && f.err.Error() == err.Error()
	f.err = err
	if repeated {
		return
	}
	f.warnAt = now.Add(remindPeriod)
	if f.usable {
		t.log.Error("cannot use a manifest; keeping its previous content", "err", err)
		return
	}
	t.log.Error("cannot use a manifest; its objects are missing", "err", err)
}

// contents returns the last good content of the files, in name order.
func (t *tracker) contents() []content {
	all := make([]content, 0, len(t.files))
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		all = append(all, content{file: filepath.Join(t.dir, name), Objects: t.files[name].good})
	}
	return all
}

// errors returns the current errors, of the directory first, then of the files by name.
func (t *tracker) errors() []string {
	var all []string
	if t.err != nil {
		all = append(all, t.err.Error())
	}
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		if err := t.files[name].err; err != nil {
			all = append(all, err.Error())
		}
	}
	return all
}
