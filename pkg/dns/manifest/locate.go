package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A path leads from an object to one of its values: field names (string) and
// places in lists (int).
type path []any

func (p path) with(step any) path { return append(slices.Clip(p), step) }

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

// fields is the path without places in lists, as encoding/json reports it.
func (p path) fields() string {
	return slices.DeleteFunc(slices.Clone(p), func(step any) bool { _, place := step.(int); return place }).String()
}

func fieldPath(fields string) (p path) {
	for f := range strings.SplitSeq(fields, ".") {
		if f != "" {
			p = append(p, f)
		}
	}
	return p
}

// lineOf returns the line of the file at which the value at p is, or the part
// of the way to it that can be found.
func (d *document) lineOf(p path) int {
	if d.yaml {
		return d.line + yamlIndex(d.text, p)
	}
	at := 0
	walk(d.json, func(here path, _ json.Token, end int64) bool {
		if len(here) <= len(p) && slices.Equal(here, p[:len(here)]) {
			at = int(end)
			return len(here) < len(p)
		}
		return true
	})
	return d.line + bytes.Count(d.json[:at], []byte("\n"))
}

// valueAt returns the path to the value of raw, which is JSON, whose first
// token ends at an offset or behind it, and how to call that value.
func valueAt(raw []byte, offset int64) (p path, value string) {
	walk(raw, func(here path, token json.Token, end int64) bool {
		if end < offset {
			return true
		}
		p, value = slices.Clone(here), describe(token)
		return false
	})
	return p, value
}

func describe(token json.Token) string {
	switch t := token.(type) {
	case json.Delim:
		if t == '[' {
			return "a list"
		}
		return "an object (key: value)"
	case string:
		if len(t) > 40 {
			return "a long text"
		}
		return "the text " + strconv.Quote(t)
	default:
		return fmt.Sprint(t)
	}
}

// walk calls visit for each value of raw, which is JSON, with the path to it,
// its first token and the offset at which that ends, until visit returns false.
// The path is only good during the call.
func walk(raw []byte, visit func(at path, token json.Token, end int64) bool) {
	type open struct {
		list, value bool // value: the next token is a value
	}
	var (
		at    path // one step for each open list or object
		opens []open
		d     = json.NewDecoder(bytes.NewReader(raw))
	)
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return
		}
		top := len(opens) - 1
		if delim, ok := token.(json.Delim); ok && (delim == ']' || delim == '}') {
			opens, at = opens[:top], at[:top]
			continue
		}
		if top >= 0 && !opens[top].list && !opens[top].value {
			at[top], opens[top].value = token, true
			continue
		}
		if top >= 0 {
			opens[top].value = false
			if opens[top].list {
				at[top] = at[top].(int) + 1
			}
		}
		if !visit(at, token, d.InputOffset()) {
			return
		}
		if delim, ok := token.(json.Delim); ok {
			opens, at = append(opens, open{list: delim == '['}), append(at, -1)
		}
	}
}

// yamlIndex returns the number of the line of text, from 0, at which the value
// at p begins. It knows the block style of YAML, that of nearly all manifests:
// what is written {in: braces} or behind an alias is found at its beginning.
func yamlIndex(text []byte, p path) int {
	b := block{lines: strings.Split(string(text), "\n")}
	n, ok := b.next(0, 0)
	if !ok {
		return 0
	}
	for _, step := range p {
		var child node
		switch step := step.(type) {
		case string:
			child, ok = b.field(n, step)
		case int:
			child, ok = b.item(n, step)
		}
		if !ok {
			break
		}
		n = child
	}
	return n.line
}

// A block is the lines of a document in block style.
type block struct{ lines []string }

// A node is where a value of a block begins.
type node struct{ line, column int }

// next returns the first node at or below a line that is not left of column.
func (b block) next(line, column int) (node, bool) {
	for ; line < len(b.lines); line++ {
		text := strings.TrimRight(b.lines[line], " \r")
		indent := len(text) - len(strings.TrimLeft(text, " "))
		switch {
		case text == "", text[indent] == '#', text[0] == '%', strings.HasPrefix(text, "---"):
		case indent < column:
			return node{}, false
		default:
			return node{line, indent}, true
		}
	}
	return node{}, false
}

// field returns the value of a field of the object at n.
func (b block) field(n node, name string) (node, bool) {
	for at, ok := n, true; ok; at, ok = b.next(at.line+1, n.column) {
		if at.column != n.column {
			continue
		}
		text := strings.TrimRight(b.lines[at.line][at.column:], " \r")
		for _, key := range []string{name + ":", strconv.Quote(name) + ":", "'" + name + "':"} {
			rest, found := strings.CutPrefix(text, key)
			if !found || rest != "" && rest[0] != ' ' {
				continue
			}
			rest = strings.TrimLeft(rest, " ")
			if rest != "" && rest[0] != '#' && rest[0] != '&' {
				return node{at.line, at.column + len(text) - len(rest)}, true
			}
			child, ok := b.next(at.line+1, n.column)
			if ok && (child.column > n.column || strings.HasPrefix(b.lines[child.line][child.column:], "-")) {
				return child, true
			}
			return at, true
		}
	}
	return node{}, false
}

// item returns the item at a place of the list at n.
func (b block) item(n node, place int) (node, bool) {
	for at, ok := n, true; ok; at, ok = b.next(at.line+1, n.column) {
		if at.column != n.column {
			continue
		}
		text, dash := strings.CutPrefix(b.lines[at.line][at.column:], "-")
		if !dash {
			return node{}, false
		}
		if place--; place >= 0 {
			continue
		}
		if rest := strings.TrimLeft(text, " "); strings.TrimSpace(rest) != "" && rest[0] != '#' {
			return node{at.line, at.column + 1 + len(text) - len(rest)}, true
		}
		return b.next(at.line+1, n.column+1)
	}
	return node{}, false
}
