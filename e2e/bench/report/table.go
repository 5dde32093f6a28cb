package report

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A table is written as Markdown whose columns line up, so that it can be read
// in a terminal too. The first column is text, the others are figures.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	if len(t.rows) == 0 {
		return ""
	}
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c), 3)
		}
	}
	var b strings.Builder
	line := func(row []string) {
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if i == 0 {
				b.WriteString("| " + c + pad + " |")
			} else {
				b.WriteString(" " + pad + c + " |")
			}
		}
		b.WriteString("\n")
	}
	line(t.head)
	for i, w := range width {
		if i == 0 {
			b.WriteString("|" + strings.Repeat("-", w+2) + "|")
		} else {
			b.WriteString(strings.Repeat("-", w+1) + ":|")
		}
	}
	b.WriteString("\n")
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// figure has two or three digits that count; nothing stands for no value.
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

// ratio of two figures, if there are both.
func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return ""
	}
	if a/b >= 9.95 {
		return fmt.Sprintf("%.0f ×", a/b)
	}
	return fmt.Sprintf("%.2g ×", a/b)
}
