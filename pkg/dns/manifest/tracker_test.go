package manifest

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const aService = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.96.0.1}\n"

// A disk is a directory with a tracker, and the time.
type disk struct {
	t   *testing.T
	dir string
	now time.Time
	*tracker
}

func newDisk(t *testing.T) *disk {
	dir := t.TempDir()
	tracked := &tracker{dir: dir, log: slog.New(slog.DiscardHandler), files: map[string]*file{}}
	return &disk{t: t, dir: dir, now: time.Now(), tracker: tracked}
}

// write writes a file that was changed an hour ago.
func (d *disk) write(name, content string) {
	d.t.Helper()
	path := filepath.Join(d.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		d.t.Fatal(err)
	}
	d.age(name, time.Hour)
}

func (d *disk) age(name string, age time.Duration) {
	d.t.Helper()
	at := d.now.Add(-age)
	if err := os.Chtimes(filepath.Join(d.dir, name), at, at); err != nil {
		d.t.Fatal(err)
	}
}

// look expects a look to find a change, or an unsettled file.
func (d *disk) look(step string, wantChanged, wantUnsettled bool) {
	d.t.Helper()
	changed, unsettled, err := d.tracker.look(d.now, false)
	if err != nil || changed != wantChanged || unsettled != wantUnsettled {
		d.t.Errorf("%s: got changed %v, unsettled %v, error %v; want %v, %v", step, changed, unsettled, err, wantChanged,
			wantUnsettled)
	}
}

func TestTrackerReadsWhatSettled(t *testing.T) {
	d := newDisk(t)
	d.write("a.yaml", aService)
	d.look("new", false, true)
	d.look("settled", true, false)
	d.look("no change", false, false)

	d.write("a.yaml", aService+"#")
	d.look("being written", false, true)
	d.write("a.yaml", aService+"##")
	d.look("still being written", false, true)
	if got := len(d.sorted()[0].good.All); got != 1 {
		t.Errorf("got %d Services while the file is written, want 1", got)
	}
	d.look("settled again", true, false)

	if err := os.Remove(filepath.Join(d.dir, "a.yaml")); err != nil {
		t.Fatal(err)
	}
	d.look("being replaced", false, true)
	d.write("a.yaml", aService)
	d.look("replaced", false, true)
	d.look("replaced and settled", true, false)
}

func TestTrackerDoesNotReadAgain(t *testing.T) {
	d := newDisk(t)
	d.write("a.yaml", aService)
	d.look("new", false, true)
	d.look("settled", true, false)

	d.write("a.yaml", strings.Replace(aService, "web", "bew", 1)) // same size and time
	d.look("nothing to be seen", false, false)
	d.now = d.now.Add(recheckPeriod + time.Second)
	d.look("read all the same, after a while", true, false)

	d.age("a.yaml", 0)
	d.look("touched", false, true)
	d.look("the same content", false, false)
	d.write("a.yaml", aService)
	d.age("a.yaml", 0)
	d.look("changed within the file system's tick", true, false)
}

func TestTrackerFiles(t *testing.T) {
	d := newDisk(t)
	for _, name := range []string{"a.yaml", "b.yml", "c.json", ".hidden.yaml", "d.yaml.bak", "e.yaml~", "f.txt", "yaml"} {
		d.write(name, "")
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(d.dir, "dir.yaml"), 0o755))
	must(os.Symlink("missing", filepath.Join(d.dir, "link.yaml")))
	must(syscall.Mkfifo(filepath.Join(d.dir, "pipe.yaml"), 0o644))
	must(os.WriteFile(filepath.Join(d.dir, "large.yaml"), nil, 0o644))
	must(os.Truncate(filepath.Join(d.dir, "large.yaml"), maxFileSize+1))
	if _, _, err := d.tracker.look(d.now, true); err != nil {
		t.Fatal(err)
	}
	var got, errs []string
	for _, f := range d.sorted() {
		got = append(got, filepath.Base(f.path))
		if f.err != nil {
			errs = append(errs, f.err.Error())
		}
	}
	want := []string{"a.yaml", "b.yml", "c.json", "large.yaml", "link.yaml", "pipe.yaml"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files -want +got:\n%s", diff)
	}
	wantErrors := []string{
		filepath.Join(d.dir, "large.yaml") + ": 67108865 bytes are too many for one file: divide it, 67108864 are allowed",
		"open " + filepath.Join(d.dir, "link.yaml") + ": no such file or directory",
		filepath.Join(d.dir, "pipe.yaml") + ": this is not a regular file",
	}
	if diff := cmp.Diff(wantErrors, errs); diff != "" {
		t.Errorf("errors -want +got:\n%s", diff)
	}

	must(os.Remove(filepath.Join(d.dir, "large.yaml")))
	d.write("large.yaml", aService)
	d.look("divided", false, true)
	d.look("divided and settled", true, false)
	if f := d.sorted()[3]; f.err != nil || !f.usable {
		t.Errorf("error %v after it was divided, want none", f.err)
	}
}
