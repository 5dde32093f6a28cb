//go:build chaos

package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// emptyPanels are empty without problems, or while kube-dns itself forwards no query.
var emptyPanels = []string{
	"Servers that are left out", "Servers that fail", "Errors by reason", "Reply time of kube-dns's upstreams",
	"Failures of kube-dns's upstreams", "Cache of kube-dns", "SERVFAIL by node", "Fallbacks and loops",
}

// boardVariables have values in the form that Grafana uses in queries.
var boardVariables = strings.NewReplacer("$__rate_interval", "1m", "$namespace", ".*", "$instance", ".*")

// checkBoards evaluates the queries of all dashboards. Each must have a result.
func (f *fleet) checkBoards(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob("../monitoring/dashboards/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("monitoring/dashboards: no file (%v)", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(text, &board); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, p := range board.Panels {
			for _, target := range p.Targets {
				series, err := f.query(boardVariables.Replace(target.Expr))
				if err != nil || len(series) == 0 && !slices.Contains(emptyPanels, p.Title) {
					t.Errorf("%s: panel %q: got %d series (%v) for %s", file, p.Title, len(series), err, target.Expr)
				}
			}
		}
	}
}
