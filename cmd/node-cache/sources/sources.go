// Package sources makes the Corefile from its files and servers, and again when one of them
// changes: the template, the ConfigMap kube-dns, files that the Corefile imports or forwards to,
// and the addresses of stub servers given by name.
//
// Files are read each second. That needs no inotify, which some volumes lack.
package sources

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/kube-dns/kube-dns/cmd/node-cache/corefile"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
	"github.com/kube-dns/kube-dns/pkg/config"
)

// usualPeriod is the time between two reads.
const usualPeriod = time.Second

// Options configure Sources.
type Options struct {
	Config          options.Config
	Values          corefile.Values  // without stub domains and upstreams
	ClusterUpstream []netip.AddrPort // resolves stub servers given by name; can be empty
	// Failed counts an unusable file or ConfigMap.
	Failed func()
	Log    *slog.Logger
	Period time.Duration // between two reads; 0: one second
}

// A Candidate is a Corefile that could run. Candidates are compared with ==.
type Candidate struct {
	Text string // "": there is no Corefile
	Bare string // without the ConfigMap kube-dns
	// Made is false for a Corefile written by another program.
	Made bool
	// Servers and Stubs are those of the ConfigMap, for the log.
	Servers string
	Stubs   int
	// Imports is a hash of the files that the Corefile imports.
	Imports string
}

// Sources watch all inputs of a Corefile.
type Sources struct {
	opts   Options
	maps   chan config.Update
	hosts  *hosts
	faults Faults

	kubeDNS config.Config // the last valid one
	base    string        // the last readable template
}

// New returns Sources that have read nothing.
func New(opts Options) *Sources {
	opts.Period = cmp.Or(opts.Period, usualPeriod)
	return &Sources{
		opts: opts, maps: make(chan config.Update), hosts: newHosts(opts.ClusterUpstream),
	}
}

// Run calls apply with the first Candidate, and with each changed Candidate, until ctx is done.
func (s *Sources) Run(ctx context.Context, apply func(Candidate) error) error {
	group, ctx := errgroup.WithContext(ctx)
	dir := config.Dir{Path: s.kubeDNSDir(), Period: s.opts.Period}
	group.Go(func() error {
		return dir.Run(ctx, func(u config.Update) {
			select {
			case s.maps <- u:
			case <-ctx.Done():
			}
		})
	})
	group.Go(func() error { return s.hosts.run(ctx) })
	group.Go(func() error { return s.follow(ctx, apply) })
	return group.Wait()
}

// follow makes a Candidate after each event.
func (s *Sources) follow(ctx context.Context, apply func(Candidate) error) error {
	select {
	case u := <-s.maps:
		s.useMap(u)
	case <-ctx.Done():
		return nil
	}
	s.hosts.first(ctx)
	var last Candidate
	ticker := time.NewTicker(s.opts.Period)
	defer ticker.Stop()
	for first := true; ; first = false {
		if next := s.candidate(); first || next != last {
			if err := apply(next); err != nil {
				return err
			}
			last = next
		}
		select {
		case <-ctx.Done():
			return nil
		case u := <-s.maps:
			s.useMap(u)
		case <-s.hosts.changed:
		case <-ticker.C:
		}
	}
}

// useMap uses a ConfigMap, unless it is invalid.
func (s *Sources) useMap(u config.Update) {
	if u.Err == nil {
		s.kubeDNS = u.Config
		s.faults.News("map", nil)
		s.hosts.want(stubHosts(u.Config))
		return
	}
	if s.optional(u.Err) {
		return
	}
	if s.faults.News("map", u.Err) {
		s.opts.Failed()
		s.opts.Log.Error("Invalid config: the stub domains and upstream nameservers stay as they are", "err", u.Err)
	}
}
