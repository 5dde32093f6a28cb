package manifest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"regexp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"
)

// An object is the JSON of an object, its line in the file, and its depth in Lists.
type object struct {
	file        string
	json        []byte
	line, lists int
}

// errorf returns an error about the value at a path of an object, with the file, line, object and
// path.
func (o object) errorf(path, format string, args ...any) error {
	msg := fmt.Errorf(format, args...)
	for _, part := range []string{path, title(o.json)} {
		if part != "" {
			msg = fmt.Errorf("%s: %w", part, msg)
		}
	}
	return fmt.Errorf("%s:%d: %w", o.file, o.lineOf(path), msg)
}

// title names an object as kubectl would, as far as it can be read.
func title(text []byte) string {
	var o metav1.PartialObjectMetadata
	_ = kjson.UnmarshalCaseSensitivePreserveInts(text, &o) // a partial result is enough
	if o.Name != "" && o.Namespace != "" {
		o.Name = o.Namespace + "/" + o.Name
	}
	return strings.TrimSpace(o.Kind + " " + o.Name)
}

// lineOf returns the line of the value at a path, or of its nearest existing parent.
func (o object) lineOf(path string) int {
	at, _ := locate(o.json, path)
	return o.line + bytes.Count(o.json[:at], []byte("\n"))
}

// A value is a field of an object, or an item of a list.
type value struct {
	step string // in a path: spec, [0]
	json json.RawMessage
	at   int // its offset
}

// values yields the fields of an object, or the items of a list.
func values(text []byte) iter.Seq[value] {
	return func(yield func(value) bool) {
		j := json.NewDecoder(bytes.NewReader(text))
		begin, _ := j.Token()
		for i := 0; (begin == json.Delim('{') || begin == json.Delim('[')) && j.More(); i++ {
			v := value{step: item("", i)}
			if begin == json.Delim('{') {
				key, _ := j.Token()
				v.step, _ = key.(string)
			}
			err := j.Decode(&v.json)
			v.at = int(j.InputOffset()) - len(v.json)
			if err != nil || !yield(v) {
				return
			}
		}
	}
}

// locate returns the value at a path such as spec.ports[0].port, and its offset. If the value does
// not exist, the offset is that of its nearest existing parent.
func locate(text []byte, path string) (at int, found []byte) {
	switch {
	case path == "":
		return 0, text
	case (path[0] == '[') != (text[0] == '['):
		return 0, nil
	}
	for v := range values(text) {
		rest, ok := strings.CutPrefix(strings.TrimPrefix(path, "."), v.step)
		if ok && (rest == "" || strings.ContainsAny(rest[:1], ".[")) {
			at, found = locate(v.json, rest)
			return v.at + at, found
		}
	}
	return 0, nil
}

// refuse returns the error of decoding an object.
func (o object) refuse(into any, err error) error {
	// Only the standard library returns the field, but without list indexes.
	t, ok := errors.AsType[*json.UnmarshalTypeError](json.Unmarshal(o.json, into))
	if !ok {
		return o.errorf("", "%w", err)
	}
	path, got := t.Field, t.Value
	at, value := pathAt(o.json, "", int(t.Offset)) // too small below a type that decodes itself
	if field := regexp.MustCompile(`\[\d+\]`).ReplaceAllString(at, ""); strings.HasPrefix(field+".", t.Field+".") {
		path, got = at, value
	}
	if t.Type.Kind() == reflect.String && t.Value != "array" && t.Value != "object" {
		got += ": put it in quotes" // YAML takes n for false and 1.10 for a number
	}
	return o.errorf(path, "want %s, got %s", cmp.Or(typeNames[t.Type.Kind()], "a whole number"), got)
}

// pathAt returns the path of the value at an offset, and the value, which can be truncated.
func pathAt(text []byte, path string, offset int) (at, shown string) {
	if offset > 1 {
		for v := range values(text) {
			if v.at+len(v.json) < offset {
				continue
			}
			if path != "" && text[0] == '{' {
				path += "."
			}
			return pathAt(v.json, path+v.step, offset-v.at)
		}
	}
	return path, strings.Join(strings.Fields(fmt.Sprintf("%.40s", text)), " ")
}

// typeNames are the names of Go types in a manifest. All other types are whole numbers.
var typeNames = map[reflect.Kind]string{
	reflect.String: "text", reflect.Bool: "true or false", reflect.Slice: "a list",
	reflect.Map: "an object (key: value)", reflect.Struct: "an object (key: value)",
}

// jsonDocuments passes on each object of a JSON file.
func jsonDocuments(file string, data []byte, to func(object) error) error {
	j := json.NewDecoder(bytes.NewReader(data))
	for line, from := 1, 0; ; {
		var raw json.RawMessage
		err := j.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			at := int64(len(data))
			if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
				at = min(at, syntax.Offset)
			}
			return syntaxError(file, "JSON", data, 1+bytes.Count(data[:at], []byte("\n")), err.Error())
		}
		begin := int(j.InputOffset()) - len(raw)
		line += bytes.Count(data[from:begin], []byte("\n"))
		from = begin
		if err := to(object{file, raw, line, 0}); err != nil {
			return err
		}
	}
}

// syntaxError returns an error in a line, or in the last line if there are fewer. The braces of a
// template often cause the error on the next line.
func syntaxError(file, language string, data []byte, line int, msg string) error {
	text := bytes.Split(data, []byte("\n"))
	line = min(max(line, 1), len(text))
	for _, at := range []int{line, line - 1} {
		if at > 0 && bytes.Contains(text[at-1], []byte("{{")) {
			line, msg = at, msg+"; render the template before it is used"
			break
		}
	}
	return fmt.Errorf("%s:%d: this is not right %s: %s", file, line, language, msg)
}
