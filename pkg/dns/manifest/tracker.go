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
	// since without its size and time telling: file systems count time in steps
	// of up to two seconds.
	freshTime = 2 * time.Second
	// recheckPeriod is how often a file is read although nothing tells of a
	// change: not every file system and every tool keeps honest times.
	recheckPeriod = time.Minute
)

// A tracker follows the files of a directory and keeps what each of them said
// when it was last good.
type tracker struct {
	dir   string
	log   *slog.Logger
	files map[string]*file
	err   error // why the directory could not be read
}

// A file is the state of one manifest.
type file struct {
	seen   fs.FileInfo // as of the last look; nil when it was not there
	read   fs.FileInfo // as of the last reading; nil when it could not be read
	readAt time.Time
	sum    [sha256.Size]byte // of what was decoded last; zero: nothing
	good   Objects           // its content when it was last right
	usable bool              // it was right once
	err    error             // why it is not right now
	warnAt time.Time         // when err is logged again
}

func newTracker(dir string, log *slog.Logger) *tracker {
	return &tracker{dir: dir, log: log, files: map[string]*file{}}
}

// look reads the files that changed since the last look. changed says that the
// contents did. A change counts once two looks in a row found the same, so that
// a file that is being written, or replaced without a rename, is not taken for
// what it will be; unsettled asks for another look soon. The first look takes
// what is there.
func (t *tracker) look(now time.Time, first bool) (changed, unsettled bool, err error) {
	infos, err := t.list()
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
	for _, name := range slices.Sorted(maps.Keys(infos)) {
		f := t.files[name]
		if f == nil {
			f = &file{}
			t.files[name] = f
		}
		same := first || sameInfo(f.seen, infos[name])
		f.seen = infos[name]
		switch {
		case !same:
			unsettled = true
		case f.stale(now):
			changed = t.reload(name, f, now) || changed
		}
		t.remind(f, now)
	}
	for name, f := range t.files {
		switch {
		case infos[name] != nil:
		case f.seen != nil:
			f.seen, unsettled = nil, true
		default:
			delete(t.files, name)
			t.log.Info("removed the objects of a deleted manifest", "file", filepath.Join(t.dir, name))
			changed = true
		}
	}
	return changed, unsettled, nil
}

// list returns the manifests of the directory by name. One that cannot be
// examined has an empty FileInfo, reading it will tell why.
func (t *tracker) list() (map[string]fs.FileInfo, error) {
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return nil, err
	}
	infos := make(map[string]fs.FileInfo, len(entries))
	for _, e := range entries {
		if !isManifest(e.Name()) {
			continue
		}
		info, err := os.Stat(filepath.Join(t.dir, e.Name())) // follows links
		switch {
		case err == nil && info.IsDir(): // as kubectl does without -R
		case err == nil:
			infos[e.Name()] = info
		case errors.Is(err, fs.ErrNotExist) && e.Type()&fs.ModeSymlink == 0: // went just now
		default:
			infos[e.Name()] = unknown{name: e.Name()}
		}
	}
	return infos, nil
}

func isManifest(name string) bool {
	switch filepath.Ext(name) {
	case ".yaml", ".yml", ".json":
		return !strings.HasPrefix(name, ".")
	}
	return false
}

// unknown is the FileInfo of a file that cannot be examined.
type unknown struct {
	fs.FileInfo
	name string
}

func sameInfo(a, b fs.FileInfo) bool {
	if a == nil || b == nil {
		return false
	}
	ua, isA := a.(unknown)
	ub, isB := b.(unknown)
	if isA || isB {
		return ua == ub
	}
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// stale says whether a file has to be read, because it is not what was read or
// because that cannot be known.
func (f *file) stale(now time.Time) bool {
	return f.read == nil || !sameInfo(f.read, f.seen) ||
		f.readAt.Sub(f.read.ModTime()) < freshTime || now.Sub(f.readAt) > recheckPeriod
}

// reload reads a file and decodes it if its content changed. It says whether
// its objects changed.
func (t *tracker) reload(name string, f *file, now time.Time) bool {
	path := filepath.Join(t.dir, name)
	data, info, err := readFile(path)
	if err != nil {
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
	t.log.Debug("read a manifest", "file", path, "services", len(objects.Services),
		"endpoints", len(objects.Slices)+len(objects.Endpoints), "ignored", objects.Ignored)
	f.good, f.usable, f.err = objects, true, nil
	return true
}

// readFile returns the content of a file, and its FileInfo of before.
func readFile(path string) ([]byte, fs.FileInfo, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, nil, reason(err)
	case !info.Mode().IsRegular():
		return nil, nil, errors.New("this is no regular file")
	case info.Size() > maxFileSize:
		return nil, nil, fmt.Errorf("%d bytes are too many for one file: divide it, %d are allowed", info.Size(), maxFileSize)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, reason(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize))
	if err != nil {
		return nil, nil, reason(err)
	}
	return data, info, nil
}

// reason takes operation and path off an error: messages name the file already.
func reason(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// broken notes and logs why a file cannot be used.
func (t *tracker) broken(f *file, err error, now time.Time) {
	if f.err != nil && f.err.Error() == err.Error() {
		f.err = err
		return
	}
	f.err, f.warnAt = err, now.Add(remindPeriod)
	if f.usable {
		t.log.Error("cannot use a manifest; keeping its previous content", "err", err)
		return
	}
	t.log.Error("cannot use a manifest; its objects are missing", "err", err)
}

// remind logs a file that stays broken once in a while.
func (t *tracker) remind(f *file, now time.Time) {
	if f.err != nil && now.After(f.warnAt) {
		f.warnAt = now.Add(remindPeriod)
		t.log.Error("still cannot use a manifest", "err", f.err)
	}
}

// unread reports whether a file was never usable.
func (t *tracker) unread() bool {
	for _, f := range t.files {
		if !f.usable {
			return true
		}
	}
	return false
}

// contents returns what the files say, in name order.
func (t *tracker) contents() []content {
	all := make([]content, 0, len(t.files))
	for _, name := range slices.Sorted(maps.Keys(t.files)) {
		all = append(all, content{file: filepath.Join(t.dir, name), Objects: t.files[name].good})
	}
	return all
}

// errors says what is wrong now, the directory first, then the files by name.
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
