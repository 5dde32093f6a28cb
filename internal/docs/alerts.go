package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"sigs.k8s.io/yaml"
)

// An alert is a rule of monitoring/rules.
type alert struct {
	Name        string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// alerts returns the rules, file by file, without recording rules.
func alerts(t *testing.T) []alert {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "../monitoring/rules/*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("monitoring/rules: no file (%v)", err)
	}
	var all []alert
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			Groups []struct {
				Rules []alert `json:"rules"`
			} `json:"groups"`
		}
		if err := yaml.Unmarshal(data, &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, g := range file.Groups {
			all = append(all, g.Rules...)
		}
	}
	return slices.DeleteFunc(all, func(a alert) bool { return a.Name == "" })
}

// CheckAlerts compares the table of alerts in docs/operations.md with the rules.
func CheckAlerts(t *testing.T) {
	t.Helper()
	table := newTable("alert", "severity", "condition", "meaning")
	for _, a := range alerts(t) {
		name := "[" + a.Name + "](" + strings.TrimPrefix(a.Annotations["runbook_url"], "docs/") + ")"
		condition := code(strings.Join(strings.Fields(a.Expr), " "))
		if a.For != "" {
			condition += " for " + a.For
		}
		table.row(name, a.Labels["severity"], condition, cell(a.Annotations["summary"]))
	}
	check(t, "operations.md", "alerts", table.String())
}

// cell escapes Markdown for a table.
func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// selector matches the name of a metric with label matchers, as in {reason="died"}, whether
// the rule asks for its increase, and whether it takes more than one event.
var (
	selector = regexp.MustCompile(`(increase\()?\b((?:kubedns|skydns)_[a-z_]+)(?:\{([^}]*)\})?(\[\w+\]\) > [1-9])?`)
	matcher  = regexp.MustCompile(`([a-z_]+)(=~|=)"([^"]*)"`)

	histogramPart = regexp.MustCompile(`_(bucket|sum|count)$`)
)

// CheckAlerted checks that alerts can fire. Metrics with one of the prefixes belong to
// the command: they must be among names. families are its metrics at the start. Counters
// in alerts must have their series there, because Prometheus sees no increase in the first
// event of a new series.
func CheckAlerted(t *testing.T, names []string, families []*dto.MetricFamily, prefixes ...string) {
	t.Helper()
	for _, a := range alerts(t) {
		for _, m := range selector.FindAllStringSubmatch(a.Expr, -1) {
			firstEvent, name, labels := m[1] != "" && m[4] == "", m[2], m[3]
			if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
				continue
			}
			if !slices.Contains(names, name) && !slices.Contains(names, histogramPart.ReplaceAllString(name, "")) {
				t.Errorf("%s: there is no metric %s", a.Name, name)
			}
			if firstEvent && !hasSeries(families, name, labels) {
				t.Errorf("%s: %s{%s} has no series before the first event", a.Name, name, labels)
			}
		}
	}
}

func hasSeries(families []*dto.MetricFamily, name, labels string) bool {
	for _, f := range families {
		if f.GetName() == name && slices.ContainsFunc(f.GetMetric(), func(m *dto.Metric) bool { return matches(m, labels) }) {
			return true
		}
	}
	return false
}

func matches(m *dto.Metric, labels string) bool {
	for _, want := range matcher.FindAllStringSubmatch(labels, -1) {
		value := ""
		for _, l := range m.GetLabel() {
			if l.GetName() == want[1] {
				value = l.GetValue()
			}
		}
		if want[2] == "=" && value != want[3] || !regexp.MustCompile("^(?:"+want[3]+")$").MatchString(value) {
			return false
		}
	}
	return true
}

// Names returns the names of metrics.
func Names(metrics []Metric) []string {
	names := make([]string, len(metrics))
	for i, m := range metrics {
		names[i] = m.Name
	}
	return names
}
