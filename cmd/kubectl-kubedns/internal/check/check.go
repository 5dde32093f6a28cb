// Package check finds problems of a kube-dns from facts about it. It reads nothing.
package check

import (
	"fmt"
	"slices"
	"strings"
)

// A Level is the severity of a finding.
type Level string

// The levels, from good to bad. Skipped is a check without its facts.
const (
	OK      Level = "ok"
	Skipped Level = "skipped"
	Info    Level = "info"
	Warning Level = "warning"
	Error   Level = "error"
)

var order = []Level{OK, Skipped, Info, Warning, Error}

// AtLeast reports whether l is as bad as other, or worse.
func (l Level) AtLeast(other Level) bool { return slices.Index(order, l) >= slices.Index(order, other) }

// ParseLevel returns the level given by --fail-on.
func ParseLevel(s string) (Level, error) {
	switch l := Level(s); l {
	case Info, Warning, Error:
		return l, nil
	}
	return "", fmt.Errorf("%q is not a level: write info, warning or error", s)
}

// A Finding is one problem, and its remedy.
type Finding struct {
	Level  Level  `json:"level"`
	Object string `json:"object,omitempty"` // such as "pod kube-dns-1"
	Text   string `json:"text"`
	Fix    string `json:"fix,omitempty"` // a command or a sentence
}

// A Result is the result of one check.
type Result struct {
	Code     string    `json:"code"`
	Group    string    `json:"group"`
	Level    Level     `json:"level"`
	Text     string    `json:"text"` // the good state, or the reason for a skipped check
	Findings []Finding `json:"findings,omitempty"`
}

// An outcome is the result of a check function.
type outcome struct {
	fine     string
	skipped  string
	findings []Finding
}

func skip(format string, args ...any) outcome { return outcome{skipped: fmt.Sprintf(format, args...)} }

func (o *outcome) add(level Level, object, fix, format string, args ...any) {
	o.findings = append(o.findings, Finding{Level: level, Object: object, Fix: fix, Text: fmt.Sprintf(format, args...)})
}

// A check is one kind of finding.
type check struct {
	code, group string
	about       string
	run         func(*Facts) outcome
}

var checks = []check{
	{"KD101", "Service", "the Service selects pods, has port 53, and is the kubelets' cluster DNS", checkService},
	{"KD102", "Service", "two or more kube-dns pods are ready, and no others answer", checkEndpoints},
	{"KD103", "Service", "the zone is the same everywhere", checkZone},
	{"KD104", "Service", "no other Deployment, budget, autoscaler or affinity selects the same pods", checkOwners},
	{"KD105", "Service", "pods are on different nodes, with priority and resources", checkPlacement},
	{"KD201", "Pods", "all parts of each pod work", checkHealth},
	{"KD202", "Pods", "images have a registry and a tag, and versions are equal", checkVersions},
	{"KD203", "Pods", "changes arrive from the API server", checkWatches},
	{"KD204", "Pods", "the ConfigMap is valid and in use", checkConfig},
	{"KD205", "Pods", "all pods have the same names", checkAgreement},
	{"KD301", "Setup", "the service account has its rights", checkRights},
	{"KD302", "Setup", "pods have the time to drain", checkDraining},
	{"KD303", "Setup", "cache and memory are large enough", checkCapacity},
	{"KD304", "Setup", "metrics are reachable and read", checkMetrics},
	{"KD401", "Queries", "each pod resolves kubernetes.default", checkInside},
	{"KD402", "Queries", "each pod resolves a name outside the cluster", checkOutside},
}

// Codes returns the codes of all checks, with the subject of each.
func Codes() [][2]string {
	var list [][2]string
	for _, c := range checks {
		list = append(list, [2]string{c.code, c.about})
	}
	return list
}

// Known returns an error for an unknown code.
func Known(codes []string) error {
	for _, code := range codes {
		if !slices.ContainsFunc(checks, func(c check) bool { return strings.EqualFold(c.code, code) }) {
			return fmt.Errorf("%q is not a check: see kubectl kubedns check --help", code)
		}
	}
	return nil
}

// Run runs the checks in only, or all, except those in without.
func Run(f *Facts, only, without []string) []Result {
	has := func(codes []string, code string) bool {
		return slices.ContainsFunc(codes, func(c string) bool { return strings.EqualFold(c, code) })
	}
	var results []Result
	for _, c := range checks {
		if len(only) > 0 && !has(only, c.code) || has(without, c.code) {
			continue
		}
		o := c.run(f)
		r := Result{Code: c.code, Group: c.group, Level: OK, Text: o.fine, Findings: o.findings}
		for _, finding := range o.findings {
			if finding.Level.AtLeast(r.Level) {
				r.Level = finding.Level
			}
		}
		if len(o.findings) == 0 && o.skipped != "" {
			r.Level, r.Text = Skipped, o.skipped
		}
		results = append(results, r)
	}
	return results
}

// Worst returns the level of the worst result.
func Worst(results []Result) Level {
	worst := OK
	for _, r := range results {
		if r.Level.AtLeast(worst) {
			worst = r.Level
		}
	}
	return worst
}
