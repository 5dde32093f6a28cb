package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A document is one document of a file: JSON, and the YAML nodes that have its lines.
type document struct {
	json []byte
	root *yaml.Node // nil: not parsed, since the file is JSON
	line int        // of the file, from 1, at which the lines of root begin
	// twice are keys of the YAML that their mapping had before.
	twice []*yaml.Node
}

// documents divides a file into its documents, without the empty ones. JSON
// objects may follow each other with nothing between them. Errors begin with
// file and line.
func documents(file string, data []byte) ([]*document, error) {
	data = withoutMarks(data)
	isJSON := strings.HasSuffix(file, ".json")
	if isJSON || bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		docs, err := jsonDocuments(file, data)
		if err == nil || isJSON {
			return docs, err
		}
	}
	var docs []*document
	for d := yaml.NewDecoder(bytes.NewReader(endMarker.ReplaceAll(data, []byte("---$1")))); ; {
		doc := &document{root: &yaml.Node{}, line: 1}
		err := d.Decode(doc.root)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err == nil {
			doc.json, doc.twice, err = toJSON(doc.root)
		}
		if err != nil {
			line, msg := yamlError(err, data)
			return nil, fmt.Errorf("%s:%d: this is not right YAML: %s", file, line, msg)
		}
		if !bytes.Equal(doc.json, []byte("null")) {
			docs = append(docs, doc)
		}
	}
}

// endMarker matches the end of a document. The parser wants a "---" after it, also
// where no directive follows (YAML 1.2.2, section 9.2).
var endMarker = regexp.MustCompile(`(?m)^\.\.\.([ \t\r]*\n[^%])`)

// withoutMarks removes byte order marks where a document may begin. Files that
// were joined have several.
func withoutMarks(data []byte) []byte {
	const mark = "\xef\xbb\xbf"
	data = bytes.TrimPrefix(data, []byte(mark))
	if bytes.Contains(data, []byte("\n"+mark)) {
		data = bytes.ReplaceAll(data, []byte("\n"+mark), []byte("\n"))
	}
	return data
}

func jsonDocuments(file string, data []byte) ([]*document, error) {
	var docs []*document
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return docs, nil
		}
		if err != nil {
			at := d.InputOffset()
			if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
				at = syntax.Offset
			} else if errors.Is(err, io.ErrUnexpectedEOF) {
				at = int64(len(data))
			}
			line := lines(data[:min(at, int64(len(data)))])
			return nil, fmt.Errorf("%s:%d: this is not right JSON: %w%s", file, line, err, templateHint(data, line))
		}
		docs = append(docs, &document{json: raw, line: lines(data[:d.InputOffset()-int64(len(raw))])})
	}
}

// lines returns the number of the line, from 1, in which data ends.
func lines(data []byte) int { return 1 + bytes.Count(data, []byte("\n")) }

// templateHint is appended to an error in a line that has the braces of a template.
func templateHint(data []byte, line int) string {
	text := bytes.Split(data, []byte("\n"))
	if line >= 1 && line <= len(text) && bytes.Contains(text[line-1], []byte("{{")) {
		return "; render the template before it is used"
	}
	return ""
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// yamlError returns the line at which the parser failed, as far as it can be
// found, and the reason.
func yamlError(err error, data []byte) (line int, msg string) {
	msg = strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "\n", " ")
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1]) // too large for an int is 0
		msg = strings.TrimPrefix(msg, m[0])
		if strings.HasPrefix(msg, "did not find expected") {
			line++ // the parser counts from 0 here, and from 1 elsewhere
		}
	}
	line = min(max(line, 1), lines(data))
	for _, at := range []int{line, line - 1} {
		if hint := templateHint(data, at); hint != "" {
			return at, msg + hint
		}
	}
	return line, msg
}

// node returns the node of the value at a path such as spec.ports[0].port, or of the part
// of the way to it that can be found.
func (d *document) node(path string) *yaml.Node {
	if d.root == nil {
		d.root = &yaml.Node{Line: 1}
		// JSON is YAML, with few exceptions. There the document's first line has to do.
		_ = yaml.Unmarshal(d.json, d.root)
	}
	n := d.root
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	for path != "" {
		next, rest := child(n, path)
		if next == nil {
			break
		}
		n, path = next, rest
	}
	return n
}

// child returns the value of the first field or item of a path, or nil, and the rest of
// the path.
func child(n *yaml.Node, path string) (value *yaml.Node, rest string) {
	for n.Alias != nil {
		n = n.Alias
	}
	for i := 0; i < len(n.Content); i++ {
		step := "[" + strconv.Itoa(i) + "]"
		if n.Kind == yaml.MappingNode {
			step = n.Content[i].Value
			i++
		}
		rest, ok := strings.CutPrefix(strings.TrimPrefix(path, "."), step)
		if ok && (rest == "" || strings.ContainsAny(rest[:1], ".[")) {
			return n.Content[i], rest
		}
	}
	return nil, ""
}

// A place is a value of a document.
type place struct {
	doc  *document
	path string
}

// line returns the line of the file, as far as it can be found.
func (p place) line() int { return p.doc.line + max(p.doc.node(p.path).Line, 1) - 1 }

// at returns a place below p.
func (p place) at(path string) place { return place{doc: p.doc, path: join(p.path, path)} }

// join joins a path and the path of a field below it.
func join(path, field string) string {
	if path == "" || field == "" {
		return path + field
	}
	return path + "." + field
}
