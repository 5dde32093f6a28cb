package main

import (
	"strings"
	"testing"

	"github.com/kube-dns/kube-dns/tools/monitoring/boards"
)

// variables have values in the form that Grafana uses in queries.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$namespace", "kube-system", "$instance", ".*")

// TestBoards checks that dashboards show existing series, and that each panel has a unit
// and one sentence of help.
func TestBoards(t *testing.T) {
	known := newCatalog(t)
	files := map[string]bool{}
	for _, path := range paths(t, "monitoring/dashboards/*.json") {
		files[path] = true
	}
	for _, b := range boards.All() {
		path := "monitoring/dashboards/" + b.Name + ".json"
		if !files[path] {
			t.Errorf("%s is missing: run \"go -C tools run ./monitoring\"", path)
		}
		delete(files, path)
		known.check(t, b.Name+": variables", b.Instances)
		for _, row := range b.Rows {
			for _, p := range row.Panels {
				where := b.Name + ": " + p.Title
				if p.Unit == "" || !strings.HasSuffix(p.Help, ".") || strings.Contains(p.Help, ". ") {
					t.Errorf("%s: got unit %q and help %q, want a unit and one sentence", where, p.Unit, p.Help)
				}
				for _, target := range p.Targets {
					known.check(t, where, variables.Replace(target.Expr))
				}
			}
		}
	}
	for path := range files {
		t.Errorf("%s: there is no such dashboard", path)
	}
}
