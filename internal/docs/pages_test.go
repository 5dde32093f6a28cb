package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

var (
	link     = regexp.MustCompile(`\]\(([^)#\s]*)(#[^)\s]+)?\)`)
	heading  = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notLabel = regexp.MustCompile(`[^a-z0-9 _-]`)
	metric   = regexp.MustCompile(`\b(?:kubedns|skydns_skydns)_[a-z_]+[a-z]`)
	// Alerts read the parts of histograms.
	histogramPart = regexp.MustCompile(`_seconds_(?:bucket|sum|count)$`)

	logLine = regexp.MustCompile("`[IWE] ([^`]*?)(?: \\.\\.\\.)?`")
)

// TestLinks: links between pages lead to existing files and headings.
func TestLinks(t *testing.T) {
	for path, text := range files(t, ".md") {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, anchor := m[1], strings.TrimPrefix(m[2], "#")
			if strings.Contains(target, "://") {
				continue
			}
			to := path
			if target != "" {
				to = filepath.Join(filepath.Dir(path), target)
			}
			info, err := os.Stat(to)
			switch {
			case err != nil:
				t.Errorf("%s: link to %s: %v", path, target, err)
			case anchor != "" && !info.IsDir() && !slices.Contains(anchors(t, to), anchor):
				t.Errorf("%s: %s has no heading for #%s", path, to, anchor)
			}
		}
	}
}

// anchors returns the anchors of the headings of a page.
func anchors(t *testing.T, path string) []string {
	t.Helper()
	var list []string
	for _, m := range heading.FindAllStringSubmatch(read(t, path), -1) {
		label := notLabel.ReplaceAllString(strings.ToLower(m[1]), "")
		list = append(list, strings.ReplaceAll(label, " ", "-"))
	}
	return list
}

// TestOperations: the metrics and log lines on the page for operators exist.
func TestOperations(t *testing.T) {
	page := read(t, root+"/docs/operations.md")
	known := read(t, root+"/docs/metrics.md")
	for _, name := range metric.FindAllString(page, -1) {
		name = histogramPart.ReplaceAllString(name, "_seconds")
		if !strings.Contains(known, name) {
			t.Errorf("docs/operations.md names the metric %s, which is not in docs/metrics.md", name)
		}
	}
	var code strings.Builder
	for path, text := range files(t, ".go") {
		if !strings.HasSuffix(path, "_test.go") {
			code.WriteString(text)
		}
	}
	lines := logLine.FindAllStringSubmatch(page, -1)
	if len(lines) == 0 {
		t.Fatal("no log line was found in docs/operations.md")
	}
	for _, m := range lines {
		if !strings.Contains(code.String(), m[1]) {
			t.Errorf("docs/operations.md explains the log line %q, which is not in the code", m[1])
		}
	}
}

// files returns the repository's files with that ending, by path.
func files(t *testing.T, ending string) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && slices.Contains([]string{".git", "bin", "dist"}, d.Name()):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(path, ending):
			texts[path] = read(t, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestRequirements compares the table of decision 0037 with the modules that go.mod requires
// outside of tests.
func TestRequirements(t *testing.T) {
	all := read(t, filepath.Join(root, "go.mod"))
	required, _, _ := strings.Cut(all, "\n)")
	_, required, _ = strings.Cut(required, "require (\n")
	var want []string
	for line := range strings.Lines(required) {
		want = append(want, strings.Fields(line)[0])
	}
	page := read(t, filepath.Join(root, "docs/decisions/0037-direct-requirements.md"))
	var got []string
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(page, -1) {
		got = append(got, m[1])
	}
	if len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("the table has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
