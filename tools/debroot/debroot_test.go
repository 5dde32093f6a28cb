package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestProgramRuns copies a program of Debian and runs the copy with its own loader.
func TestProgramRuns(t *testing.T) {
	for _, tool := range []string{"dpkg-query", "/usr/bin/grep"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("this is not Debian: %v", err)
		}
	}
	dir := t.TempDir()
	var out bytes.Buffer
	if err := run([]string{"-o", dir, "/usr/bin/grep"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"grep ", "libc6 ", "base-files "} {
		if !strings.Contains("\n"+out.String(), "\n"+want) {
			t.Errorf("%snot among the packages:\n%s", want, &out)
		}
	}
	for _, want := range []string{
		"usr/share/doc/grep/copyright", "var/lib/dpkg/status.d/grep", "var/lib/dpkg/status.d/libc6", "etc/os-release",
	} {
		if _, err := os.Stat(filepath.Join(dir, want)); err != nil {
			t.Error(err)
		}
	}
	loaders, err := filepath.Glob(filepath.Join(dir, "lib*/ld-*"))
	if err != nil || len(loaders) != 1 {
		t.Fatalf("loaders: %v, %v", loaders, err)
	}
	libraries, err := filepath.Glob(filepath.Join(dir, "usr/lib/*"))
	if err != nil || len(libraries) != 1 {
		t.Fatalf("folders of libraries: %v, %v", libraries, err)
	}
	cmd := exec.CommandContext(t.Context(), loaders[0], "--inhibit-cache", "--library-path", libraries[0],
		filepath.Join(dir, "usr/bin/grep"), "-P", "^Debian ", filepath.Join(dir, "etc/os-release"))
	cmd.Env = []string{"LC_ALL=C"}
	if text, err := cmd.CombinedOutput(); err != nil && len(text) > 0 {
		t.Errorf("run the copy: %v\n%s", err, text)
	}
}

// TestRoot takes a program from a directory with unpacked packages. They are not installed.
func TestRoot(t *testing.T) {
	for _, tool := range []string{"dpkg-query", "/usr/bin/grep"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("this is not Debian: %v", err)
		}
	}
	root, dir := t.TempDir(), t.TempDir()
	var out bytes.Buffer
	if err := run([]string{"-o", root, "/usr/bin/grep"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	writeDatabase(t, root)
	if err := run([]string{"-root", root, "-o", dir, "/usr/bin/grep"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "\nother-grep 1.0\n") {
		t.Errorf("no package other-grep 1.0:\n%s", &out)
	}
	link := filepath.Join(root, "usr/bin/outside")
	if err := os.Symlink("/usr/bin/grep", link); err != nil {
		t.Fatal(err)
	}
	err := run([]string{"-root", root, "-o", dir, "/usr/bin/outside"}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "outside "+root) {
		t.Errorf("link out of the root: got error %v, want one with %q", err, "outside "+root)
	}
}

// writeDatabase records in root's dpkg database one package with everything in root.
func writeDatabase(t *testing.T, root string) {
	t.Helper()
	var list []byte
	err := filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error {
		if path != root {
			list = append(list, strings.TrimPrefix(path, root)+"\n"...)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for to, data := range map[string]string{
		"/usr/share/doc/other-grep/copyright": "text",
		"/usr/lib/os-release":                 "ID=debian",
		"/var/lib/dpkg/info/other-grep.list":  string(list) + "/usr/lib/os-release\n",
		"/var/lib/dpkg/status": "Package: other-grep\nStatus: install ok installed\nArchitecture: all\n" +
			"Maintainer: A <a@example.org>\nVersion: 1.0\nDescription: text\n\n",
	} {
		if err := write(root, to, []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRefused(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, bytes.Repeat([]byte("text"), 99), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"no program", []string{"-o", "x"}, "usage"},
		{"no folder", []string{"/bin/sh"}, "usage"},
		{"no binary", []string{"-o", t.TempDir(), text}, "bad magic"},
		{"missing", []string{"-o", t.TempDir(), "/none"}, "/none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := run(tt.args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
		})
	}
}
