package cli_test

import (
	"bytes"
	"runtime/debug"
	"strconv"
	"testing"

	"github.com/spf13/pflag"

	"github.com/kube-dns/kube-dns/internal/cli"
)

func TestVersionOf(t *testing.T) {
	build := func(version string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}}
	}
	tests := map[string]struct {
		linked string
		info   *debug.BuildInfo
		want   string
	}{
		"linker wins":    {"v1.2.3", build("v9.9.9"), "v1.2.3"},
		"module version": {"", build("v1.4.0"), "v1.4.0"},
		"no version":     {"", build("(devel)"), "devel"},
		"empty version":  {"", build(""), "devel"},
		"no build info":  {"", nil, "devel"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := cli.VersionOf(tt.linked, tt.info); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestVersionFlag(t *testing.T) {
	text := "Kube-DNS " + cli.Version() + "\n"
	raw := strconv.Quote(cli.Version()) + "\n"
	tests := map[string]struct {
		args     []string
		want     string
		wantDone bool
		wantErr  bool
	}{
		"absent":     {args: nil},
		"bare":       {args: []string{"--version"}, want: text, wantDone: true},
		"true":       {args: []string{"--version=true"}, want: text, wantDone: true},
		"raw":        {args: []string{"--version=raw"}, want: raw, wantDone: true},
		"false":      {args: []string{"--version=false"}},
		"last wins":  {args: []string{"--version=raw", "--version=false"}},
		"not a bool": {args: []string{"--version=full"}, wantErr: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
			flag := cli.AddVersionFlag(fs)
			if err := fs.Parse(tt.args); (err != nil) != tt.wantErr {
				t.Fatalf("Parse(%q) = %v", tt.args, err)
			}
			var got bytes.Buffer
			if done := flag.Print(&got); done != tt.wantDone {
				t.Errorf("done = %v, want %v", done, tt.wantDone)
			}
			if got.String() != tt.want {
				t.Errorf("printed %q, want %q", got.String(), tt.want)
			}
		})
	}
}
