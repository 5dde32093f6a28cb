// Command monitoring writes the generated files of the folder monitoring: the rules as an
// object for the Prometheus operator, and the dashboards.
//
//	go -C tools run ./monitoring
//
// Its tests check the whole folder: `make monitoring`.
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
	if err := run("../monitoring"); err != nil {
		fmt.Fprintln(os.Stderr, "monitoring:", err)
		os.Exit(1)
	}
}

// run writes all files below dir.
func run(dir string) error {
	files, err := generate(dir)
	if err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the content of the generated files by their path below dir.
func generate(dir string) (map[string][]byte, error) {
	object, err := prometheusRule(filepath.Join(dir, "rules"))
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{"operator/prometheusrule.yaml": object}
	for _, board := range boards.All() {
		data, err := board.JSON()
		if err != nil {
			return nil, err
		}
		files["dashboards/"+board.Name+".json"] = data
	}
	return files, nil
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

// prometheusRule returns the rules of all files as one object. It indents their text, so
// comments and order stay.
func prometheusRule(dir string) ([]byte, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, errors.New("no rules in " + dir)
	}
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
