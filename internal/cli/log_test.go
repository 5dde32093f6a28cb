package cli_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"k8s.io/klog/v2"

	"github.com/kube-dns/kube-dns/internal/cli"
)

// captureLog parses args and returns what klog would write to standard error.
func captureLog(t *testing.T, args ...string) *bytes.Buffer {
	t.Helper()
	keepKlog(t)
	var out bytes.Buffer
	if err := gnuFlags().Parse(append([]string{"--logtostderr=false", "--stderrthreshold=FATAL"}, args...)); err != nil {
		t.Fatal(err)
	}
	klog.SetOutput(&out) // used when the log does not go to standard error
	return &out
}

func TestLoggerLevels(t *testing.T) {
	ctx := context.Background()
	tests := map[string]struct {
		args  []string
		level slog.Level
		shown bool
	}{
		"info at 0":         {nil, slog.LevelInfo, true},
		"warning at 0":      {nil, slog.LevelWarn, true},
		"error at 0":        {nil, slog.LevelError, true},
		"debug at 0":        {nil, slog.LevelDebug, false},
		"level -2 at 1":     {[]string{"--v=1"}, -2, false},
		"level -2 at 2":     {[]string{"--v=2"}, -2, true},
		"debug at 3":        {[]string{"--v=3"}, slog.LevelDebug, false},
		"debug at 4":        {[]string{"-v=4"}, slog.LevelDebug, true},
		"this file at 4":    {[]string{"--vmodule=log_test=4"}, slog.LevelDebug, true},
		"other files at 4":  {[]string{"--vmodule=logger=4,handler=4"}, slog.LevelDebug, false},
		"this file below 4": {[]string{"--vmodule=log_test=3"}, slog.LevelDebug, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := captureLog(t, tt.args...)
			cli.Logger().With("zone", "cluster.local.").Log(ctx, tt.level, "hello")
			klog.Flush()
			if shown := out.Len() > 0; shown != tt.shown {
				t.Errorf("shown = %v, want %v: %s", shown, tt.shown, out)
			}
		})
	}
}

func TestLoggerFormat(t *testing.T) {
	out := captureLog(t, "--v=4", "--one-output")
	log := cli.Logger()
	log.Info("an info", "port", 53)
	log.Debug("a detail")
	log.Warn("a warning", "name", "two words")
	log.Error("an error", "err", errors.New("gone"))
	klog.Flush()
	const head = `\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ log_test\.go:\d+\] `
	want := regexp.MustCompile(`^I` + head + `"an info" port=53
I` + head + `"a detail"
W` + head + `"a warning" name="two words"
E` + head + `"an error" err="gone"
$`)
	if !want.Match(out.Bytes()) {
		t.Errorf("log does not match %s:\n%s", want, out)
	}
}

func TestLoggerKeepsWhatWithAdds(t *testing.T) {
	out := captureLog(t, "--one-output")
	cli.Logger().With("zone", "cluster.local.").With("try", 2).Info("hello", "err", "gone")
	klog.Flush()
	const want = `"hello" zone="cluster.local." try=2 err="gone"` + "\n"
	if !bytes.HasSuffix(out.Bytes(), []byte(want)) {
		t.Errorf("got %s, want %s", out, want)
	}
}

func TestLoggerJSON(t *testing.T) {
	keepKlog(t)
	t.Cleanup(klog.ClearLogger)
	out := captureStderr(t, func() {
		if err := gnuFlags().Parse([]string{"--logging-format=json", "--v=2"}); err != nil {
			t.Fatal(err)
		}
		log := cli.Logger().With("zone", "cluster.local.")
		log.Warn("a warning", "waited", 2*time.Second, "err", errors.New("gone"))
		log.Debug("not shown at 2")
		klog.V(2).InfoS("of a library", "port", 53)
		klog.V(3).InfoS("not shown either")
	})
	want := regexp.MustCompile(`^{"ts":\d+(\.\d+)?,"level":"WARN","v":0,"caller":"log_test\.go:\d+",` +
		`"msg":"a warning","zone":"cluster\.local\.","waited":"2s","err":"gone"}
{"ts":\d+(\.\d+)?,"level":"INFO","v":2,"caller":"log_test\.go:\d+","msg":"of a library","port":53}
$`)
	if !want.MatchString(out) {
		t.Errorf("got %s\nwant %s", out, want)
	}
	err := gnuFlags().Parse([]string{"--logging-format=yaml"})
	if err == nil || !strings.Contains(err.Error(), "must be text or json") {
		t.Errorf("--logging-format=yaml: got %v, want an error that names text and json", err)
	}
}

// captureStderr returns what f writes to standard error.
func captureStderr(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	before := os.Stderr
	os.Stderr = file
	f()
	os.Stderr = before
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
