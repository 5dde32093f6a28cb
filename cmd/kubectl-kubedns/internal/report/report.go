// Package report writes the output of the plugin: tables for people, JSON and YAML for
// programs.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"sigs.k8s.io/yaml"
)

// A Format is the form of the output.
type Format string

// The formats.
const (
	Table Format = "table"
	JSON  Format = "json"
	YAML  Format = "yaml"
	// Wide is a table with more columns, and Name has only the names of its rows. Only commands
	// that print rows have them.
	Wide Format = "wide"
	Name Format = "name"
)

// FormatNames returns the formats for help.
func FormatNames(extra ...Format) string {
	names := []string{string(Table), string(JSON), string(YAML)}
	for _, f := range extra {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

// ParseFormat returns the format of a name: table, json, yaml, or one of extra.
func ParseFormat(name string, extra ...Format) (Format, error) {
	f := Format(name)
	if f == Table || f == JSON || f == YAML || slices.Contains(extra, f) {
		return f, nil
	}
	return "", fmt.Errorf("%q is not a format: write one of %s", name, FormatNames(extra...))
}

// Colored reports whether w is a terminal with colours, by NO_COLOR and TERM.
func Colored(w io.Writer, getenv func(string) string) bool {
	f, ok := w.(*os.File)
	if !ok || getenv("NO_COLOR") != "" || getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A Printer writes the output of one command.
type Printer struct {
	Out    io.Writer
	Format Format
	Color  bool
	// NoHeaders omits headings and sums.
	NoHeaders bool
}

// Encodes reports whether the output is for programs.
func (p *Printer) Encodes() bool { return p.Format == JSON || p.Format == YAML }

// Encode writes v as JSON or YAML. Its fields have JSON tags.
func (p *Printer) Encode(v any) error {
	if p.Format == YAML {
		b, err := yaml.Marshal(v)
		if err != nil {
			return err
		}
		_, err = p.Out.Write(b)
		return err
	}
	enc := json.NewEncoder(p.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Rows writes a table. With nil columns the table has no heading.
func (p *Printer) Rows(columns []string, rows [][]string) error {
	tw := tabwriter.NewWriter(p.Out, 0, 0, 2, ' ', 0)
	if columns != nil && !p.NoHeaders {
		fmt.Fprintln(tw, strings.Join(columns, "\t"))
	}
	for _, row := range rows {
		fmt.Fprintln(tw, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	return tw.Flush()
}

// A Tone is the severity of a word.
type Tone int

// The tones, with their colours: green, yellow, red, and none.
const (
	Plain Tone = iota
	Good
	Warn
	Bad
)

// Paint returns text in the colour of a tone, if the output has colours.
func (p *Printer) Paint(tone Tone, text string) string {
	code := map[Tone]string{Good: "32", Warn: "33", Bad: "31"}[tone]
	if !p.Color || code == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
