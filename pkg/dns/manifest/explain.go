package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

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
	path, kind, got := t.Field, t.Value, t.Value
	f := finder{Decoder: json.NewDecoder(bytes.NewReader(raw)), refused: t}
	f.UseNumber()
	if f.find("", ""); f.kind != "" {
		path, kind, got = f.path, f.kind, f.text
	}
	at = at.at(path)
	if path != "" {
		path += ": "
	}
	if t.Type.Kind() == reflect.String && kind != "array" && kind != "object" {
		got += ": put it in quotes" // YAML takes n for false and 1.10 for a number
	}
	return at, fmt.Errorf("%s%swant %s, got %s", name, path, typeName(t.Type), got)
}

// A finder looks for the value that was refused. An error has its field without places in
// lists and keys of maps, and its offset, which is too small below a type that decodes
// itself.
type finder struct {
	*json.Decoder
	refused          *json.UnmarshalTypeError
	path, kind, text string // of the value that was found
}

// maxPath bounds the length of a path in bytes: each level of a deep value holds one more.
const maxPath = 1024

// find reads the value at a path and reports whether the search is over: the value, or one
// below it, was refused, or a path is too long. fields is the path without places in lists.
func (f *finder) find(path, fields string) bool {
	token, err := f.Token()
	if err != nil {
		return false
	}
	kind, text := describe(token)
	if f.InputOffset() >= f.refused.Offset && strings.HasPrefix(fields+".", f.refused.Field+".") &&
		(f.refused.Value == kind || f.refused.Value == kind+" "+text) {
		f.path, f.kind, f.text = path, kind, text
		return true
	}
	if kind != "object" && kind != "array" {
		return false
	}
	if len(path) > maxPath {
		return true
	}
	for i := 0; f.More(); i++ {
		if kind == "array" {
			if f.find(fmt.Sprintf("%s[%d]", path, i), fields) {
				return true
			}
			continue
		}
		key, err := f.Token()
		name, _ := key.(string)
		if err != nil || f.find(join(path, name), join(fields, name)) {
			return err == nil
		}
	}
	_, _ = f.Token() // the end of the list or object
	return false
}

// describe returns the kind of a value, as encoding/json calls it, and the value for people.
func describe(token json.Token) (kind, text string) {
	switch v := token.(type) {
	case json.Delim:
		if v == '[' {
			return "array", "a list"
		}
		return "object", "an object (key: value)"
	case json.Number:
		return "number", v.String()
	case bool:
		return "bool", strconv.FormatBool(v)
	case string:
		if len(v) > 40 {
			return "string", "a long text"
		}
		return "string", "the text " + strconv.Quote(v)
	}
	return "null", "null"
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
