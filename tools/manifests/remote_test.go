package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// TestRemote renders the overlay example outside of the repository, with base and components from a
// git URL, as docs/install.md describes.
func TestRemote(t *testing.T) {
	repository := t.TempDir()
	if err := os.CopyFS(filepath.Join(repository, "manifests"), os.DirFS("../../manifests")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"init", "--quiet"}, {"add", "."},
		{"-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message=manifests"},
		{"tag", "v1.0.0"},
	} {
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", repository}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	mine := t.TempDir()
	for _, name := range []string{"kustomization.yaml", "cluster.yaml"} {
		text, err := os.ReadFile("../../manifests/overlays/example/" + name)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		for i, line := range lines {
			if path, ok := strings.CutPrefix(line, "  - ../../"); ok {
				lines[i] = "  - file://" + repository + "//manifests/" + path + "?ref=v1.0.0"
			}
		}
		if err := os.WriteFile(filepath.Join(mine, name), []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), mine)
	if err != nil {
		t.Fatal(err)
	}
	got, err := objects.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	if want := rendered(t, "overlays/example"); string(got) != string(want) {
		t.Error("the overlay differs from the one inside the repository")
	}
}
