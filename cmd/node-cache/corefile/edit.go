package corefile

import (
	"slices"
	"strings"
)

// An edit replaces a part of a text.
type edit struct {
	start, end int
	with       string
}

// apply applies edits that do not overlap.
func apply(text string, edits []edit) string {
	slices.SortFunc(edits, func(a, b edit) int { return a.start - b.start })
	var out strings.Builder
	at := 0
	for _, e := range edits {
		out.WriteString(text[at:e.start])
		out.WriteString(e.with)
		at = e.end
	}
	out.WriteString(text[at:])
	return out.String()
}

// mentions reports whether d has the word.
func (d directive) mentions(word string) bool {
	return slices.ContainsFunc(d.words, func(t token) bool { return t.text == word })
}
