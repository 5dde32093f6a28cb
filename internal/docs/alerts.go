package docs

import (
	"errors"
	"fmt"
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
func alerts() ([]alert, error) {
	paths, err := filepath.Glob(filepath.Join(folder, "../monitoring/rules/*.yaml"))
	if err != nil || len(paths) == 0 {
		return nil, fmt.Errorf("monitoring/rules: no file (%w)", err)
	}
	var all []alert
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var file struct {
			Groups []struct {
				Rules []alert `json:"rules"`
			} `json:"groups"`
		}
		if err := yaml.Unmarshal(data, &file); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		for _, g := range file.Groups {
			all = append(all, g.Rules...)
		}
	}
	return slices.DeleteFunc(all, func(a alert) bool { return a.Name == "" }), nil
}

// CheckAlerts compares the table of alerts in docs/operations.md with the rules.
func CheckAlerts(t *testing.T) {
	t.Helper()
	all, err := alerts()
	if err != nil {
		t.Fatal(err)
	}
	table := newTable("alert", "severity", "condition", "meaning")
	for _, a := range all {
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

// firstEvent matches the increase of a counter, with label matchers as in {reason="died"}, in a
// rule that fires after one event.
var (
	firstEvent = regexp.MustCompile(`increase\(((?:kubedns|skydns)_[a-z_]+)(?:\{([^}]*)\})?(\[\w+\]\) > [1-9])?`)
	matcher    = regexp.MustCompile(`([a-z_]+)(=~|=)"([^"]*)"`)
)

// checkAlerted returns an error if an alert about one of the metrics cannot fire at the first
// event. Prometheus sees no increase in a new series, so families, the series at the start, must
// have it.
func checkAlerted(metrics []string, families map[string]*dto.MetricFamily) error {
	all, err := alerts()
	for _, a := range all {
		for _, m := range firstEvent.FindAllStringSubmatch(a.Expr, -1) {
			name, labels, several := m[1], m[2], m[3] != ""
			if several || !slices.Contains(metrics, name) {
				continue
			}
			if !slices.ContainsFunc(families[name].GetMetric(), func(m *dto.Metric) bool { return matches(m, labels) }) {
				err = errors.Join(err, fmt.Errorf("%s: %s{%s} has no series before the first event", a.Name, name, labels))
			}
		}
	}
	return err
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
