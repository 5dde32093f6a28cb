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

// TestProgramRuns lays out a program of Debian and runs it with nothing but what was
// laid out, by its own loader.
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
		if !exists(filepath.Join(dir, want)) {
			t.Errorf("there is no %s", want)
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
		t.Errorf("run what was laid out: %v\n%s", err, text)
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
