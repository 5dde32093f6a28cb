package docs

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// folder has the pages, relative to the folder of a command.
const folder = "../../docs"

// check reports what compare returns.
func check(t *testing.T, page, section, want string) {
	t.Helper()
	if err := compare(page, section, want); err != nil {
		t.Error(err)
	}
}

// compare compares a section of a page, such as "flags.md", with the wanted text. With the
// flag -update of the test binary it writes the section.
func compare(page, name, want string) error {
	got, err := section(page, name)
	if err != nil {
		return err
	}
	diff := cmp.Diff(got, want)
	switch {
	case diff == "":
		return nil
	case updating():
		return rewrite(filepath.Join(folder, page), name, want)
	}
	return fmt.Errorf("docs/%s is stale: run \"go test ./cmd/... -update\" (-page +command):\n%s", page, diff)
}

// section returns the text of a section of a page.
func section(page, name string) (string, error) {
	path := filepath.Join(folder, page)
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	got, err := cutSection(string(text), name)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return got, nil
}

// updating reports whether the flag -update is set. Package clitest defines it.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

// rewrite replaces a section of the page at path. The tests of several commands may run
// at the same time.
func rewrite(path, section, want string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	begin, end := marks(section)
	before, rest, _ := strings.Cut(string(text), begin)
	_, after, _ := strings.Cut(rest, end)
	next := before + begin + want + end + after
	_, err = f.WriteAt([]byte(next), 0)
	return errors.Join(err, f.Truncate(int64(len(next))))
}

// cutSection returns the text between the marks of a section.
func cutSection(text, section string) (string, error) {
	begin, end := marks(section)
	_, rest, found := strings.Cut(text, begin)
	got, _, ended := strings.Cut(rest, end)
	if !found || !ended {
		return "", errors.New("the lines " + strings.TrimSpace(begin) + " and " + strings.TrimSpace(end) + " are missing")
	}
	return got, nil
}

func marks(section string) (begin, end string) {
	return "<!-- " + section + ": generated, do not edit -->\n", "<!-- " + section + ": end -->\n"
}

// A table is a Markdown table.
type table struct{ strings.Builder }

func newTable(columns ...string) *table {
	t := &table{}
	t.row(columns...)
	t.row(make([]string, len(columns))...)
	return t
}

// row adds a row. Empty cells in the second row are the line below the head.
func (t *table) row(cells ...string) {
	for _, cell := range cells {
		if cell == "" && t.lines() == 1 {
			cell = "---"
		}
		t.WriteString("| " + cell + " ")
	}
	t.WriteString("|\n")
}

func (t *table) lines() int { return strings.Count(t.String(), "\n") }

var escaper = strings.NewReplacer("|", `\|`, "<", `\<`, "*", `\*`, "\n", " ")

// prose escapes plain text for Markdown.
func prose(text string) string { return escaper.Replace(text) }

// code quotes text as code, unless it is empty. A bar ends a cell even in code.
func code(text string) string {
	if text == "" {
		return ""
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}
