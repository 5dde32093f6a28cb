package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// A rule of monitoring/rules.
type rule struct {
	Alert, Record, Expr, For string
	Labels, Annotations      map[string]string
}

// key names an alert of one severity. Some alerts have two.
func (r rule) key() string { return r.Alert + " " + r.Labels["severity"] }

// rules returns the rules by file.
func rules(t *testing.T) map[string][]rule {
	t.Helper()
	byFile := map[string][]rule{}
	for _, path := range paths(t, "monitoring/rules/*.yaml") {
		var file struct{ Groups []struct{ Rules []rule } }
		if err := yaml.Unmarshal([]byte(read(t, path)), &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, group := range file.Groups {
			byFile[path] = append(byFile[path], group.Rules...)
		}
	}
	return byFile
}

func alerts(t *testing.T) []rule {
	t.Helper()
	var list []rule
	for _, some := range rules(t) {
		list = append(list, some...)
	}
	return slices.DeleteFunc(list, func(r rule) bool { return r.Alert == "" })
}

// TestRules checks that rules read existing metrics, and that alerts have everything that a
// receiver requires.
func TestRules(t *testing.T) {
	known := newCatalog(t)
	seen := map[string]bool{}
	for path, list := range rules(t) {
		for _, r := range list {
			where := path + ": " + r.Alert + r.Record
			known.check(t, where, r.Expr)
			if r.Record != "" {
				continue
			}
			if seen[r.key()] {
				t.Errorf("%s, severity %s: is there twice", where, r.Labels["severity"])
			}
			seen[r.key()] = true
			if !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]) || len(r.Labels) != 1 {
				t.Errorf("%s: got labels %v, want severity critical, warning or info alone", where, r.Labels)
			}
			if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
				t.Errorf("%s: has no summary or no description", where)
			}
			if got, want := r.Annotations["runbook_url"], runbook(r.Alert); got != want {
				t.Errorf("%s: got runbook_url %q, want %q", where, got, want)
			}
		}
	}
}

// A unitTest is a file for promtool test rules.
type unitTest struct {
	Tests []struct {
		Name        string
		InputSeries []struct{ Series string } `json:"input_series"`
		Expressions []struct {
			Expr    string
			Samples []struct{ Labels string } `json:"exp_samples"`
		} `json:"promql_expr_test"`
	}
}

// A coverage is the result of the tests of an alert.
type coverage struct {
	quiet, fires, recovers bool
	labels                 string // of its firing series
}

// TestUnitTests checks that the promtool tests use existing series. In one of them, each alert is
// quiet, firing and quiet again.
func TestUnitTests(t *testing.T) {
	known, covered := newCatalog(t), map[string]coverage{}
	for _, path := range paths(t, "monitoring/tests/*.yaml") {
		var file unitTest
		if err := yaml.Unmarshal([]byte(read(t, path)), &file); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, test := range file.Tests {
			for _, s := range test.InputSeries {
				known.check(t, fmt.Sprintf("%s: %s", path, test.Name), s.Series)
			}
			shown := map[string]coverage{}
			for _, e := range test.Expressions {
				if key := alertKey(t, e.Expr); key != "" {
					c := shown[key]
					c.quiet = c.quiet || len(e.Samples) == 0 && !c.fires
					c.recovers = c.recovers || len(e.Samples) == 0 && c.fires
					for _, s := range e.Samples {
						c.fires, c.labels = true, c.labels+s.Labels
					}
					shown[key] = c
				}
			}
			for key, c := range shown {
				if c.fires && (!covered[key].recovers || c.recovers) {
					covered[key] = c
				}
			}
		}
	}
	for _, r := range alerts(t) {
		c := covered[r.key()]
		if !c.quiet || !c.fires || !c.recovers {
			t.Errorf("%s: got %+v, want a test in which it is quiet, fires and recovers", r.key(), c)
		}
		for _, label := range templateLabel.FindAllStringSubmatch(r.Annotations["description"], -1) {
			if !strings.Contains(c.labels, label[1]+"=") {
				t.Errorf("%s: the description has the label %s, which the firing series of its test lacks", r.key(), label[1])
			}
		}
	}
}

var templateLabel = regexp.MustCompile(`\$labels\.([a-z_]+)`)

// alertKey returns the alert and severity of a selector of ALERTS.
func alertKey(t *testing.T, expr string) string {
	t.Helper()
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := tree.(*parser.VectorSelector)
	if !ok || s.Name != "ALERTS" {
		return ""
	}
	values := map[string]string{}
	for _, m := range s.LabelMatchers {
		values[m.Name] = m.Value
	}
	return values["alertname"] + " " + values["severity"]
}

// runbook returns the page of an alert.
func runbook(alert string) string { return "docs/runbooks/" + alert + ".md" }

var (
	sections = []string{"## Effect on users\n", "## Diagnosis\n", "## Remedy\n"}
	command  = regexp.MustCompile(`(?m)^    kubectl .+$`)
	metric   = regexp.MustCompile(`\b(?:kubedns|skydns_skydns)_[a-z_]+`)
)

// TestRunbooks checks that each alert has its page and each page its alert, with at least three
// commands.
func TestRunbooks(t *testing.T) {
	known := newCatalog(t)
	wanted := map[string]bool{"docs/runbooks/README.md": true}
	for _, r := range alerts(t) {
		wanted[runbook(r.Alert)] = true
	}
	for _, path := range paths(t, "docs/runbooks/*.md") {
		if !wanted[path] {
			t.Errorf("%s: there is no such alert", path)
		}
		delete(wanted, path)
		text := read(t, path)
		for _, name := range metric.FindAllString(text, -1) { // or its start, for grep
			if !known.hasPrefix(name) {
				t.Errorf("%s: docs/metrics.md has no metric %s", path, name)
			}
		}
		if strings.HasSuffix(path, "README.md") {
			continue
		}
		name := strings.TrimSuffix(strings.TrimPrefix(path, "docs/runbooks/"), ".md")
		for _, part := range append([]string{"# " + name + "\n"}, sections...) {
			if !strings.Contains(text, part) {
				t.Errorf("%s: has no line %q", path, strings.TrimSpace(part))
			}
		}
		if n := len(command.FindAllString(text, -1)); n < 3 {
			t.Errorf("%s: got %d commands, want 3", path, n)
		}
	}
	for path := range wanted {
		t.Errorf("%s is missing", path)
	}
}
