package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

func (s *Set) changeTable() string {
	t := table{head: []string{"server", "start to right answers, ms", "CPU of the start, s",
		"new Service after its event, ms", "after the request, ms", "CPU per endpoint update, ms", "updates/s"}}
	s.each(func(title string, p *Peer) {
		if len(p.StartMs) > 0 {
			t.add(title, figure(Median(p.StartMs)), figure(Median(p.StartCPU)), figure(Median(p.ChangeMs)),
				figure(Median(p.SendMs)), figure(Median(p.UpdateMs)), figure(Median(p.UpdateRate)))
		}
	})
	return t.String()
}

// lostTable lists lost and truncated replies, and response codes other than NOERROR and NXDOMAIN.
func (s *Set) lostTable() string {
	t := table{head: []string{"server", "mix", "lost", "answered", "cut", "NOERROR", "NXDOMAIN", "other"}}
	names, _ := s.columns()
	s.each(func(title string, p *Peer) {
		for _, n := range names {
			var lost, cut, answered, ok, absent int
			for _, m := range p.Mixes[n] {
				lost += m.Lost
				cut += m.Truncated
				ok += m.Rcodes["NOERROR"]
				absent += m.Rcodes["NXDOMAIN"]
				for _, c := range m.Rcodes {
					answered += c
				}
			}
			if other := answered - ok - absent; title != "echo (the floor)" && (lost > 0 || cut > 0 || other > 0) {
				share := func(c int) string { return fmt.Sprintf("%.1f %%", 100*float64(c)/float64(answered)) }
				t.add(title, short[n], thousands(float64(lost)), thousands(float64(answered)),
					thousands(float64(cut)), share(ok), share(absent), share(other))
			}
		}
	})
	if t.String() == "" {
		return "None, of any server in any mix.\n"
	}
	return t.String()
}

func growText(r *Results) string {
	if len(r.Grow) == 0 {
		return ""
	}
	t := table{head: []string{"Services", "endpoints", "RSS, MiB", "peak, MiB", "live heap, MiB", "start, ms",
		"CPU of the start, s", "CPU per update, ms"}}
	for _, g := range r.Grow {
		t.add(thousands(float64(g.Services)), thousands(float64(g.Endpoints)), figure(g.RSS), figure(g.Peak),
			figure(g.Heap),
			thousands(g.StartMs), figure(g.StartCPU), figure(Median(g.UpdateMs)))
	}
	u := table{head: []string{"endpoints of the Service", "of the changed slice", "CPU per update, ms"}}
	for _, p := range r.Updates {
		u.add(thousands(float64(p.Endpoints)), thousands(float64(p.SliceSize)), figure(Median(p.UpdateMs)))
	}
	return strings.Join([]string{
		"\n### A growing cluster\n", t.String(),
		"\nAbove, an update changes one slice of 50 endpoints. Here it changes a slice of a Service of another\nsize:\n",
		u.String(),
	}, "\n")
}

// binaries are listed with their sizes in MiB.
func binaries(m Machine) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(m.Binaries)) {
		list = append(list, fmt.Sprintf("%s %.1f", name, m.Binaries[name]))
	}
	return strings.Join(list, ", ")
}
