package manifest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/kube-dns/kube-dns/internal/pause"
	kubedns "github.com/kube-dns/kube-dns/pkg/dns"
)

const (
	period = 500 * time.Millisecond
	// settleTime is how soon a change is checked again. A file is read only if two looks find the
	// same state.
	settleTime = 100 * time.Millisecond
)

// A Source is a [kubedns.Source] that reads a directory of manifests and follows its changes. Its
// fields must not be changed after a call of Run. Any goroutine may call Status at any time.
type Source struct {
	// Dir is the directory, the value of the flag --manifests.
	Dir string
	// Log receives changes and errors; nil discards.
	Log *slog.Logger

	status atomic.Pointer[Status]
}

// Status is the immutable state of a Source, for people and metrics.
type Status struct {
	// Files is the number of files in use, Broken the number of invalid ones among them.
	Files, Broken int
	// Errors lists the current problems: one for each broken file, and one if the directory cannot
	// be read or has no manifest.
	Errors []string
}

// Status returns the state as of the last look.
func (s *Source) Status() Status { return *cmp.Or(s.status.Load(), &Status{}) }

// Run implements [kubedns.Source]. It returns an error only if the directory cannot be read at
// startup.
func (s *Source) Run(ctx context.Context, z *kubedns.Zone) error {
	log := cmp.Or(s.Log, slog.New(slog.DiscardHandler))
	r := &run{Source: s, zone: z, tracker: tracker{dir: s.Dir, log: log, files: map[string]*file{}}}
	z.SetLocator(r.locate)
	if _, _, err := r.look(time.Now(), true); err != nil {
		return fmt.Errorf("--manifests=%s: name a directory of manifests that can be read: %w", s.Dir, err)
	}
	r.publish()
	z.MarkPartial()
	r.report(true)
	for next := period; pause.For(ctx, next); {
		changed, unsettled, _ := r.look(time.Now(), false) // the tracker logs and keeps the error
		if changed {
			r.publish()
		}
		r.report(changed)
		next = period
		if unsettled {
			next = settleTime
		}
	}
	return nil
}

// A run is the state of one Source.Run. Only its goroutine uses it, except for location.
type run struct {
	*Source
	tracker
	zone   *kubedns.Zone
	view   view
	warned []string // conflicts between files that were logged
	empty  bool     // the directory holds no manifest, which was logged
	// location is read by queries.
	location atomic.Pointer[kubedns.Location]
}

// publish merges the files and applies the differences to the zone.
func (r *run) publish() {
	next, conflicts := merge(r.sorted())
	for _, c := range conflicts {
		if !slices.Contains(r.warned, c) {
			r.log.Warn("found an object in two manifests", "conflict", c)
		}
	}
	r.warned = conflicts
	r.zone.ReplaceServices(next.services)
	r.zone.ReplaceEndpoints(next.endpoints)
	r.zone.Publish()
	r.location.Store(next.location)
	r.view = next
}

// report publishes the Status, and logs it if objects changed. The zone is complete once there are
// files and each was usable, because a file that was never read can hold any name.
func (r *run) report(changed bool) {
	st := Status{Files: len(r.files)}
	if r.err != nil {
		st.Errors = append(st.Errors, r.err.Error())
	}
	complete := st.Files > 0
	for _, f := range r.sorted() {
		if f.err != nil {
			st.Broken++
			st.Errors = append(st.Errors, f.err.Error())
		}
		complete = complete && f.usable
	}
	if st.Files == 0 {
		err := fmt.Errorf("--manifests=%s: the directory holds no *.yaml, *.yml or *.json file: put one there", r.Dir)
		if !r.empty {
			r.log.Warn("found no manifests", "err", err)
		}
		st.Errors = append(st.Errors, err.Error())
	}
	r.empty = st.Files == 0
	if complete && !r.zone.HasSynced() {
		r.zone.MarkSynced()
	}
	if changed {
		r.log.Info("applied the manifests", "dir", r.Dir, "files", st.Files, "broken", st.Broken, "services",
			len(r.view.services), "endpoints", len(r.view.endpoints), "nodes", r.view.nodes, "ignored", r.view.ignored)
	}
	r.status.Store(&st)
}

// locate is the zone's locator. Any goroutine may call it; it does not block.
func (r *run) locate(context.Context) (kubedns.Location, error) {
	if l := r.location.Load(); l != nil {
		return *l, nil
	}
	return kubedns.Location{}, fmt.Errorf("no Node in %s has labels for both zone and region", r.Dir)
}
