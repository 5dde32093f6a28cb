package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/internal/conformance"
	"github.com/kube-dns/kube-dns/internal/pause"
)

// A target is a server. Its objects and configuration are loaded outside of this program, or by
// kubectl and through a directory.
type target struct {
	server    string
	kubectl   []string // empty: only the objects of first steps are loaded
	configDir string   // empty: the configuration is the default one
	settle    time.Duration
	loaded    map[string]bool // objects of first steps, as JSON
	defaults  map[string]string
}

func newTarget(o options, files []conformance.File, resolver netip.AddrPort) *target {
	t := &target{
		server: o.server, kubectl: o.kubectl, configDir: o.configDir, settle: o.settle, loaded: map[string]bool{},
		defaults: map[string]string{"upstreamNameservers": fmt.Sprintf("[%q]", resolver)},
	}
	for _, file := range files {
		for _, object := range file.FirstObjects(o.endpoints) {
			t.loaded[key(object)] = true
		}
	}
	return t
}

// key returns an object as JSON.
func key(object conformance.Object) string {
	data, err := json.Marshal(object)
	if err != nil {
		return fmt.Sprint(object)
	}
	return string(data)
}

// Server implements [conformance.Target].
func (t *target) Server() string { return t.server }

// Configure implements [conformance.Target].
func (t *target) Configure(ctx context.Context, files map[string]string) error {
	if t.configDir == "" {
		if maps.Equal(files, t.defaults) {
			return nil
		}
		return fmt.Errorf("other configuration %w without -config-dir", conformance.ErrUnsupported)
	}
	if err := conformance.WriteConfigDir(t.configDir, files); err != nil {
		return err
	}
	return t.wait(ctx)
}

// Change implements [conformance.Target].
func (t *target) Change(ctx context.Context, apply []conformance.Object,
	del []conformance.Ref) (map[netip.Addr]netip.Addr, error) {
	if len(t.kubectl) == 0 {
		if len(del) > 0 || slices.ContainsFunc(apply, func(o conformance.Object) bool { return !t.loaded[key(o)] }) {
			return nil, fmt.Errorf("changes of objects %w without -kubectl", conformance.ErrUnsupported)
		}
		return nil, nil
	}
	if len(apply) > 0 {
		if err := t.kubectlDo(ctx, withNamespaces(apply), "apply", "-f", "-"); err != nil {
			return nil, err
		}
	}
	if len(del) > 0 {
		if err := t.kubectlDo(ctx, stubs(del), "delete", "--ignore-not-found", "-f", "-"); err != nil {
			return nil, err
		}
	}
	return nil, t.wait(ctx)
}

// stubs returns manifests with only the names of objects.
func stubs(refs []conformance.Ref) []conformance.Object {
	var out []conformance.Object
	for _, ref := range refs {
		version := "v1"
		if ref.Kind == "EndpointSlice" {
			version = "discovery.k8s.io/v1"
		}
		metadata := map[string]any{"name": ref.Name}
		if ref.Namespace != "" {
			metadata["namespace"] = ref.Namespace
		}
		out = append(out, conformance.Object{"apiVersion": version, "kind": ref.Kind, "metadata": metadata})
	}
	return out
}

// kubectlDo runs kubectl with objects as its input.
func (t *target) kubectlDo(ctx context.Context, objects []conformance.Object, args ...string) error {
	data, err := documents(objects)
	if err != nil {
		return err
	}
	args = slices.Concat(t.kubectl[1:], args)
	cmd := exec.CommandContext(ctx, t.kubectl[0], args...)
	cmd.Stdin = bytes.NewReader(data)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", t.kubectl[0], strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// wait waits until the server has had time to see a change.
func (t *target) wait(ctx context.Context) error {
	pause.For(ctx, t.settle)
	return ctx.Err()
}
