package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// sources writes two directories to pack, with file modes that the image must not have.
func sources(t *testing.T) (bottom, top string) {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{
		"top/program": 0o700, "bottom/tree/text": 0o600, "bottom/tree/below/text": 0o640,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	bottom, top = filepath.Join(dir, "bottom"), filepath.Join(dir, "top")
	err := errors.Join(
		os.Symlink("text", filepath.Join(bottom, "tree/link")),
		os.Mkdir(filepath.Join(bottom, "tmp"), 0o700),
		os.Chmod(filepath.Join(bottom, "tmp"), 0o777|os.ModeSticky),
	)
	if err != nil {
		t.Fatal(err)
	}
	return bottom, top
}

// mkimage runs the command and returns the path of the archive.
func mkimage(t *testing.T, args ...string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "image.tar")
	if err := run(append([]string{"-o", out}, args...), io.Discard); err != nil {
		t.Fatal(err)
	}
	return out
}

// list calls each for the files of a tar.
func list(t *testing.T, r io.Reader, each func(h *tar.Header, data io.Reader)) {
	t.Helper()
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		each(h, in)
	}
}

// unpack returns the OCI image of an archive and its descriptor in the index.
func unpack(t *testing.T, archive string) (v1.Image, v1.Descriptor) {
	t.Helper()
	dir := t.TempDir()
	data, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	list(t, bytes.NewReader(data), func(h *tar.Header, data io.Reader) {
		path := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.Mkdir(path, 0o755)
		} else if data, readErr := io.ReadAll(data); readErr == nil {
			err = os.WriteFile(path, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("index: %v, %v", manifest, err)
	}
	img, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return img, manifest.Manifests[0]
}

func TestImage(t *testing.T) {
	bottom, top := sources(t)
	archive := mkimage(t, "-name", "localhost:5000/x:1", "-entrypoint", "/x --serve", "-user", "1:2",
		"-arch", "arm", "-stop-signal", "SIGTERM", "-label", "k=v=w", "-created", "86400", bottom, top)
	img, descriptor := unpack(t, archive)
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	wantNames := map[string]string{
		"io.containerd.image.name": "localhost:5000/x:1", "org.opencontainers.image.ref.name": "1",
	}
	if diff := cmp.Diff(wantNames, descriptor.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(&v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"},
		descriptor.Platform); diff != "" {
		t.Errorf("platform (-want +got):\n%s", diff)
	}
	got, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	want := v1.Config{
		User: "1:2", Entrypoint: []string{"/x", "--serve"}, WorkingDir: "/", StopSignal: "SIGTERM",
		Env:    []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Labels: map[string]string{"k": "v=w"},
	}
	if diff := cmp.Diff(want, got.Config); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if got.Architecture != "arm" || got.Variant != "v7" || got.OS != "linux" || got.Created.Unix() != 86400 {
		t.Errorf("got %s/%s/%s of %v", got.OS, got.Architecture, got.Variant, got.Created)
	}
	wantFiles := [][]string{
		{
			"dtrwxrwxrwx tmp/", "drwxr-xr-x tree/", "drwxr-xr-x tree/below/", "-rw-r--r-- tree/below/text",
			"Lrwxrwxrwx tree/link text", "-rw-r--r-- tree/text",
		},
		{"-rwxr-xr-x program"},
	}
	if diff := cmp.Diff(wantFiles, files(t, img)); diff != "" {
		t.Errorf("files of the layers (-want +got):\n%s", diff)
	}
}

// files lists the layers of an image as mode, name and target of a link.
func files(t *testing.T, img v1.Image) (found [][]string) {
	t.Helper()
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		r, err := layer.Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		list(t, r, func(h *tar.Header, _ io.Reader) {
			names = append(names, strings.TrimRight(h.FileInfo().Mode().String()+" "+h.Name+" "+h.Linkname, " "))
			if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 0 {
				t.Errorf("%s belongs to %d:%d and has the time %v", h.Name, h.Uid, h.Gid, h.ModTime)
			}
		})
		found = append(found, names)
	}
	return found
}

// TestDocker reads the archive by the index for older versions of Docker.
func TestDocker(t *testing.T) {
	bottom, top := sources(t)
	archive := mkimage(t, "-name", "localhost/x:1", bottom, top)
	img, err := tarball.ImageFromPath(archive, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := files(t, img); len(got) != 2 {
		t.Errorf("got the layers %v, want 2", got)
	}
}

func TestSameBytes(t *testing.T) {
	var archives [2][]byte
	for i := range archives {
		bottom, top := sources(t)
		data, err := os.ReadFile(mkimage(t, "-name", "localhost/x:1", "-label", "b=1", "-label", "a=2", bottom, top))
		if err != nil {
			t.Fatal(err)
		}
		archives[i] = data
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("two archives of equal files differ")
	}
	if !bytes.HasSuffix(archives[0], make([]byte, 1024)) {
		t.Error("the archive does not end with two empty blocks")
	}
}

func TestRefused(t *testing.T) {
	dir, _ := sources(t)
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"no archive", []string{"-name", "x:1", dir}, "-o is missing"},
		{"no name", []string{"-o", "x.tar", dir}, "-name, for example localhost/pause:1"},
		{"no tag", []string{"-o", "x.tar", "-name", "localhost:5000/x", dir}, "-name, for example localhost/pause:1"},
		{"no directory", []string{"-o", "x.tar", "-name", "localhost/x:1"}, "DIR is missing"},
		{"missing directory", []string{"-o", "x.tar", "-name", "localhost/x:1", dir + "/none"}, "none"},
		{"label", []string{"-o", "x.tar", "-name", "localhost/x:1", "-label", "x", dir}, "must be key=value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := run(tt.args, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
			if left, err := os.ReadDir("."); err != nil || len(left) > 0 {
				t.Errorf("files left: %v, %v", left, err)
			}
		})
	}
}
