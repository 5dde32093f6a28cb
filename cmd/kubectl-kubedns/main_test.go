package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runCommand runs a command line and returns its exit code and output.
func runCommand(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// TestUsage checks that a command line error prints one line.
func TestUsage(t *testing.T) {
	tests := []struct {
		name, args, want string
	}{
		{"unknown flag", "version --nothing", "unknown flag: --nothing: see kubectl kubedns version --help"},
		{"unknown command", "nothing", `there is no command "nothing": see kubectl kubedns --help`},
		{"unknown format", "version -o xml", `--output: "xml" is not a format: write one of table, json, yaml`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, errOut := runCommand(t, strings.Fields(tt.args)...)
			if code != codeUnknown || out != "" || strings.Count(errOut, "\n") != 1 {
				t.Errorf("got code %d, output %q, errors %q; want code 2 and one line of errors", code, out, errOut)
			}
			if !strings.Contains(errOut, tt.want) {
				t.Errorf("got %q, want %q in it", errOut, tt.want)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	for args, want := range map[string]string{
		"version": "kubectl-kubedns ", "--version": "kubectl-kubedns ", "version -o json": `"version": "`,
	} {
		if code, out, _ := runCommand(t, strings.Fields(args)...); code != codeOK || !strings.Contains(out, want) {
			t.Errorf("%s: got code %d, %q", args, code, out)
		}
	}
}

// TestCompletion checks the shell scripts, and the completions for kubectl.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if code, out, _ := runCommand(t, "completion", shell); code != codeOK ||
			!strings.Contains(out, "kubectl-kubedns") {
			t.Errorf("%s: got code %d", shell, code)
		}
	}
	if _, out, _ := runCommand(t, "__complete", "ver"); !strings.HasPrefix(out, "version\t") {
		t.Errorf("completion of %q: got %q", "ver", out)
	}
	const script = "kubectl_complete-kubedns"
	if info, err := os.Stat(script); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("%s: %v, want a file that can be executed", script, err)
	}
}
