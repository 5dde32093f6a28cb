//go:build chaos

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// reportFile has the table between two marks.
const (
	reportFile  = "../docs/reliability.md"
	reportBegin = "<!-- The table is made by: make chaos UPDATE=1 -->"
	reportEnd   = "<!-- End of the table. -->"
)

// A target is what a harm may do, in comparison with the control run.
type target int

const (
	// shown only: the documentation gives the reason.
	noTarget target = iota
	// asControl: no more queries lost, refused, failed or wrong.
	asControl
	// shortGap: no gap of 100 ms.
	shortGap
	// noneLost: all that was sent before the end is answered, and what comes
	// after it is refused at once, by a reply or by the closed port. The end is
	// one moment: the only gap is from there to the end of the load.
	noneLost
	// neverWrong: no answer contradicts the objects.
	neverWrong
	// fewLost: at most 5 queries in 1,000 more than in the control run. A change
	// of upstreams loses those that are pending at a removed server after 6 s:
	// an option that sends them again would make a storm of a forwarding loop.
	fewLost
)

func (t target) String() string {
	return [...]string{"none", "as control", "gap < 100 ms", "0 lost", "0 wrong", "5 in 1000"}[t]
}

// gapTarget is what shortGap allows.
const gapTarget = 100 * time.Millisecond

// A row is one line of the report: what was done, and what became of the
// queries of some classes, with the harm and without.
type row struct {
	number, harm, scope string
	target              target
	with, without       summary
	// pairs are the bad queries with and without, where the pair was run more
	// than once; the target is for their medians.
	pairs [][2]int
	note  string
}

// noise is how many more bad queries than the control's say nothing: one in
// ten thousand, or three.
func noise(sent int) int { return max(3, sent/10_000) }

// order is the number of the case.
func (r row) order() int {
	n, _ := strconv.Atoi(r.number) // all are numbers
	return n
}

// missed is the reason why the target was not met; empty when it was.
func (r row) missed() string {
	harm, control := r.with.bad(), r.without.bad()
	if len(r.pairs) > 0 {
		harm, control = median(r.pairs, 0), median(r.pairs, 1)
	}
	switch r.target {
	case asControl:
		if allowed := control + noise(r.with.sent); harm > allowed {
			return fmt.Sprintf("%d lost, refused, failed or wrong, %d in the control run", harm, control)
		}
	case fewLost:
		// The pairs are added up in sent, and their median is compared.
		runs := max(1, len(r.pairs))
		if allowed := control + 5*r.with.sent/runs/1000; harm > allowed {
			return fmt.Sprintf("%d lost, refused, failed or wrong, %d in the control run", harm, control)
		}
	case shortGap:
		if r.with.gap >= gapTarget && r.with.gap > r.without.gap {
			return fmt.Sprintf("no right answer for %v", ms(r.with.gap))
		}
	case noneLost:
		if n := r.with.lost + r.with.failed + r.with.wrong; n > 0 {
			return fmt.Sprintf("%d lost, failed or wrong", n)
		}
	case neverWrong:
		if r.with.wrong > 0 {
			return fmt.Sprintf("%d answers contradict the objects", r.with.wrong)
		}
	}
	if r.target != noTarget && r.with.sent == 0 {
		return "nothing was asked"
	}
	return ""
}

// record adds a row to the report, and fails the test when its target is
// missed.
func (c *chaos) record(t *testing.T, r row, harm, control *score) {
	t.Helper()
	r.number = c.number
	t.Logf("%s, %s\n     harm: %v\n  control: %v", r.harm, r.scope, r.with, r.without)
	if why := r.missed(); why != "" {
		t.Errorf("target %q missed: %s: %s (%s)", r.target, r.harm, why, r.scope)
	}
	if r.with.bad() > 0 && harm != nil {
		t.Logf("with the harm (longest pause of the load itself %v):\n%s", ms(harm.stall), harm.trouble())
	}
	if r.without.bad() > 0 && control != nil {
		t.Logf("without it (longest pause of the load itself %v):\n%s", ms(control.stall), control.trouble())
	}
	c.rows = append(c.rows, r)
}

// table renders the report.
func (c *chaos) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n", c.machine())
	b.WriteString("| | harm | queries | asked | lost | refused | failed | wrong | longest gap, ms | slowest, ms | target | |\n")
	b.WriteString("|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	slices.SortStableFunc(c.rows, func(a, b row) int { return a.order() - b.order() })
	for _, r := range c.rows {
		pair := func(f func(summary) int) string { return fmt.Sprintf("%d / %d", f(r.with), f(r.without)) }
		met := "met"
		switch {
		case r.target == noTarget:
			met = ""
		case r.missed() != "":
			met = "**missed**"
		}
		if r.note != "" {
			met = strings.TrimSpace(met + " " + r.note)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %v | %s |\n", r.number, r.harm, r.scope,
			pair(func(s summary) int { return s.sent }), pair(func(s summary) int { return s.lost }),
			pair(func(s summary) int { return s.refused + s.noSocket }), pair(func(s summary) int { return s.failed }),
			pair(func(s summary) int { return s.wrong }), pair(func(s summary) int { return int(s.gap.Milliseconds()) }),
			pair(func(s summary) int { return int(s.slowest.Milliseconds()) }), r.target, met)
	}
	return b.String()
}

// machine describes the machine of the figures.
func (c *chaos) machine() string {
	version := "dnsmasq"
	if out, err := exec.Command("dnsmasq", "--version").Output(); err == nil {
		if words := strings.Fields(string(out)); len(words) > 2 {
			version = "dnsmasq " + words[2]
		}
	}
	return fmt.Sprintf("%d processors shared with everything else, %s, %s. It took %v.",
		runtime.NumCPU(), version, runtime.Version(), time.Since(c.began).Round(time.Second))
}

// report prints the table, and puts it into the documentation when asked to.
func (c *chaos) report(t *testing.T) {
	t.Helper()
	text := c.table()
	fmt.Printf("\n%s\n", text)
	if !*updateReport {
		return
	}
	if *onlyCases != "" || *dnsmasqArgs != "" {
		t.Error("-update is for all cases as they are: leave -cases and -dnsmasq out")
		return
	}
	b, err := os.ReadFile(reportFile)
	if err != nil {
		t.Error(err)
		return
	}
	before, rest, ok := strings.Cut(string(b), reportBegin)
	_, after, ok2 := strings.Cut(rest, reportEnd)
	if !ok || !ok2 {
		t.Errorf("%s has no %s ... %s", reportFile, reportBegin, reportEnd)
		return
	}
	next := before + reportBegin + "\n\n" + text + "\n" + reportEnd + after
	if err := os.WriteFile(reportFile, []byte(next), 0o644); err != nil {
		t.Error(err)
	}
}
