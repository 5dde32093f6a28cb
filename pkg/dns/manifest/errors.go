package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strconv"
	"strings"
)

// An object is its JSON, which begins at a line of a file, in so many Lists.
type object struct {
	file        string
	json        []byte
	line, lists int
}

// errorf returns an error about the value at a path of an object: it names the file, the
// line, the object and the path.
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
func title(raw []byte) string {
	kind, namespace, name := textAt(raw, "kind"), textAt(raw, "metadata.namespace"), textAt(raw, "metadata.name")
	if name != "" && namespace != "" {
		name = namespace + "/" + name
	}
	return strings.TrimSpace(kind + " " + name)
}

func textAt(raw []byte, path string) string {
	_, token := locate(raw, path)
	text, _ := token.(string)
	return text
}

// lineOf returns the line of the file that has the value at a path, or what there is of it.
func (o object) lineOf(path string) int {
	at, _ := locate(o.json, path)
	return o.line + bytes.Count(o.json[:at], []byte("\n"))
}

// locate returns the first token of the value at a path such as spec.ports[0].port, and the
// offset behind it. Without such a value the token is nil, and the offset is that of the
// part of the way to it that is there.
func locate(text []byte, path string) (at int, begin json.Token) {
	j := json.NewDecoder(bytes.NewReader(text))
	for found := true; found; {
		begin, _ = j.Token()
		if at = int(j.InputOffset()); path == "" {
			return at, begin
		}
		path, found = seek(j, begin, path)
	}
	return at, nil
}

// seek moves j to the first field or item of a path, in what just began, and returns the
// rest of the path.
func seek(j *json.Decoder, begin json.Token, path string) (rest string, found bool) {
	isList := begin == json.Delim('[') && path[0] == '['
	for i := 0; (isList || begin == json.Delim('{')) && j.More(); i++ {
		step := item("", i)
		if !isList {
			key, _ := j.Token()
			step, _ = key.(string)
		}
		rest, found = strings.CutPrefix(strings.TrimPrefix(path, "."), step)
		if found && (rest == "" || strings.ContainsAny(rest[:1], ".[")) {
			return rest, true
		}
		var skipped json.RawMessage
		if j.Decode(&skipped) != nil {
			break
		}
	}
	return "", false
}

// refuse returns the error of decoding an object.
func (o object) refuse(into any, err error) error {
	// Only the standard library returns the field, but without places in lists.
	t, ok := errors.AsType[*json.UnmarshalTypeError](json.Unmarshal(o.json, into))
	if !ok {
		return o.errorf("", "%w", err)
	}
	path, got := t.Field, t.Value
	// The offset is too small below a type that decodes itself.
	if at, value := pathAt(o.json, "", int(t.Offset)); strings.HasPrefix(index.ReplaceAllString(at, "")+".", t.Field+".") {
		path, got = at, value
	}
	if t.Type.Kind() == reflect.String && t.Value != "array" && t.Value != "object" {
		got += ": put it in quotes" // YAML takes n for false and 1.10 for a number
	}
	return o.errorf(path, "want %s, got %s", typeName(t.Type), got)
}

// index matches the place in a list, in a path.
var index = regexp.MustCompile(`\[\d+\]`)

// pathAt returns the path of the value that an offset is in, and the value, which may be cut.
func pathAt(text []byte, path string, offset int) (at, value string) {
	j := json.NewDecoder(bytes.NewReader(text))
	begin, _ := j.Token()
	for i := 0; offset > 1 && (begin == json.Delim('{') || begin == json.Delim('[')) && j.More(); i++ {
		step := item(path, i)
		if begin == json.Delim('{') {
			key, _ := j.Token()
			step = strings.TrimPrefix(fmt.Sprint(path, ".", key), ".")
		}
		var raw json.RawMessage
		if j.Decode(&raw) != nil {
			break
		}
		if end := int(j.InputOffset()); end >= offset {
			return pathAt(raw, step, offset-end+len(raw))
		}
	}
	value = strings.Join(strings.Fields(string(text[:min(len(text), maxShown)])), " ")
	if len(text) > maxShown {
		value = strings.ToValidUTF8(value, "") + "..."
	}
	return path, value
}

// maxShown is how much of a wrong value is shown, in bytes.
const maxShown = 40

// typeName returns how a Go type is written in a manifest.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object (key: value)"
	default:
		return "a whole number"
	}
}

// jsonError returns an error of reading a file of JSON, at an offset.
func (o object) jsonError(at int64, err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		at = syntax.Offset
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		at = int64(len(o.json))
	}
	line := lines(o.json[:min(at, int64(len(o.json)))])
	return fmt.Errorf("%s:%d: this is not right JSON: %w%s", o.file, line, err, templateHint(o.json, line))
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// yamlError returns an error of reading data. Its line is in the text, as far as the error
// has it.
func yamlError(file string, data []byte, err error) error {
	msg := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", " ")
	line := 1
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1]) // too large for an int is 0
		msg = strings.TrimPrefix(msg, m[0])
		if strings.HasPrefix(msg, "did not find expected") {
			line++ // the parser counts from 0 here, and from 1 elsewhere
		}
	}
	line = min(max(line, 1), lines(data))
	hint := templateHint(data, line)
	if before := templateHint(data, line-1); hint == "" && before != "" {
		line, hint = line-1, before
	}
	return fmt.Errorf("%s:%d: this is not right YAML: %s%s", file, line, msg, hint)
}

// lines returns the number of the line, from 1, in which data ends.
func lines(data []byte) int { return 1 + bytes.Count(data, []byte("\n")) }

// templateHint is appended to an error in a line that has the braces of a template.
func templateHint(data []byte, line int) string {
	text := bytes.SplitN(data, []byte("\n"), line+1)
	if line >= 1 && line <= len(text) && bytes.Contains(text[line-1], []byte("{{")) {
		return "; render the template before it is used"
	}
	return ""
}
