package conformance

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func shell(t *testing.T, script string) *process {
	t.Helper()
	p, err := startProcess("/bin/sh", []string{"-c", script})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProcessStop(t *testing.T) {
	cases := []struct{ name, script, want string }{
		{"in order", `trap 'echo stopped; exit 0' INT; echo ready; while :; do sleep 0.01; done`, ""},
		{"with an error", `trap 'exit 3' INT; echo ready; while :; do sleep 0.01; done`, "exit status 3"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := shell(t, c.script)
			for !strings.Contains(p.log.String(), "ready") {
				time.Sleep(time.Millisecond)
			}
			got := ""
			if err := p.stop(); err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestProcessExitsEarly(t *testing.T) {
	for script, want := range map[string]string{
		"exit 4":          "kube-dns exited early: exit status 4",
		"kill -SEGV $$":   "kube-dns exited early: signal: segmentation fault",
		"echo so; exit 0": "kube-dns exited early with code 0",
	} {
		p := shell(t, script)
		<-p.ended
		if got := p.stop().Error(); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q", script, got, want)
		}
	}
}

// The error of a process that never becomes ready has the end of its log.
func TestManifestTargetStartFails(t *testing.T) {
	m := &ManifestTarget{dir: t.TempDir()}
	if err := m.prepare(); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "kube-dns")
	if err := os.WriteFile(binary, []byte("#!/bin/sh\necho unknown flag >&2\nexit 2\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := m.start(t, binary, nil)
	for _, want := range []string{"is not ready", "exit status 2", "unknown flag"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestTail(t *testing.T) {
	log := new(tail)
	for i := range 100_000 {
		fmt.Fprintf(log, "line %d\n", i)
	}
	lines := strings.Split(log.String(), "\n")
	if len(lines) != tailLines || lines[0] != "line 99940" || lines[tailLines-1] != "line 99999" {
		t.Errorf("got %d lines, from %q to %q", len(lines), lines[0], lines[len(lines)-1])
	}
	if len(log.buf) > 2*tailBytes {
		t.Errorf("kept %d bytes", len(log.buf))
	}
}

func TestWriteConfigDir(t *testing.T) {
	dir := t.TempDir()
	for _, files := range []map[string]string{
		{},
		{"stubDomains": "{}", "upstreamNameservers": "[]"},
		{"upstreamNameservers": `["192.0.2.1"]`},
		{"upstreamNameservers": `["192.0.2.1"]`},
		{"federations": ""},
		{},
	} {
		if err := WriteConfigDir(dir, files); err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		hidden := 0
		for _, entry := range entries {
			if strings.HasPrefix(entry.Name(), ".") {
				hidden++
				continue
			}
			data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
			if err != nil {
				t.Fatal(err)
			}
			got[entry.Name()] = string(data)
		}
		if diff := cmp.Diff(files, got); diff != "" {
			t.Errorf("directory (-want +got):\n%s", diff)
		}
		if hidden != 2 { // the link, and one version
			t.Errorf("%d hidden entries, want 2", hidden)
		}
	}
}
