package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	kjson "sigs.k8s.io/json"
)

// explain turns an error of decoding raw, the JSON of the value at a place, into
// one that a person can act upon, and returns where the fault is.
func explain(at place, raw []byte, into any, err error) (place, error) {
	name := title(raw)
	if name != "" {
		name += ": "
	}
	// Only the standard library returns the field in full.
	t, ok := errors.AsType[*json.UnmarshalTypeError](json.Unmarshal(raw, into))
	if !ok {
		return at, fmt.Errorf("%s%w", name, err)
	}
	p, got := fieldPath(t.Field), t.Value
	want, tag := typeName(t.Type)
	if found, n := mistyped(at.doc.node(at.path), p, nil, tag); n != nil {
		p, got = found, describe(n)
	}
	field := p.String()
	if field != "" {
		field += ": "
	}
	if tag == "!!str" && got != "a list" && !strings.HasPrefix(got, "an object") {
		got += ": put it in quotes" // YAML takes n for false and 1.10 for a number
	}
	return at.child(p...), fmt.Errorf("%s%swant %s, got %s", name, field, want, got)
}

// mistyped returns the first value below n that is not of a type, with the path to
// it, which begins with at and goes on with fields, without places in lists.
func mistyped(n *yaml.Node, fields, at path, tag string) (path, *yaml.Node) {
	for n.Alias != nil {
		n = n.Alias
	}
	inside := len(fields) > 0 || tag == "!!str"
	switch {
	case n.Kind == yaml.SequenceNode && inside:
		for i, item := range n.Content {
			if p, found := mistyped(item, fields, at.with(i), tag); found != nil {
				return p, found
			}
		}
	case n.Kind == yaml.MappingNode && inside:
		return mistypedField(n, fields, at, tag)
	case len(fields) == 0 && tagOf(n) != "!!null" && tagOf(n) != tag && (tag != "!!float" || tagOf(n) != "!!int"):
		return at, n
	}
	return nil, nil
}

// mistypedField is mistyped for the fields of a mapping: the first one of fields, or
// all when there are none.
func mistypedField(n *yaml.Node, fields, at path, tag string) (path, *yaml.Node) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		rest, name := fields, n.Content[i].Value
		if len(fields) > 0 {
			if rest = fields[1:]; name != fields[0] {
				continue
			}
		}
		if p, found := mistyped(n.Content[i+1], rest, at.with(name), tag); found != nil {
			return p, found
		}
	}
	return nil, nil
}

// tagOf is the tag of a value as kubectl reads it.
func tagOf(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		if v, _ := scalarOf(n); v == true || v == false {
			return "!!bool"
		}
	}
	return n.ShortTag()
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "an object (key: value)"
	}
	v, _ := scalarOf(n)
	text, ok := v.(string)
	switch {
	case !ok:
		return fmt.Sprint(v)
	case len(text) > 40:
		return "a long text"
	}
	return "the text " + strconv.Quote(text)
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

// typeName returns how a Go type is written in a manifest, and its tag in YAML.
func typeName(t reflect.Type) (name, tag string) {
	switch t.Kind() {
	case reflect.String:
		return "text", "!!str"
	case reflect.Bool:
		return "true or false", "!!bool"
	case reflect.Slice, reflect.Array:
		return "a list", "!!seq"
	case reflect.Map, reflect.Struct:
		return "an object (key: value)", "!!map"
	case reflect.Float32, reflect.Float64:
		return "a number", "!!float"
	default:
		return "a whole number", "!!int"
	}
}
