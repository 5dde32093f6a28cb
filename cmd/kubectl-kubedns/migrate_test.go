package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const migrateInputs = "internal/migrate/testdata/"

func TestMigrateFiles(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	helm := []string{"migrate", "--to", "kube-dns", "-f", migrateInputs + "helm/in.yaml", "--registry",
		"registry.example"}
	code, text, errText := runCommand(t, append(helm, "--out", out)...)
	if code != codeFindings || !strings.Contains(text, "refused  MG41") || !strings.Contains(errText, "--accept MG41") {
		t.Errorf("refused: got code %d, output\n%s%s", code, text, errText)
	}
	if _, err := os.Stat(out); !os.IsNotExist(err) {
		t.Errorf("a refused setting is not accepted, and %s was written: %v", out, err)
	}
	code, _, errText = runCommand(t, append(helm, "--accept", "MG41", "--out", out)...)
	if code != codeOK || !strings.Contains(errText,
		"the way back:   kubectl kubedns migrate --to coredns -n kube-system --apply") {
		t.Errorf("accepted: got code %d, %s", code, errText)
	}
	for _, name := range []string{"kustomization.yaml", "deployment.yaml", "values.yaml", "before/coredns.yaml"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	code, text, errText = runCommand(t, "check", "-f", out)
	if code != codeOK || !strings.Contains(text, "ok    KD104") ||
		!strings.Contains(text, filepath.Join(out, "deployment.yaml")+"\n") || strings.Contains(text, "before") {
		t.Errorf("check of what will be applied: got code %d, output\n%s%s", code, text, errText)
	}
	before := filepath.Join(out, "before")
	code, text, errText = runCommand(t, "check", "-f", out, "-f", before, "--only", "KD104", "-o", "name")
	if code != codeOK || text != "KD104\n" {
		t.Errorf("check of both: got code %d, output\n%s%s", code, text, errText)
	}
	code, _, errText = runCommand(t, append(helm, "--accept", "MG41", "--out", out)...)
	if code != codeUnknown || !strings.Contains(errText, "the folder is not empty") {
		t.Errorf("again: got code %d, %s", code, errText)
	}
	code, text, _ = runCommand(t, append(helm, "-o", "json", "--accept", "MG41")...)
	if code != codeOK || !strings.Contains(text, `"zone": "cluster.local"`) || !strings.Contains(text, `"code": "MG41"`) {
		t.Errorf("json: got code %d\n%s", code, text)
	}
}

// An error is one line.
func TestMigrateErrors(t *testing.T) {
	in := migrateInputs + "kubeadm/in.yaml"
	broken := filepath.Join(t.TempDir(), "broken.yaml")
	text, err := os.ReadFile(in)
	if err != nil {
		t.Fatal(err)
	}
	unclosed := strings.Replace(string(text), "        loadbalance\n    }", "        loadbalance", 1)
	if err := os.WriteFile(broken, []byte(unclosed), 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"":                               "--to is missing: write --to kube-dns or --to coredns",
		"--to bind":                      `--to "bind": write kube-dns or coredns`,
		"--to kube-dns -f missing.yaml":  "-f stat missing.yaml: no such file or directory",
		"--to kube-dns --apply -f " + in: "--apply needs a cluster: leave -f out, or write the manifests with --out",
		"--to coredns -f " + in:          "deployment/coredns runs coredns already: nothing to do",
		"--to kube-dns --out x -f " + in: "--registry is missing: write where the images of kube-dns are",
		"--to kube-dns -f " + broken:     "this brace is never closed",
		"--to kube-dns -n other -f " + in: "no Deployment in namespace other has an image coredns: there are no " +
			"Deployments",
		"--to kube-dns --kubeconfig none.yaml": "none.yaml",
	} {
		code, _, errText := runCommand(t, append([]string{"migrate"}, strings.Fields(args)...)...)
		if code != codeUnknown || strings.Count(errText, "\n") != 1 || !strings.Contains(errText, want) {
			t.Errorf("%s: got code %d, %q, want %q in one line", args, code, errText, want)
		}
	}
}
