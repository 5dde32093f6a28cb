package report

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
)

// A table is written as Markdown with aligned columns, so that a terminal can show it too. The
// first column is text, all others are numbers.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	if len(t.rows) == 0 {
		return ""
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	rule := slices.Repeat([]string{"--:"}, len(t.head))
	rule[0] = "---"
	for _, row := range slices.Concat([][]string{t.head, rule}, t.rows) {
		fmt.Fprintf(w, "| %s\t|\n", strings.Join(row, "\t| "))
	}
	w.Flush()
	return b.String()
}

// figure formats a value with two or three significant digits, and 0 as "".
func figure(v float64) string {
	switch {
	case v == 0:
		return ""
	case v < 0.095 && v > -0.095:
		return fmt.Sprintf("%.3f", v)
	case v < 0.995 && v > -0.995:
		return fmt.Sprintf("%.2f", v)
	case v < 99.5:
		return fmt.Sprintf("%.1f", v)
	default:
		return thousands(v)
	}
}

func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// ratio formats the ratio of two values. It returns "" if one is 0.
func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return ""
	}
	if a/b >= 9.95 {
		return fmt.Sprintf("%.0f ×", a/b)
	}
	return fmt.Sprintf("%.2g ×", a/b)
}
