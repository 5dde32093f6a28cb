package cli_test

import (
	"bytes"
	"errors"
	"flag"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
	"k8s.io/klog/v2"

	"github.com/kube-dns/kube-dns/internal/cli"
)

// keepKlog restores klog's state at the end of the test.
func keepKlog(t *testing.T) {
	restore := klog.CaptureState().Restore
	t.Cleanup(func() {
		cli.StopLogging()
		restore()
	})
}

func gnuFlags() *pflag.FlagSet {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	cli.AddGNUFlags(fs)
	return fs
}

func TestGNUFlagsOfOldManifests(t *testing.T) {
	tests := map[string]struct {
		args      []string
		flag      string
		wantValue string
	}{
		"v":                       {[]string{"--v=2"}, "v", "2"},
		"v, one dash":             {[]string{"-v=2"}, "v", "2"},
		"v, separate value":       {[]string{"-v", "2"}, "v", "2"},
		"vmodule":                 {[]string{"--vmodule=server=4,kube*=2"}, "vmodule", "server=4,kube*=2"},
		"flush frequency":         {[]string{"--log-flush-frequency=1m"}, "log-flush-frequency", "1m"},
		"flush, underscores":      {[]string{"--log_flush_frequency", "10s"}, "log-flush-frequency", "10s"},
		"logtostderr":             {[]string{"--logtostderr"}, "logtostderr", "true"},
		"logtostderr=true":        {[]string{"--logtostderr=true"}, "logtostderr", "true"},
		"alsologtostderr":         {[]string{"--alsologtostderr"}, "alsologtostderr", "true"},
		"stderrthreshold":         {[]string{"--stderrthreshold=INFO"}, "stderrthreshold", "0"},
		"stderrthreshold, number": {[]string{"--stderrthreshold=1"}, "stderrthreshold", "1"},
		"log_dir":                 {[]string{"--log_dir=/var/log"}, "log_dir", "/var/log"},
		"log-dir":                 {[]string{"--log-dir", "/var/log"}, "log_dir", "/var/log"},
		"log_file":                {[]string{"--log_file=x.log"}, "log_file", "x.log"},
		"log_file_max_size":       {[]string{"--log_file_max_size=10"}, "log_file_max_size", "10"},
		"log_backtrace_at":        {[]string{"--log_backtrace_at=server.go:10"}, "log_backtrace_at", "server.go:10"},
		"skip_headers":            {[]string{"--skip_headers"}, "skip_headers", "true"},
		"one_output":              {[]string{"--one_output=false"}, "one_output", "false"},
		"add_dir_header":          {[]string{"--add_dir_header"}, "add_dir_header", "true"},
		"skip_log_headers":        {[]string{"--skip_log_headers"}, "skip_log_headers", "true"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			keepKlog(t)
			fs := gnuFlags()
			if err := fs.Parse(tt.args); err != nil {
				t.Fatalf("Parse(%q): %v", tt.args, err)
			}
			f := fs.Lookup(tt.flag)
			if f == nil {
				t.Fatalf("no flag %q", tt.flag)
			}
			if got := f.Value.String(); got != tt.wantValue {
				t.Errorf("--%s = %q, want %q", tt.flag, got, tt.wantValue)
			}
		})
	}
}

func TestGNUFlagsRefused(t *testing.T) {
	tests := map[string][]string{
		"not a number":      {"--v=high"},
		"not a duration":    {"--log-flush-frequency=often"},
		"no duration":       {"--log-flush-frequency=0"},
		"vmodule, no level": {"--vmodule=server"},
		"unknown threshold": {"--stderrthreshold=LOUD"},
		"unknown flag":      {"--verbose"},
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			keepKlog(t)
			if err := gnuFlags().Parse(args); err == nil {
				t.Errorf("Parse(%q) = nil, want an error", args)
			}
		})
	}
}

func TestGNUFlagsHelp(t *testing.T) {
	const want = "" +
		`      --log-flush-frequency time    maximum time before buffered lines are written to a log file ` +
		`(default 5s)
      --logging-format format       format of the log: text, or json for one object a line, ` +
		`without --vmodule and log files (default "text")
  -v, --v level                     log level: 0 is normal, 2 is usual in clusters, 4 is for debugging
      --vmodule pattern=level,...   log level of single source files, as pattern=level,...; example: server=4,kube*=2
`
	if diff := cmp.Diff(want, gnuFlags().FlagUsages()); diff != "" {
		t.Errorf("help (-want +got):\n%s", diff)
	}
}

func TestUnderscoresInEveryFlag(t *testing.T) {
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	before := fs.Int("dns_port", 53, "")
	cli.AddGNUFlags(fs)
	after := fs.String("config-dir", "", "")
	if err := fs.Parse([]string{"--dns-port=10053", "--config_dir=/x"}); err != nil {
		t.Fatal(err)
	}
	if *before != 10053 || *after != "/x" {
		t.Errorf("got %d and %q", *before, *after)
	}
}

func TestGoFlagDefaults(t *testing.T) {
	keepKlog(t)
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	cli.AddGoFlags(fs)
	got := map[string]string{}
	fs.VisitAll(func(f *flag.Flag) { got[f.Name] = f.DefValue })
	want := map[string]string{
		"v": "0", "vmodule": "", "logging-format": "text",
		"logtostderr": "true", "alsologtostderr": "false", "stderrthreshold": "2", "one_output": "false",
		"log_dir": "", "log_file": "", "log_file_max_size": "1800", "log_backtrace_at": ":0",
		"add_dir_header": "false", "skip_headers": "false", "skip_log_headers": "false",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	args := []string{"-v=2", "--vmodule", "a=1", "-logtostderr", "--alsologtostderr=false", "-stderrthreshold=0"}
	if err := fs.Parse(args); err != nil {
		t.Errorf("Parse(%q): %v", args, err)
	}
}

// parse runs a flag set with one flag, --port, of either kind over args.
func parse(kind string, args []string, stdout *bytes.Buffer) error {
	const about = "Usage: test [flags]\n\nExample:\n  test --port=1\n"
	if kind == "GNU" {
		fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
		fs.Int("port", 53, "the port")
		return cli.ParseGNU(fs, args, about, stdout)
	}
	fs := flag.NewFlagSet("test", flag.ContinueOnError)
	fs.Int("port", 53, "the port")
	return cli.ParseGo(fs, args, about, stdout)
}

func TestParse(t *testing.T) {
	const help = "Usage: test [flags]\n\nExample:\n  test --port=1\n\nFlags:\n"
	gnuHelp := help + "      --port int   the port (default 53)\n"
	goHelp := help + "  -port int\n    \tthe port (default 53)\n"
	tests := map[string]struct {
		kind    string
		args    []string
		stdout  string
		code    int
		message string // what the error must name
	}{
		"GNU":             {kind: "GNU", args: []string{"--port=1", "ignored"}},
		"GNU, help":       {kind: "GNU", args: []string{"--help"}, stdout: gnuHelp},
		"GNU, short help": {kind: "GNU", args: []string{"-h"}, stdout: gnuHelp},
		"GNU, bad value": {kind: "GNU", args: []string{"--port=x"}, code: 2,
			message: "--port=x: want a whole number, such as 2; see --help"},
		"GNU, unknown flag": {kind: "GNU", args: []string{"--prot=1"}, code: 2, message: "--prot"},
		"Go":                {kind: "Go", args: []string{"-port", "1"}},
		"Go, help":          {kind: "Go", args: []string{"-help"}, stdout: goHelp},
		"Go, short help":    {kind: "Go", args: []string{"-h"}, stdout: goHelp},
		"Go, bad value":     {kind: "Go", args: []string{"--port=x"}, code: 2, message: "-port"},
		"Go, unknown flag":  {kind: "Go", args: []string{"-prot=1"}, code: 2, message: "-prot"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var stdout bytes.Buffer
			err := parse(tt.kind, tt.args, &stdout)
			if got := cli.ExitCode(err); got != tt.code {
				t.Errorf("exit code %d, want %d (%v)", got, tt.code, err)
			}
			if wantErr := tt.stdout != "" || tt.code != 0; (err != nil) != wantErr {
				t.Errorf("err = %v, want one: %v", err, wantErr)
			}
			if isHelp := errors.Is(err, pflag.ErrHelp); isHelp != (tt.stdout != "") {
				t.Errorf("err = %v, help wanted: %v", err, tt.stdout != "")
			}
			if err != nil && !strings.Contains(err.Error(), tt.message) {
				t.Errorf("err = %v, want it to name %s", err, tt.message)
			}
			if diff := cmp.Diff(tt.stdout, stdout.String()); diff != "" {
				t.Errorf("stdout (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLogFlags(t *testing.T) {
	keepKlog(t)
	fs := gnuFlags()
	fs.Int("dns-port", 53, "")
	if err := fs.Parse([]string{"--dns-port=10053", "--logtostderr"}); err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	noTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	cli.LogFlags(fs, slog.New(slog.NewTextHandler(&buf, &slog.HandlerOptions{ReplaceAttr: noTime})))
	want := `level=INFO msg="using a flag" name=--dns-port value=10053
level=INFO msg="using a flag" name=--log-flush-frequency value=5s
level=INFO msg="using a flag" name=--logging-format value=text
level=INFO msg="using a flag" name=--logtostderr value=true
level=INFO msg="using a flag" name=--v value=0
level=INFO msg="using a flag" name=--vmodule value=""
`
	if diff := cmp.Diff(want, buf.String()); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}
