package manifest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A path leads from an object to one of its values: field names (string) and
// places in lists (int).
type path []any

func (p path) with(steps ...any) path { return append(slices.Clip(p), steps...) }

// String returns the path as kubectl writes it: spec.ports[0].port.
func (p path) String() string {
	var b strings.Builder
	for i, step := range p {
		switch step := step.(type) {
		case int:
			fmt.Fprintf(&b, "[%d]", step)
		case string:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(step)
		}
	}
	return b.String()
}

// fieldPath is the path of spec.ports[0].port.
func fieldPath(fields string) (p path) {
	for f := range strings.FieldsFuncSeq(fields, func(r rune) bool { return strings.ContainsRune(".[]", r) }) {
		if n, err := strconv.Atoi(f); err == nil {
			p = append(p, n)
		} else {
			p = append(p, f)
		}
	}
	return p
}

// A lineError is an error in a line of a document.
type lineError struct {
	line int
	msg  string
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.msg) }
