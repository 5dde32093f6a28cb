package cli_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"testing"

	"github.com/spf13/pflag"

	"github.com/kube-dns/kube-dns/internal/cli"
)

func TestExitCode(t *testing.T) {
	cause := errors.New("cause")
	tests := map[string]struct {
		err  error
		want int
	}{
		"nil":            {nil, 0},
		"help of pflag":  {pflag.ErrHelp, 0},
		"help of flag":   {fmt.Errorf("parse: %w", flag.ErrHelp), 0},
		"usage":          {cli.Usage(cause), 2},
		"listen":         {cli.Failed(cause), 1},
		"fatal":          {cli.Fatal(cause), 255},
		"failed":         {cli.Failed(cause), 1},
		"failed of nil":  {cli.Failed(nil), 0},
		"unknown":        {cause, 255},
		"wrapped":        {fmt.Errorf("serve: %w", cli.Failed(cause)), 1},
		"joined":         {errors.Join(cause, cli.Failed(cause)), 1},
		"outermost wins": {cli.Fatal(fmt.Errorf("serve: %w", cli.Failed(cause))), 255},
		"usage of nil":   {cli.Usage(nil), 0},
		"listen of nil":  {cli.Failed(nil), 0},
		"fatal of nil":   {cli.Fatal(nil), 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := cli.ExitCode(tt.err); got != tt.want {
				t.Errorf("ExitCode(%v) = %d, want %d", tt.err, got, tt.want)
			}
		})
	}
}

func TestCodedErrorKeepsItsCause(t *testing.T) {
	cause := errors.New("port is taken")
	err := cli.Failed(cause)
	if !errors.Is(err, cause) {
		t.Errorf("errors.Is(%v, cause) = false", err)
	}
	if got, want := err.Error(), "port is taken"; got != want {
		t.Errorf("Error() = %q, want %q", got, want)
	}
}

func TestReport(t *testing.T) {
	tests := map[string]struct {
		err      error
		wantCode int
		want     string
	}{
		"nothing":  {nil, 0, ""},
		"help":     {pflag.ErrHelp, 0, ""},
		"an error": {cli.Usage(errors.New("unknown flag: --x")), 2, "kube-dns: unknown flag: --x\n"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var stderr bytes.Buffer
			if got := cli.Report(&stderr, "kube-dns", tt.err); got != tt.wantCode {
				t.Errorf("code = %d, want %d", got, tt.wantCode)
			}
			if got := stderr.String(); got != tt.want {
				t.Errorf("stderr = %q, want %q", got, tt.want)
			}
		})
	}
}
