package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// clusterUp starts a control plane with the objects of some runs of the loader, cached from an
// earlier load if possible. Then the control plane is limited to the client's core. down stops it
// and removes its data.
func (b *bench) clusterUp(ctx context.Context, name string, loads [][]string) (kubeconfig string, down func(),
	err error) {
	b.step("%s: starting a control plane with its data", name)
	dir, err := os.MkdirTemp("", "kube-dns-bench.")
	if err != nil {
		return "", nil, err
	}
	args := []string{"up", dir, name}
	for _, l := range loads {
		args = append(args, strings.Join(l, " "))
	}
	down = func() {
		if err := b.script(context.WithoutCancel(ctx), "down", dir); err != nil {
			b.step("%s: stop the control plane: %v", name, err)
		}
		_ = os.RemoveAll(dir)
	}
	if err := b.script(ctx, args...); err != nil {
		down()
		return "", nil, fmt.Errorf("start a control plane: %w", err)
	}
	if err := b.script(ctx, "pin", dir, strconv.Itoa(b.clientCore)); err != nil {
		down()
		return "", nil, fmt.Errorf("pin the control plane to core %d: %w", b.clientCore, err)
	}
	return filepath.Join(dir, "kubeconfig"), down, nil
}

// clusterLoad adds the objects of some runs of the loader, on all cores.
func (b *bench) clusterLoad(ctx context.Context, kubeconfig string, loads [][]string) error {
	dir := filepath.Dir(kubeconfig)
	if err := b.script(ctx, "pin", dir, "0-"+strconv.Itoa(runtime.NumCPU()-1)); err != nil {
		return err
	}
	for _, l := range loads {
		if err := b.script(ctx, "load", dir, strings.Join(l, " ")); err != nil {
			return err
		}
	}
	return b.script(ctx, "pin", dir, strconv.Itoa(b.clientCore))
}

func (b *bench) script(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, b.cluster, args...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.WaitDelay = 10 * time.Second
	return cmd.Run()
}
