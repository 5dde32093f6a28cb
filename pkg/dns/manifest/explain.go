package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"
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

// explain turns an error of decoding raw, the JSON of the value at a place, into
// one that a person can act upon.
func (d *decoder) explain(at place, raw []byte, into any, err error) error {
	name := title(raw)
	if name != "" {
		name += ": "
	}
	// Only the standard library returns the offset of a value of the wrong type.
	e := encoder{}
	if e.value(at.doc.node(at.path)) != nil {
		return d.errorf(at, "%s%w", name, err)
	}
	t, ok := errors.AsType[*json.UnmarshalTypeError](json.Unmarshal(e.buf, into))
	if !ok {
		return d.errorf(at, "%s%w", name, err)
	}
	steps, got := valueAt(at.doc.node(at.path), int(t.Offset))
	if !strings.HasPrefix(steps.fields(), t.Field) { // a field with a decoder of its own: the offset counts from somewhere else
		steps, got = fieldPath(t.Field), t.Value
	}
	field := steps.String()
	if field != "" {
		field += ": "
	}
	want := typeName(t.Type)
	if want == "text" && got != "a list" && !strings.HasPrefix(got, "an object") {
		got += ": put it in quotes" // YAML takes n for false and 1.10 for a number
	}
	return d.errorf(at.child(steps...), "%s%swant %s, got %s", name, field, want, got)
}

// valueAt returns the path from a node to the value whose first token, in the
// node's JSON, ends at an offset or after it, and a name for that value.
func valueAt(n *yaml.Node, offset int) (p path, value string) {
	var e encoder
	e.visit = func(at path, n *yaml.Node) {
		if value == "" && len(e.buf) >= offset {
			p, value = slices.Clone(at), describe(n)
		}
	}
	_ = e.value(n) // it had no error before
	return p, value
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "an object (key: value)"
	}
	text, _ := scalar(n)
	switch {
	case text[0] != '"':
		return string(text)
	case len(n.Value) > 40:
		return "a long text"
	}
	return "the text " + strconv.Quote(n.Value)
}

// title names an object as kubectl would, as far as it can be read.
func title(raw []byte) string {
	var o struct {
		Kind     any `json:"kind"`
		Metadata struct {
			Name      any `json:"name"`
			Namespace any `json:"namespace"`
		} `json:"metadata"`
	}
	_ = kjson.UnmarshalCaseSensitivePreserveInts(raw, &o) // what is there is enough
	kind, _ := o.Kind.(string)
	name, _ := o.Metadata.Name.(string)
	if namespace, _ := o.Metadata.Namespace.(string); name != "" && namespace != "" {
		name = namespace + "/" + name
	}
	return strings.TrimSpace(kind + " " + name)
}

// typeName returns how a Go type is written in a manifest.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object (key: value)"
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number"
	}
}
