package config_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kube-dns/kube-dns/pkg/config"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(filepath.Join(dir, "directory"), 0o700))
	must(os.WriteFile(filepath.Join(dir, "directory", "inner"), []byte("\xff"), 0o600))
	must(os.WriteFile(filepath.Join(dir, ".hidden"), []byte("\xff"), 0o600))
	must(os.Mkdir(filepath.Join(dir, "..revision1"), 0o700))
	must(os.WriteFile(filepath.Join(dir, "..revision1", "linked"), []byte("behind two links"), 0o600))
	must(os.Symlink("..revision1", filepath.Join(dir, "..data")))
	must(os.Symlink("..data/linked", filepath.Join(dir, "linked")))
	must(os.Symlink("directory", filepath.Join(dir, "linked-directory")))
	must(os.WriteFile(filepath.Join(dir, "empty"), nil, 0o600))
	must(os.WriteFile(filepath.Join(dir, "plain"), []byte("text\n"), 0o600))

	got, data, err := config.Read(dir)
	must(err)
	want := map[string]string{"empty": "", "linked": "behind two links", "plain": "text\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Read (-want +got):\n%s", diff)
	}
	if data != "..revision1" {
		t.Errorf("got revision %q, want what ..data points to", data)
	}
}

func TestReadErrors(t *testing.T) {
	tests := []struct {
		name  string
		setup func(dir string) error
		want  string // part of the message
		is    error
	}{
		{"missing directory", os.Remove, "read config directory ", fs.ErrNotExist},
		{"no directory", func(dir string) error {
			return errors.Join(os.Remove(dir), os.WriteFile(dir, nil, 0o600))
		}, "not a directory", nil},
		{"dangling link", func(dir string) error {
			return os.Symlink("nowhere", filepath.Join(dir, "federations"))
		}, "federations was removed, or is a link without a target", nil},
		{"not UTF-8", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "federations"), []byte{'a', 0x80}, 0o600)
		}, "federations is not UTF-8 text", nil},
		{"too large", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "dump"), make([]byte, 8<<20+1), 0o600)
		}, "dump is larger than 8 MiB", nil},
		{"device", func(dir string) error {
			return os.Symlink(os.DevNull, filepath.Join(dir, "federations"))
		}, "federations is not a regular file", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "config")
			if err := errors.Join(os.Mkdir(dir, 0o700), tt.setup(dir)); err != nil {
				t.Fatal(err)
			}
			files, version, err := config.Read(dir)
			if err == nil || files != nil || version != "" {
				t.Fatalf("got %v, version %q, error %v, want an error alone", files, version, err)
			}
			if !strings.Contains(err.Error(), tt.want) || (tt.is != nil && !errors.Is(err, tt.is)) {
				t.Errorf("got error %q, want it to contain %q and to be %v", err, tt.want, tt.is)
			}
			if !strings.Contains(err.Error(), dir) {
				t.Errorf("got error %q, want it to name the directory", err)
			}
		})
	}
}

// While the kubelet switches a ConfigMap volume to the next revision, each read has the files of
// one revision.
func TestReadDuringSwitch(t *testing.T) {
	dir := t.TempDir()
	names := []string{"a", "b", "c", "d"}
	var previous string
	change := func(revision string) error {
		folder := filepath.Join(dir, ".."+revision)
		errs := []error{os.Mkdir(folder, 0o700)}
		for _, name := range names {
			errs = append(errs, os.WriteFile(filepath.Join(folder, name), []byte(revision), 0o600))
		}
		next := filepath.Join(dir, "..data_tmp")
		errs = append(errs, os.Symlink(".."+revision, next), os.Rename(next, filepath.Join(dir, "..data")))
		if previous != "" {
			errs = append(errs, os.RemoveAll(previous))
		}
		previous = folder
		return errors.Join(errs...)
	}
	if err := change("revision0"); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 100 {
		changed := make(chan error)
		go func() { changed <- change("revision" + strconv.Itoa(i+1)) }()
		files, _, err := config.Read(dir)
		if err != nil {
			t.Error(err)
		}
		if revisions := slices.Compact(slices.Sorted(maps.Values(files))); len(revisions) != 1 {
			t.Errorf("got files of revisions %q, want one", revisions)
		}
		if err := <-changed; err != nil {
			t.Fatal(err)
		}
	}
}

func TestVersion(t *testing.T) {
	if got := config.Version(nil); got != "" {
		t.Errorf("no files: got %q, want none", got)
	}
	contents := []map[string]string{
		{"a": ""}, {"b": ""}, {"a": "b"}, {"ab": ""}, {"a": "", "b": ""}, {"a": "b", "b": "a"}, {"a": "1:b0:"},
	}
	seen := make(map[string]map[string]string)
	for _, files := range contents {
		version := config.Version(files)
		if other, dup := seen[version]; dup {
			t.Errorf("%q and %q have the same version", files, other)
		}
		seen[version] = files
		if again := config.Version(maps.Clone(files)); again != version {
			t.Errorf("%q: got versions %q and %q", files, version, again)
		}
	}
}
