package report

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	begin = "<!-- results: made by PAGE=1 make bench; do not edit -->"
	end   = "<!-- end of results -->"
)

// Page inserts tables and charts between the markers of a Markdown page. The charts go to the
// directory with the page's name without its extension.
func Page(r *Results, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, ok1 := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return fmt.Errorf("%s: want the lines %q and %q", path, begin, end)
	}
	dir := strings.TrimSuffix(path, filepath.Ext(path))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	charts, err := drawAll(r, dir)
	if err != nil {
		return err
	}
	var body strings.Builder
	body.WriteString(begin + "\n\n### Budgets\n\n" + budgetTable(r) + "\n")
	if sizes := binaries(r.Machine); sizes != "" {
		body.WriteString("Sizes of the binaries in MiB: " + sizes + ".\n\n")
	}
	for _, c := range charts {
		fmt.Fprintf(&body, "![%s](%s/%s)\n\n", c.title, filepath.Base(dir), c.file)
	}
	body.WriteString("### Machine and results\n\n" + Text(r) + "\n" + end)
	return os.WriteFile(path, []byte(head+body.String()+tail), 0o644)
}
