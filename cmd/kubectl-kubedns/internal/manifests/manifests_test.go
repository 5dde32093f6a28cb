package manifests

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// read returns the kinds of the objects of paths, and the files.
func read(t *testing.T, stdin string, paths ...string) (kinds, files []string, err error) {
	t.Helper()
	files, err = Read(paths, strings.NewReader(stdin), func(kind string, _ []byte) error {
		kinds = append(kinds, kind)
		return nil
	})
	return kinds, files, err
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a.yaml": "kind: Service\n---\n---\n" +
			"kind: List\nitems: [{kind: ConfigMap}, {kind: PodList, items: [{kind: Pod}]}]\n",
		"b.json": `{"kind": "Deployment"} {"kind": "Secret"}`, "c.txt": "kind: [", "before/d.yaml": "kind: Old\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	kinds, files, err := read(t, "kind: Node\n", dir, "-", filepath.Join(dir, "before", "d.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Service", "ConfigMap", "Pod", "Deployment", "Secret", "Node", "Old"}
	if !slices.Equal(kinds, want) {
		t.Errorf("got the objects %v, want %v", kinds, want)
	}
	want = []string{"a.yaml", "b.json", "stdin", "before/d.yaml"}
	for i, name := range want {
		if name != "stdin" {
			want[i] = filepath.Join(dir, name)
		}
	}
	if !slices.Equal(files, want) {
		t.Errorf("got the files %v, want %v", files, want)
	}
}

// An error is one line with the file name.
func TestErrors(t *testing.T) {
	empty := t.TempDir()
	for path, want := range map[string]string{
		"missing.yaml": "-f stat missing.yaml: no such file or directory",
		empty:          "-f " + empty + ": no *.yaml, *.yml or *.json in it: name its directories if they have some",
		"-":            "-f stdin: document 2: ",
	} {
		_, _, err := read(t, "kind: Service\n---\nkind: Deployment\n  spec: [1]\n", path)
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
}
