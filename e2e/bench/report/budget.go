package report

import (
	"fmt"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
)

// A budget is a target and its measured value.
type budget struct {
	what, want string
	got        float64
	unit       string
	met        bool
}

// budgets compares the results with the targets in docs/performance.md.
func budgets(r *Results) []budget {
	var out []budget
	for _, s := range r.Sets {
		out = append(out, s.cpuBudgets()...)
		if s.Name == "large" {
			out = append(out, s.portBudgets()...)
			out = append(out, s.costBudgets()...)
		}
	}
	for _, name := range []string{"dnsmasq-nanny", "sidecar"} {
		out = append(out, atMost("size of "+name, r.Machine.Binaries[name], 15, "MiB"))
	}
	return measured(out)
}

func measured(all []budget) []budget {
	var out []budget
	for _, b := range all {
		if b.got > 0 {
			out = append(out, b)
		}
	}
	return out
}

func atMost(what string, got, want float64, unit string) budget {
	return budget{what, "at most " + exact(want, unit), got, unit, got <= want}
}

func atLeast(what string, got, want float64, unit string) budget {
	return budget{what, "at least " + exact(want, unit), got, unit, got >= want}
}

func (s *Set) times(a, b, mix string) float64 {
	if s.CPU(b, mix) == 0 {
		return 0
	}
	return s.CPU(a, mix) / s.CPU(b, mix)
}

func (s *Set) cpuBudgets() []budget {
	var out []budget
	for _, m := range s.Mixes {
		out = append(out, atMost(s.Name+", "+m.Title+": kube-dns / echo", s.times(ours, "echo", m.Name), 1.35, "×"))
	}
	for _, static := range []string{"nsd", "knot"} {
		out = append(out, atMost(s.Name+", A: kube-dns / "+static, s.times(ours, static, dataset.MixA), 1, "×"))
	}
	for _, m := range []struct {
		name string
		want float64
	}{
		{dataset.MixA, 3.5}, {dataset.MixSRV, 3.5}, {dataset.MixTen, 6}, {dataset.MixFifty, 12}, {dataset.MixPTR,
			2.5}, {dataset.MixNX, 2.5},
	} {
		out = append(out, atLeast(s.Name+", "+short[m.name]+": CoreDNS plain / kube-dns",
			s.times("coredns", ours, m.name), m.want, "×"))
	}
	return append(out, atMost(s.Name+", A over TCP: kube-dns / CoreDNS plain",
		s.times(ours, "coredns", dataset.MixTCP), 0.6, "×"))
}

func (s *Set) portBudgets() []budget {
	return []budget{
		atLeast("search path at port 53: dnsmasq and CoreDNS / cluster-first",
			s.times("dnsmasq-coredns", "cluster-first", dataset.MixReal), 6, "×"),
		atLeast("search path at port 53: drop-in / cluster-first",
			s.times("drop-in", "cluster-first", dataset.MixReal), 4, "×"),
	}
}

func (s *Set) costBudgets() []budget {
	us, core := s.Peers[ours], s.Peers["coredns"]
	if us == nil {
		return nil
	}
	of := func(f func(Memory) float64) float64 { return medianOf(us.Memory, f) }
	out := []budget{
		atMost("memory after the start", of(func(m Memory) float64 { return m.AfterSync }), 40, "MiB"),
		atMost("peak at the start, streamed", of(func(m Memory) float64 { return m.Peak }), 60, "MiB"),
		atMost("memory after every mix", of(func(m Memory) float64 { return m.AfterMixes }), 45, "MiB"),
		atMost("new Service to its first answer, after the event", Median(us.ChangeMs), 2, "ms"),
	}
	if core != nil && len(core.StartMs) > 0 && len(core.UpdateMs) > 0 {
		out = append(out,
			atMost("start: kube-dns / CoreDNS plain", Median(us.StartMs)/Median(core.StartMs), 1, "×"),
			atMost("CPU per endpoint update: kube-dns / CoreDNS plain", Median(us.UpdateMs)/Median(core.UpdateMs),
				0.75, "×"))
	}
	return out
}

func exact(v float64, unit string) string { return fmt.Sprintf("%.2f %s", v, unit) }

func budgetTable(r *Results) string {
	t := table{head: []string{"what", "budget", "measured", "met"}}
	for _, b := range budgets(r) {
		met := "yes"
		if !b.met {
			met = "**no**"
		}
		t.add(b.what, b.want, exact(b.got, b.unit), met)
	}
	return t.String()
}
