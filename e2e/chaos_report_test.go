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

// A target is the allowed effect of a harm, compared with the control run.
type target int

const (
	// shown only: the documentation has the reason.
	noTarget target = iota
	// asControl: no more queries lost, refused, failed or wrong than noise explains.
	asControl
	// shortGap: no gap longer than gapFactor times the longest of the control run.
	shortGap
	// noneLost: queries before the end are answered, and later queries are refused at once, by a
	// reply or by the closed port. The end is one moment: the only gap is from there to the end of
	// the load. If the control run loses queries, twice as many are allowed.
	noneLost
	// neverWrong: no reply contradicts the objects.
	neverWrong
	// fewLost: 5 queries in 1,000 more than asControl. A change of upstreams loses queries pending
	// at a removed server after 6 s: a resend option would turn a forwarding loop into a storm.
	fewLost
)

func (t target) String() string {
	return [...]string{"none", "as control", "short gap", "0 lost", "0 wrong", "5 in 1000"}[t]
}

// Limits of shortGap: the factor over the control run's gap, and a gap that is always allowed. The
// gaps of the control run are those of the machine, which also delays the start of a process.
const (
	gapFactor = 5
	gapTarget = 100 * time.Millisecond
)

// A row is one line of the report: the harm, and the results of queries of some classes, with the
// harm and without.
type row struct {
	number, harm, scope string
	target              target
	with, without       summary
	// pairs are the bad queries with and without, if the pair was run more than once; the target
	// applies to their medians.
	pairs [][2]int
	note  string
}

// order is the number of the case.
func (r row) order() int {
	n, _ := strconv.Atoi(r.number) // all are numbers
	return n
}

// allowed is the number of bad queries that noise explains: twice those of the control run, as many
// as were sent in its longest gap, and one in ten thousand, or three.
func (r row) allowed(control int) int {
	return 2*control + r.without.sentInGap() + max(3, r.sentEach()/10_000)
}

// sentEach is the number of queries of each run: pairs are added up.
func (r row) sentEach() int { return r.with.sent / max(1, len(r.pairs)) }

// missed is the reason for a missed target, or "".
func (r row) missed() string {
	harm, control := r.with.bad(), r.without.bad()
	if len(r.pairs) > 0 {
		harm, control = median(r.pairs, 0), median(r.pairs, 1)
	}
	allowed := r.allowed(control)
	switch r.target {
	case asControl, fewLost:
		if r.target == fewLost {
			allowed += 5 * r.sentEach() / 1000
		}
		if harm > allowed {
			return fmt.Sprintf("%d lost, refused, failed or wrong, %d in the control run: more than %d", harm, control, allowed)
		}
	case shortGap:
		if longest := max(gapTarget, gapFactor*r.without.gap); r.with.gap > longest {
			return fmt.Sprintf("no right answer for %v, %v in the control run: more than %v", ms(r.with.gap),
				ms(r.without.gap), ms(longest))
		}
	case noneLost:
		if n := r.with.lost + r.with.failed + r.with.wrong; n > 2*control {
			return fmt.Sprintf("%d lost, failed or wrong, %d in the control run", n, control)
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

// record adds a row to the report, and fails the test if its target is missed.
func (c *chaos) record(t *testing.T, r row, harm, control *score) {
	t.Helper()
	r.number = c.number
	t.Logf("%s, %s\n     harm: %v\n  control: %v\n  noise: %d bad queries", r.harm, r.scope, r.with, r.without,
		r.allowed(r.without.bad()))
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
	b.WriteString(
		"| | harm | queries | asked | lost | refused | failed | wrong | longest gap, ms | slowest, ms | target | |\n")
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

// machine describes the machine of the measurements.
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

// report prints the table, and writes it into the documentation if requested.
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
