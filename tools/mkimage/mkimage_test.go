package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sources are files to pack; their modes are not what the image says.
func sources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"program": 0o700, "tree/text": 0o600, "tree/below/text": 0o640} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("text", filepath.Join(dir, "tree/link")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pack runs the command and returns the files of the archive by name.
func pack(t *testing.T, args ...string) map[string][]byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "image.tar")
	if err := run(append([]string{"-o", out}, args...), io.Discard); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	untar(t, bytes.NewReader(data), func(h *tar.Header, data []byte) { files[h.Name] = data })
	for name, data := range files {
		if want, ok := strings.CutPrefix(name, "blobs/sha256/"); ok {
			if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != want {
				t.Errorf("%s has the digest %x", name, sum)
			}
		}
	}
	return files
}

func untar(t *testing.T, r io.Reader, each func(*tar.Header, []byte)) {
	t.Helper()
	for in := tar.NewReader(r); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		each(h, data)
	}
}

func decode[T any](t *testing.T, data []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return v
}

// entries lists a layer as mode, name and target of a link.
func entries(t *testing.T, compressed []byte) (list []string, diffID string) {
	t.Helper()
	zip, err := gzip.NewReader(bytes.NewReader(compressed))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	untar(t, bytes.NewReader(data), func(h *tar.Header, _ []byte) {
		list = append(list, strings.TrimRight(h.FileInfo().Mode().String()+" "+h.Name+" "+h.Linkname, " "))
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 0 {
			t.Errorf("%s is of %d:%d and of %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
	})
	sum := sha256.Sum256(data)
	return list, "sha256:" + hex.EncodeToString(sum[:])
}

func TestImage(t *testing.T) {
	dir := sources(t)
	files := pack(t, "-name", "localhost/x:1", "-name", "localhost:5000/x:2", "-entrypoint", "/x --serve", "-user", "1:2",
		"-arch", "arm64", "-stop-signal", "SIGTERM", "-env", "A=b", "-label", "k=v=w", "-created", "86400",
		dir+"/tree:/usr/tree", ":/tmp:1777", "+", dir+"/program:/usr/x", dir+"/program:/secret:400", ":/tmp/below")

	index := decode[struct{ Manifests []descriptor }](t, files["index.json"])
	if len(index.Manifests) != 2 {
		t.Fatalf("index.json: %s", files["index.json"])
	}
	for i, want := range []map[string]string{
		{"io.containerd.image.name": "localhost/x:1", "org.opencontainers.image.ref.name": "1"},
		{"io.containerd.image.name": "localhost:5000/x:2", "org.opencontainers.image.ref.name": "2"},
	} {
		if diff := cmp.Diff(want, index.Manifests[i].Annotations); diff != "" {
			t.Errorf("annotations (-want +got):\n%s", diff)
		}
	}
	manifest := decode[imageManifest](t, files[blobPath(index.Manifests[0])])
	got := decode[imageConfig](t, files[blobPath(manifest.Config)])
	want := containerConfig{
		User: "1:2", Entrypoint: []string{"/x", "--serve"}, WorkingDir: "/", StopSignal: "SIGTERM",
		Env:    []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "A=b"},
		Labels: map[string]string{"k": "v=w"},
	}
	if diff := cmp.Diff(want, got.Config); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
	if got.Architecture != "arm64" || got.OS != "linux" || got.Created.Unix() != 86400 {
		t.Errorf("got %s/%s of %v", got.OS, got.Architecture, got.Created)
	}

	wantLayers := [][]string{
		{
			"drwxr-xr-x usr/", "drwxr-xr-x usr/tree/", "drwxr-xr-x usr/tree/below/", "-rw-r--r-- usr/tree/below/text",
			"Lrwxrwxrwx usr/tree/link text", "-rw-r--r-- usr/tree/text", "dtrwxrwxrwx tmp/",
		},
		{"drwxr-xr-x usr/", "-rwxr-xr-x usr/x", "-r-------- secret", "dtrwxrwxrwx tmp/", "drwxr-xr-x tmp/below/"},
	}
	for i, layer := range manifest.Layers {
		list, diffID := entries(t, files[blobPath(layer)])
		if diff := cmp.Diff(wantLayers[i], list); diff != "" {
			t.Errorf("layer %d (-want +got):\n%s", i, diff)
		}
		if got.RootFS.DiffIDs[i] != diffID {
			t.Errorf("layer %d: the configuration has %s, want %s", i, got.RootFS.DiffIDs[i], diffID)
		}
	}

	docker := decode[[]struct {
		Config           string
		RepoTags, Layers []string
	}](t, files["manifest.json"])
	if len(docker) != 1 || files[docker[0].Config] == nil || len(docker[0].Layers) != 2 || files[docker[0].Layers[1]] == nil {
		t.Errorf("manifest.json names what is not there: %s", files["manifest.json"])
	}
}

func TestSameBytes(t *testing.T) {
	one := pack(t, "-name", "localhost/x:1", sources(t)+":/x")
	two := pack(t, "-name", "localhost/x:1", sources(t)+":/x")
	if diff := cmp.Diff(one, two); diff != "" {
		t.Errorf("two archives of equal files differ:\n%s", diff)
	}
}

func TestRefused(t *testing.T) {
	dir := sources(t)
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"no archive", []string{"-name", "x:1", dir + ":/x"}, "-o is missing"},
		{"no name", []string{"-o", "x.tar", dir + ":/x"}, "-name is missing"},
		{"no tag", []string{"-o", "x.tar", "-name", "localhost:5000/x", dir + ":/x"}, "has no tag"},
		{"no files", []string{"-o", "x.tar", "-name", "x:1"}, "SOURCE:/TARGET is needed"},
		{"no target", []string{"-o", "x.tar", "-name", "x:1", dir}, "is not SOURCE:/TARGET"},
		{"no mode", []string{"-o", "x.tar", "-name", "x:1", dir + ":/x:9"}, "octal"},
		{"empty layer", []string{"-o", "x.tar", "-name", "x:1", dir + ":/x", "+"}, "before or after a +"},
		{"missing source", []string{"-o", "x.tar", "-name", "x:1", dir + "/none:/x"}, "none"},
		{"file twice", []string{"-o", "x.tar", "-name", "x:1", dir + "/program:/x", dir + "/program:/x"}, "is there already"},
		{"label", []string{"-o", "x.tar", "-name", "x:1", "-label", "x", dir + ":/x"}, "is not key=value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if err := run(tt.args, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
			if left, err := filepath.Glob("*"); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
