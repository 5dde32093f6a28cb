package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	yamlvalue "sigs.k8s.io/yaml/goyaml.v3"
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

// lineOf returns the line of the file at which the value at p is, or the part
// of the way to it that can be found.
func (d *document) lineOf(p path) int {
	if d.yaml {
		return d.line + max(d.yamlNode(p).Line, 1) - 1
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

// yamlNode returns the node of the value at p, or of the part of the way to it
// that can be found.
func (d *document) yamlNode(p path) *yamlvalue.Node {
	n := d.yamlRoot()
	for _, step := range p {
		next := child(n, step)
		if next == nil {
			break
		}
		n = next
	}
	return n
}

// yamlRoot returns the document's outermost value. Its line is 0 if there is
// none.
func (d *document) yamlRoot() *yamlvalue.Node {
	if d.root == nil {
		d.root = &yamlvalue.Node{}
		// The text was read once without an error. If the two parsers disagree,
		// the document's first line is still right.
		_ = yamlvalue.Unmarshal(d.text, d.root)
		if len(d.root.Content) > 0 {
			d.root = d.root.Content[0]
		}
	}
	return d.root
}

// child returns the value of a field (string) or an item (int) of n, or nil.
func child(n *yamlvalue.Node, step any) *yamlvalue.Node {
	for n.Alias != nil {
		n = n.Alias
	}
	switch step := step.(type) {
	case int:
		if n.Kind == yamlvalue.SequenceNode && step >= 0 && step < len(n.Content) {
			return n.Content[step]
		}
	case string:
		for i := 0; n.Kind == yamlvalue.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i+1]
			}
		}
	}
	return nil
}

// badKey returns the first key below n that is not text, or nil. An unrendered
// template, {{ .Values.name }}, has one.
func badKey(n *yamlvalue.Node) *yamlvalue.Node {
	for i, c := range n.Content {
		if n.Kind == yamlvalue.MappingNode && i%2 == 0 && c.Kind != yamlvalue.ScalarNode && c.Alias == nil {
			return c
		}
		if bad := badKey(c); bad != nil {
			return bad
		}
	}
	return nil
}
