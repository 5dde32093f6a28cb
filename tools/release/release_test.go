package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// release runs the command and returns its output.
func release(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(t.Context(), args, &out, io.Discard)
	return out.String(), err
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// images builds an archive for each of two architectures with the command mkimage. Each can have a
// label.
func images(t *testing.T, labels ...string) []string {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "file"), "text")
	var archives []string
	for i, arch := range []string{"amd64", "arm"} {
		out := filepath.Join(dir, arch+".tar")
		args := []string{"run", "../mkimage", "-o", out, "-name", "localhost/x:dev", "-arch", arch}
		if i < len(labels) {
			args = append(args, "-label", labels[i])
		}
		cmd := exec.CommandContext(t.Context(), "go", append(args, root)...)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		archives = append(archives, out)
	}
	return archives
}

// TestIndexAndPush joins images, pushes the index to a registry, and pulls it again.
func TestIndexAndPush(t *testing.T) {
	archives := images(t)
	dir := t.TempDir()
	out := filepath.Join(dir, "k8s-dns-x.tar")
	build := func(out string) {
		args := append([]string{"index", "-o", out, "-name", "registry.example/dns/k8s-dns-x:v1"}, archives...)
		if _, err := release(t, args...); err != nil {
			t.Fatal(err)
		}
	}
	build(out)
	again := filepath.Join(dir, "again.tar")
	build(again)
	first, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(again)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("two builds differ (error %v)", err)
	}

	server := httptest.NewServer(registry.New())
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	text, err := release(t, "push", "-insecure", "-registry", host+"/dns", "-tag", "v1.0.0", out)
	if err != nil {
		t.Fatal(err)
	}
	digest := strings.TrimSpace(text)
	if !strings.HasPrefix(digest, host+"/dns/k8s-dns-x:v1.0.0@sha256:") {
		t.Errorf("push printed %q", digest)
	}
	ref, err := name.ParseReference(host+"/dns/k8s-dns-x:v1.0.0", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, m := range manifest.Manifests {
		platforms = append(platforms, m.Platform.String())
	}
	if got := strings.Join(platforms, " "); got != "linux/amd64 linux/arm/v7" {
		t.Errorf("the index has platforms %s", got)
	}
}

// TestIndexOfOtherPackages joins images with different versions of dnsmasq.
func TestIndexOfOtherPackages(t *testing.T) {
	archives := images(t, "dnsmasq.version=2.90-4", "dnsmasq.version=2.90-5")
	out := filepath.Join(t.TempDir(), "x.tar")
	_, err := release(t, append([]string{"index", "-o", out, "-name", "localhost/x:v1"}, archives...)...)
	if err == nil || !strings.Contains(err.Error(), `dnsmasq.version is "2.90-5", and "2.90-4"`) {
		t.Errorf("got error %v, want one with both versions", err)
	}
}

func TestRefused(t *testing.T) {
	text := write(t, filepath.Join(t.TempDir(), "x.tar"), "not a tar")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "name one of the commands"},
		{[]string{"publish"}, "name one of the commands"},
		{[]string{"index", "-o", "x.tar"}, "archives of the images"},
		{[]string{"index", "-o", "x.tar", "-name", "x", text}, "-name, for example"},
		{[]string{"index", "-o", "x.tar", "-name", "localhost/x:1", text}, text},
		{[]string{"push", text}, "-registry REGISTRY"},
		{[]string{"push", "-registry", "Registry Example", "-tag", "v1", text}, "-registry, -tag"},
		{[]string{"notes", "-version", "v1"}, "changelog"},
		{[]string{"notes", "-version", "v1", text}, "no section 1"},
		{[]string{"provenance", "-version", "v1", text}, "-revision"},
		{[]string{"sign", "-key", text, text}, "no private key"},
	} {
		if _, err := release(t, tt.args...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got error %v, want one with %q", tt.args, err, tt.want)
		}
	}
}

func TestNotes(t *testing.T) {
	const changelog = `# Changelog

## Unreleased

New: [a](docs/faq.md#x).

## [1.1.0] - 2026-10-01

### Fixed

- A.

## 1.0.0

First.
`
	const link = "https://github.com/kube-dns/kube-dns/blob/v2.0.0/docs/faq.md#x"
	path := write(t, filepath.Join(t.TempDir(), "CHANGELOG.md"), changelog)
	for version, want := range map[string]string{
		"v1.1.0": "### Fixed\n\n- A.\n", "1.0.0": "First.\n", "v2.0.0": "New: [a](" + link + ").\n",
	} {
		if got, err := release(t, "notes", "-version", version, path); err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", version, got, err, want)
		}
	}
}

func TestProvenance(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "chart.tgz"), "abc")
	text, err := release(t, "provenance", "-version", "v1.0.0", "-registry", "registry.example/dns", "-revision",
		"0123", path)
	if err != nil {
		t.Fatal(err)
	}
	var s statement
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		t.Fatal(err)
	}
	const sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // SHA-256 of "abc", FIPS 180-2
	if len(s.Subject) != 1 || s.Subject[0].Name != "chart.tgz" || s.Subject[0].Digest["sha256"] != sum {
		t.Errorf("got subjects %v", s.Subject)
	}
	want := map[string]string{"target": "make release", "VERSION": "v1.0.0", "REGISTRY": "registry.example/dns"}
	if got := s.Predicate.BuildDefinition.ExternalParameters; !maps.Equal(got, want) {
		t.Errorf("got parameters %v, want %v", got, want)
	}
}
