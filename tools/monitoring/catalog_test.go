package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

const root = "../.."

// foreign are prefixes of metrics of other programs: Prometheus itself, the kubelet,
// kube-state-metrics, the libraries for Go and processes, and CoreDNS in the node cache.
var foreign = []string{"up", "ALERTS", "container_", "kube_", "coredns_", "go_", "process_"}

// ours is the prefix of metrics of cmd/node-cache.
const ours = "coredns_nodecache_"

// targetLabels are added by the scrape configuration and by histograms.
var targetLabels = []string{"job", "instance", "namespace", "pod", "container", "le"}

// A catalog has the labels of each metric by name.
type catalog map[string][]string

var (
	metricRow = regexp.MustCompile("(?m)^\\| `([a-zA-Z_]+)` \\| (counter|gauge|histogram) \\| ([^|]*)\\|")
	recordRow = regexp.MustCompile(`(?m)^ +- record: (\S+)$`)
	// nodeCacheRow is a metric of cmd/node-cache in its source, with its labels.
	nodeCacheRow = regexp.MustCompile(`(?s)Name: "((?:coredns_)?nodecache_[a-z_]+)",.*?\[\]string\{([^}]*)\}`)
	goString     = regexp.MustCompile(`"([a-z_]+)"`)
	quotedLabel  = regexp.MustCompile("`([a-z_]+)`")
)

// newCatalog reads docs/metrics.md, which the tests of the commands generate, the source of
// node-cache, and the names of recorded series.
func newCatalog(t *testing.T) catalog {
	t.Helper()
	c := catalog{}
	for _, row := range metricRow.FindAllStringSubmatch(read(t, "docs/metrics.md"), -1) {
		var names []string
		for _, label := range quotedLabel.FindAllStringSubmatch(row[3], -1) {
			names = append(names, label[1])
		}
		c[row[1]] = names
		if row[2] == "histogram" {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				c[row[1]+suffix] = names
			}
		}
	}
	if len(c) < 50 {
		t.Fatalf("docs/metrics.md: found %d metrics: the search is broken", len(c))
	}
	for _, path := range paths(t, "cmd/node-cache/*/*.go") {
		for _, row := range nodeCacheRow.FindAllStringSubmatch(read(t, path), -1) {
			c[row[1]] = nil
			for _, label := range goString.FindAllStringSubmatch(row[2], -1) {
				c[row[1]] = append(c[row[1]], label[1])
			}
		}
	}
	for _, path := range paths(t, "monitoring/rules/*.yaml") {
		for _, row := range recordRow.FindAllStringSubmatch(read(t, path), -1) {
			c[row[1]] = []string{"rcode", "probe", "server", "system"}
		}
	}
	return c
}

// hasPrefix reports whether the name of a metric starts with prefix.
func (c catalog) hasPrefix(prefix string) bool {
	for name := range c {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// check reports metrics and labels of an expression that do not exist.
func (c catalog) check(t *testing.T, where, expr string) {
	t.Helper()
	tree, err := parser.NewParser(parser.Options{}).ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	known, open := slices.Clone(targetLabels), false
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			names, foreign := c.labels(t, where, s.Name)
			open = open || foreign
			known = append(known, names...)
			c.checkMatchers(t, where, s, names, foreign)
		}
		return nil
	})
	if open {
		return // another program defines the labels
	}
	for _, label := range grouped(tree) {
		if !slices.Contains(known, label) {
			t.Errorf("%s: no metric of the expression has the label %s", where, label)
		}
	}
}

// labels returns the labels of a metric, and whether it is of another program.
func (c catalog) labels(t *testing.T, where, name string) ([]string, bool) {
	t.Helper()
	for _, prefix := range foreign {
		theirs := strings.HasSuffix(prefix, "_") && strings.HasPrefix(name, prefix) && !strings.HasPrefix(name, ours)
		if name == prefix || theirs {
			return nil, true
		}
	}
	names, ok := c[name]
	if !ok {
		t.Errorf("%s: there is no metric %q, and it is not named as foreign", where, name)
	}
	return names, !ok
}

func (c catalog) checkMatchers(t *testing.T, where string, s *parser.VectorSelector, names []string, foreign bool) {
	t.Helper()
	for _, m := range s.LabelMatchers {
		if m.Name == "__name__" || foreign || slices.Contains(targetLabels, m.Name) {
			continue
		}
		if !slices.Contains(names, m.Name) {
			t.Errorf("%s: %s has no label %s", where, s.Name, m.Name)
		}
	}
}

// grouped returns the labels by which an expression aggregates and joins.
func grouped(tree parser.Expr) []string {
	var list []string
	parser.Inspect(tree, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.AggregateExpr:
			list = append(list, n.Grouping...)
		case *parser.BinaryExpr:
			if n.VectorMatching != nil {
				list = append(list, n.VectorMatching.MatchingLabels...)
			}
		}
		return nil
	})
	return list
}

// paths returns the repository's files that match.
func paths(t *testing.T, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(root, pattern))
	if err != nil || len(list) == 0 {
		t.Fatalf("%s: no file (%v)", pattern, err)
	}
	for i := range list {
		list[i] = strings.TrimPrefix(list[i], root+"/")
	}
	return list
}

// read returns a file of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
