package dnsmasq

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strconv"
	"time"

	"github.com/kube-dns/kube-dns/internal/process"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/cmdline"
)

// helpTime is how long dnsmasq can take to list its options.
const helpTime = 2 * time.Second

// readHelp returns the output of the dnsmasq at path about its options.
func readHelp(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, helpTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "--help")
	cmd.WaitDelay = helpTime // its children can keep the output open
	help, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s --help: %w", path, err)
	}
	return string(help), nil
}

// refusedOptions returns, in quotes, the options in args that the dnsmasq at path refuses on their
// own. Its message about a bad value names neither option nor value. It returns none if dnsmasq
// cannot run.
func refusedOptions(ctx context.Context, reaper *process.Reaper, path string, args []string) []string {
	ctx, cancel := context.WithTimeout(ctx, helpTime)
	defer cancel()
	accepts := func(option string) bool {
		p, err := reaper.Start(ctx, process.Options{Path: path, Args: []string{"--test", "--conf-file=/dev/null", option}})
		return err != nil || p.Wait().Code != 1 // which is a bad option
	}
	if !accepts("--keep-in-foreground") {
		return nil
	}
	var refused []string
	for _, option := range cmdline.Options(args) {
		if !accepts(option) {
			refused = append(refused, strconv.Quote(option))
		}
	}
	return refused
}

// startError explains why the dnsmasq at path cannot be run.
func startError(path string, err error) error {
	if wrapped, ok := errors.AsType[*fs.PathError](err); ok {
		err = wrapped.Err
	} else if wrapped, ok := errors.AsType[*exec.Error](err); ok {
		err = wrapped.Err
	}
	return fmt.Errorf("cannot start dnsmasq: -dnsmasqExec=%s: %w: set -dnsmasqExec to the path of an executable dnsmasq",
		path, err)
}
