// Command monitoring generates files from monitoring/rules and the package boards: the rules as an
// object for the Prometheus operator, the dashboards, and the chart's copies of both. They are
// copies because Helm warns of links in a chart.
//
//	go -C tools run ./monitoring
//
// Its tests check the complete folder: `make monitoring`.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/kube-dns/kube-dns/tools/monitoring/boards"
)

func main() {
	if err := run(".."); err != nil {
		fmt.Fprintln(os.Stderr, "monitoring:", err)
		os.Exit(1)
	}
}

// run writes all files below dir, the root of the repository, and removes files from the chart
// without an original.
func run(dir string) error {
	files, err := generate(dir)
	if err != nil {
		return err
	}
	old, err := chartFiles(dir)
	if err != nil {
		return err
	}
	for _, name := range old {
		if _, ok := files[name]; ok {
			continue
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the content of the generated files by their path below dir.
func generate(dir string) (map[string][]byte, error) {
	rules, err := filepath.Glob(filepath.Join(dir, "monitoring/rules/*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(rules) == 0 {
		return nil, errors.New("no rules in " + dir + "/monitoring/rules")
	}
	object, err := prometheusRule(rules)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"monitoring/operator/prometheusrule.yaml": object}
	for _, path := range rules {
		if files["charts/kube-dns/files/rules/"+filepath.Base(path)], err = os.ReadFile(path); err != nil {
			return nil, err
		}
	}
	for _, board := range boards.All() {
		data, err := board.JSON()
		if err != nil {
			return nil, err
		}
		files["monitoring/dashboards/"+board.Name+".json"] = data
		files["charts/kube-dns/files/dashboards/"+board.Name+".json"] = data
	}
	return files, nil
}

// chartFiles returns the paths of the chart's copies below dir.
func chartFiles(dir string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "charts/kube-dns/files/*/*"))
	for i, path := range paths {
		if paths[i], err = filepath.Rel(dir, path); err != nil {
			return nil, err
		}
	}
	return paths, err
}

const ruleHeader = `# Made of monitoring/rules by "go -C tools run ./monitoring": do not edit.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: kube-dns
  namespace: kube-system
  labels: {k8s-app: kube-dns}
spec:
  groups:
`

// prometheusRule returns the rules of these files as one object. It indents their text, so comments
// and order remain.
func prometheusRule(paths []string) ([]byte, error) {
	var b strings.Builder
	b.WriteString(ruleHeader)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		comment, groups, found := strings.Cut(string(data), "groups:\n")
		if !found {
			return nil, fmt.Errorf("%s: has no line \"groups:\"", path)
		}
		for line := range strings.Lines(comment) {
			b.WriteString("    " + line)
		}
		for line := range strings.Lines(groups) {
			if line != "\n" {
				b.WriteString("  ")
			}
			b.WriteString(line)
		}
	}
	return []byte(b.String()), nil
}
