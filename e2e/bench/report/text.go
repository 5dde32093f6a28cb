package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/e2e/bench/dataset"
	"github.com/kube-dns/kube-dns/e2e/bench/peer"
)

const (
	ours       = "kube-dns"
	dnsperfMix = "a-dnsperf"
)

// Text returns all tables, as Markdown.
func Text(r *Results) string {
	var b strings.Builder
	b.WriteString(where(r))
	for _, s := range slices.Backward(r.Sets) {
		fmt.Fprintf(&b, "\n### The %s cluster: %s Services, %s headless endpoints\n", s.Name,
			thousands(float64(s.Services)), thousands(float64(s.Endpoints)))
		for _, part := range []struct{ title, body string }{
			{"CPU seconds of the server per million answers",
				s.mixTable(func(m MixRun) float64 { return m.CPU }, figure)},
			{"The same, as a multiple of kube-dns", s.ratioTable()},
			{"Answers a second from one core", s.mixTable(func(m MixRun) float64 { return m.QPS }, thousands)},
			{"CPU seconds per million answers, by process", s.processTable()},
			{"Latency in µs at half of those answers a second, at most 40,000", s.latencyTable()},
			{"Memory in MiB of all processes", s.memoryTable()},
			{"Start, changes and updates", s.changeTable()},
			{"Questions that were lost, and answers that were cut", s.lostTable()},
		} {
			if part.body != "" {
				fmt.Fprintf(&b, "\n**%s**\n\n%s", part.title, part.body)
			}
		}
	}
	b.WriteString(growText(r))
	return b.String()
}

func where(r *Results) string {
	m := r.Machine
	versions := make([]string, 0, len(m.Versions))
	for program, v := range m.Versions {
		versions = append(versions, program+" "+v)
	}
	slices.Sort(versions)
	others := append(others(r), 0)
	return fmt.Sprintf(`Measured %s to %s UTC at revision %s,
with %s, on %d cores of %s, Linux %s.
The other programs: %s.
Every figure is the median of %d turns of %.1f s. Meanwhile other programs took %.0f %% of the
server's core (median; at most %.0f %%). The load average was %.1f (median).
`, m.Start.Format(time.DateTime), m.End.Format(time.TimeOnly), m.Commit, m.Go, m.Cores, m.Processor, m.Kernel,
		strings.Join(versions, ", "), r.Turns, r.Seconds, 100*Median(others), 100*slices.Max(others), Median(m.Load))
}

func others(r *Results) []float64 {
	var out []float64
	for _, s := range r.Sets {
		for _, p := range s.Peers {
			for _, runs := range p.Mixes {
				for _, m := range runs {
					out = append(out, m.Other)
				}
			}
		}
	}
	return out
}

// each calls f for the measured peers, in order.
func (s *Set) each(f func(title string, p *Peer)) {
	for _, p := range peer.All() {
		if res := s.Peers[p.Name]; res != nil {
			f(p.Title, res)
		}
	}
}

// CPU returns the median CPU seconds per million replies, or 0 if not measured.
func (s *Set) CPU(peer, mix string) float64 {
	p := s.Peers[peer]
	if p == nil {
		return 0
	}
	return medianOf(p.Mixes[mix], func(m MixRun) float64 { return m.CPU })
}

var short = map[string]string{
	dataset.MixA: "A", dataset.MixSRV: "SRV", dataset.MixTen: "10 addr.", dataset.MixTenSRV: "10 targets",
	dataset.MixFifty: "50 addr.", dataset.MixPTR: "PTR", dataset.MixNX: "NXDOMAIN", dataset.MixReal: "search path",
	dataset.MixTCP: "A, TCP", dnsperfMix: "A, dnsperf",
}

// columns returns the mixes of the set's tables.
func (s *Set) columns() (names, head []string) {
	head = []string{"server"}
	for _, m := range s.Mixes {
		names, head = append(names, m.Name), append(head, short[m.Name])
	}
	return append(names, dnsperfMix), append(head, short[dnsperfMix])
}

func (s *Set) mixTable(value func(MixRun) float64, format func(float64) string) string {
	names, head := s.columns()
	t := table{head: head}
	s.each(func(title string, p *Peer) {
		row, asked := []string{title}, false
		for _, n := range names {
			cell := ""
			if runs := p.Mixes[n]; len(runs) > 0 {
				cell, asked = format(medianOf(runs, value)), true
			}
			row = append(row, cell)
		}
		if asked {
			t.add(row...)
		}
	})
	return t.String()
}

func (s *Set) ratioTable() string {
	names, head := s.columns()
	t := table{head: head}
	for _, p := range peer.All() {
		if s.Peers[p.Name] == nil || p.Name == ours || len(s.Peers[p.Name].Mixes) == 0 {
			continue
		}
		row := []string{p.Title}
		for _, n := range names {
			row = append(row, ratio(s.CPU(p.Name, n), s.CPU(ours, n)))
		}
		t.add(row...)
	}
	return t.String()
}

// processTable splits the CPU of servers with several processes.
func (s *Set) processTable() string {
	names, head := s.columns()
	t := table{head: head}
	s.each(func(title string, p *Peer) {
		labels := map[string]bool{}
		for _, runs := range p.Mixes {
			for _, m := range runs {
				for l := range m.ByProcess {
					labels[l] = true
				}
			}
		}
		if len(labels) < 2 {
			return
		}
		for _, l := range slices.Sorted(maps.Keys(labels)) {
			row := []string{title + ": " + l}
			for _, n := range names {
				row = append(row, figure(medianOf(p.Mixes[n], func(m MixRun) float64 { return m.ByProcess[l] })))
			}
			t.add(row...)
		}
	})
	return t.String()
}

func (s *Set) latencyTable() string {
	t := table{head: []string{"server", "mix", "answers/s", "p50", "p90", "p99", "p99.9", "lost"}}
	for _, mix := range []string{dataset.MixA, dataset.MixReal} {
		s.each(func(title string, p *Peer) {
			l := p.Latency[mix]
			if len(l) == 0 {
				return
			}
			of := func(f func(Latency) float64) string { return thousands(medianOf(l, f)) }
			t.add(title, short[mix], of(func(l Latency) float64 { return l.Rate }),
				of(func(l Latency) float64 { return l.P50 }),
				of(func(l Latency) float64 { return l.P90 }), of(func(l Latency) float64 { return l.P99 }),
				of(func(l Latency) float64 { return l.P999 }),
				of(func(l Latency) float64 { return float64(l.Lost) }))
		})
	}
	return t.String()
}

func (s *Set) memoryTable() string {
	t := table{head: []string{"server", "after start", "peak at start", "after the mixes", "by process"}}
	s.each(func(title string, p *Peer) {
		if len(p.Memory) == 0 {
			return
		}
		of := func(f func(Memory) float64) string { return figure(medianOf(p.Memory, f)) }
		parts := ""
		if by := p.Memory[0].ByProcess; len(by) > 1 {
			var list []string
			for _, l := range slices.Sorted(maps.Keys(by)) {
				list = append(list, l+" "+of(func(m Memory) float64 { return m.ByProcess[l] }))
			}
			parts = strings.Join(list, ", ")
		}
		t.add(title, of(func(m Memory) float64 { return m.AfterSync }), of(func(m Memory) float64 { return m.Peak }),
			of(func(m Memory) float64 { return m.AfterMixes }), parts)
	})
	return t.String()
}
