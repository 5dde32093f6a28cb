package docs

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// openLabels have values that depend on the build, the configuration or the machine.
var openLabels = []string{"version", "revision", "goversion", "component", "server", "address", "family", "source",
	"zone"}

// foreign are metrics of libraries and of CoreDNS's plugins.
var foreign = regexp.MustCompile(`^(go|process|promhttp|coredns)_`)

// legacyNodeCache is a metric of node-cache with the prefix of CoreDNS.
const legacyNodeCache = "coredns_nodecache_"

// CompareStartValues compares a section of docs/metrics.md with a scrape of a command. The section
// lists the label values from the start of the command. With the flag -update of the test binary it
// writes the section. It also checks that alerts about the command can fire.
func CompareStartValues(command, scrape string) error {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(scrape))
	if err != nil {
		return err
	}
	text, err := section("metrics.md", command)
	if err != nil {
		return err
	}
	var all, labelled []string
	for _, row := range metricRow.FindAllStringSubmatch(text, -1) {
		all = append(all, row[1])
		if row[2] != "" {
			labelled = append(labelled, row[1])
		}
	}
	if err := checkAlerted(all, families); err != nil {
		return err
	}
	return compare("metrics.md", command+" label values", startValues(families, labelled))
}

// metricRow is a row of a generated table, with a mark if the metric has labels.
var metricRow = regexp.MustCompile("(?m)^\\| `([a-zA-Z_]+)` \\| [a-z]+ \\| (`?)")

// startValues describes the series of families, and lists the metrics without a series.
func startValues(families map[string]*dto.MetricFamily, metrics []string) string {
	t := newTable("metric", "label", "values from the start")
	for _, name := range slices.Sorted(maps.Keys(families)) {
		if foreign.MatchString(name) && !strings.HasPrefix(name, legacyNodeCache) {
			continue
		}
		values := labelValues(families[name])
		for _, label := range slices.Sorted(maps.Keys(values)) {
			if !slices.Contains(openLabels, label) {
				t.row(code(name), code(label), strings.Join(slices.Sorted(maps.Keys(values[label])), ", "))
			}
		}
	}
	var later []string
	for _, name := range metrics {
		if families[name] == nil {
			later = append(later, code(name))
		}
	}
	text := "\n" + t.String() + "\n"
	if len(later) > 0 {
		text += fmt.Sprintf("Without a series at the start:\n\n- %s\n\n", strings.Join(later, "\n- "))
	}
	return text
}

// labelValues returns the values of each label.
func labelValues(family *dto.MetricFamily) map[string]map[string]bool {
	values := map[string]map[string]bool{}
	for _, m := range family.GetMetric() {
		for _, l := range m.GetLabel() {
			if values[l.GetName()] == nil {
				values[l.GetName()] = map[string]bool{}
			}
			values[l.GetName()][l.GetValue()] = true
		}
	}
	return values
}
