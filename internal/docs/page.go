package docs

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// folder is the directory of the pages, relative to the directory of a command.
const folder = "../../docs"

// check fails the test if compare returns an error.
func check(t *testing.T, page, section, want string) {
	t.Helper()
	if err := compare(page, section, want); err != nil {
		t.Error(err)
	}
}

// compare compares a section of a page, such as "flags.md", with the wanted text. With the flag
// -update of the test binary it writes the section. The tests of several commands can write at the
// same time.
func compare(page, name, want string) error {
	mode := os.O_RDONLY
	if updating() {
		mode = os.O_RDWR
	}
	f, err := os.OpenFile(filepath.Join(folder, page), mode, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	before, got, after, err := cut(string(text), name)
	diff := cmp.Diff(got, want)
	switch {
	case err != nil:
		return fmt.Errorf("docs/%s: %w", page, err)
	case diff == "":
		return nil
	case !updating():
		return fmt.Errorf("docs/%s is stale: run \"go test ./cmd/... -update\" (-page +command):\n%s", page, diff)
	}
	next := before + want + after
	_, err = f.WriteAt([]byte(next), 0)
	return errors.Join(err, f.Truncate(int64(len(next))))
}

// section returns the text of a section of a page.
func section(page, name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(folder, page))
	if err != nil {
		return "", err
	}
	_, got, _, err := cut(string(text), name)
	if err != nil {
		return "", fmt.Errorf("docs/%s: %w", page, err)
	}
	return got, nil
}

// updating reports whether the flag -update is set. Package clitest defines it.
func updating() bool {
	f := flag.Lookup("update")
	return f != nil && f.Value.String() == "true"
}

// cut returns the text between the marks of a section, and the text around it, with the marks.
func cut(text, section string) (before, between, after string, err error) {
	begin, end := "<!-- "+section+": generated, do not edit -->\n", "<!-- "+section+": end -->\n"
	before, rest, found := strings.Cut(text, begin)
	between, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return "", "", "", fmt.Errorf("the lines %s and %s are missing", strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return before + begin, between, end + after, nil
}

// A table is a Markdown table.
type table struct{ strings.Builder }

func newTable(columns ...string) *table {
	t := &table{}
	t.row(columns...)
	t.row(slices.Repeat([]string{"---"}, len(columns))...)
	return t
}

func (t *table) row(cells ...string) { t.WriteString("| " + strings.Join(cells, " | ") + " |\n") }

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
