package main

import (
	"fmt"
	"net"
	"strings"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/pkg/sidecar"
)

// probeFlag is the value of the repeatable flag --probe. It is a pflag.Value.
type probeFlag []sidecar.Target

// Set adds one probe. Labels must be unique, because they name the metrics.
func (f *probeFlag) Set(text string) error {
	t, err := sidecar.ParseTarget(text)
	if err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(t.Server)
	if err != nil {
		return fmt.Errorf("server %q: %w", t.Server, err)
	}
	if err := cli.CheckHost(host); err != nil {
		return fmt.Errorf("host %q: %w", host, err)
	}
	for _, other := range *f {
		if other.Label == t.Label {
			return fmt.Errorf("label %q is already taken by the probe %s: give each probe a label of its own", t.Label, other)
		}
	}
	*f = append(*f, t)
	return nil
}

// String returns the probes with all their fields, separated by blanks.
func (f *probeFlag) String() string {
	texts := make([]string, len(*f))
	for i, t := range *f {
		texts[i] = t.String()
	}
	return strings.Join(texts, " ")
}

// Type returns the kind of value for the help text.
func (f *probeFlag) Type() string { return "probe" }
