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

	"sigs.k8s.io/yaml"
	yaml2 "sigs.k8s.io/yaml/goyaml.v2"
	yamlvalue "sigs.k8s.io/yaml/goyaml.v3"
)

// maxExpanded bounds what the aliases of a document may make of it, in bytes.
const maxExpanded = maxFileSize

// A document is one document of a file: JSON, and the text it was made from.
type document struct {
	json []byte
	text []byte
	line int  // of the file, from 1, where text begins
	yaml bool // text is YAML, otherwise text is json

	root *yamlvalue.Node // of text, once a line was looked up in it
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
	for _, doc := range split(data) {
		if err := doc.convert(); err != nil {
			line, msg := doc.yamlError(err)
			return nil, fmt.Errorf("%s:%d: this is not right YAML: %s", file, min(line, lines(data)), msg)
		}
		if !bytes.Equal(doc.json, []byte("null")) {
			docs = append(docs, doc)
		}
	}
	return docs, nil
}

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
			if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
				at = syntax.Offset
			} else if errors.Is(err, io.ErrUnexpectedEOF) {
				at = int64(len(data))
			}
			return nil, fmt.Errorf("%s:%d: this is not right JSON: %w", file, lines(data[:min(at, int64(len(data)))]), err)
		}
		begin := d.InputOffset() - int64(len(raw))
		docs = append(docs, &document{json: raw, text: raw, line: lines(data[:begin])})
	}
}

// split divides YAML at the markers "---" and "...", which mean that wherever
// they begin a line, even in a block of text (YAML 1.2.2, section 9.1.2). A "---"
// stays with the document that it begins; comments and directives before it are
// left out.
func split(data []byte) []*document {
	var docs []*document
	begin, beginLine, content := 0, 1, false
	cut := func(end, line int) {
		if content {
			docs = append(docs, &document{text: data[begin:end], line: beginLine, yaml: true})
		}
		begin, beginLine, content = end, line, false
	}
	for at, line := 0, 1; at < len(data); line++ {
		end := at + bytes.IndexByte(data[at:], '\n') + 1
		if end == at {
			end = len(data)
		}
		switch text := bytes.TrimRight(data[at:end], " \t\r\n"); {
		case isMarker(text, "---"):
			cut(at, line)
			rest := bytes.TrimLeft(text[len("---"):], " \t")
			content = len(rest) > 0 && rest[0] != '#'
		case isMarker(text, "..."):
			cut(at, line)
			begin, beginLine = end, line+1 // the marker belongs to nobody
		case len(text) > 0 && text[0] != '%' && bytes.TrimLeft(text, " \t")[0] != '#':
			content = true
		}
		at = end
	}
	cut(len(data), 0)
	return docs
}

func isMarker(text []byte, marker string) bool {
	rest, ok := bytes.CutPrefix(text, []byte(marker))
	return ok && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
}

// convert makes the document's JSON from its YAML.
func (d *document) convert() (err error) {
	if anchor.Match(d.text) && alias.Match(d.text) {
		if err := checkExpanded(d.text); err != nil {
			return err
		}
	}
	d.json, err = yaml.YAMLToJSON(d.text)
	return err
}

var (
	anchor = regexp.MustCompile(`&[0-9A-Za-z_-]`)
	alias  = regexp.MustCompile(`\*[0-9A-Za-z_-]`)
)

// checkExpanded refuses a document whose aliases repeat so much that its JSON
// would fill the memory. The parser bounds the number of values, which share
// their texts until they are written out.
func checkExpanded(text []byte) error {
	var v any
	if err := yaml2.Unmarshal(text, &v); err != nil {
		return err
	}
	if size := expanded(v); size > maxExpanded {
		return fmt.Errorf("the aliases (*name) of this document make %d MiB of it; %d are allowed", size>>20, maxExpanded>>20)
	}
	return nil
}

func expanded(v any) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		n := 0
		for _, e := range v {
			n += 1 + expanded(e)
		}
		return n
	case map[any]any:
		n := 0
		for k, e := range v {
			n += 2 + expanded(k) + expanded(e)
		}
		return n
	}
	return 8
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// yamlError returns the line of the file at which the parser failed, as far as
// it can be found, and the reason.
func (d *document) yamlError(err error) (line int, msg string) {
	line, msg = parserError(err)
	line += d.line
	if strings.HasPrefix(msg, "invalid map key") {
		msg = "a key must be text"
		if key := badKey(d.yamlRoot()); key != nil {
			line = d.line + key.Line - 1
		}
	}
	for _, at := range []int{line, line - 1} {
		if d.hasBraces(at) {
			return at, msg + "; render the template before it is used"
		}
	}
	return line, msg
}

// hasBraces reports whether a line of the file has what looks like a template.
func (d *document) hasBraces(line int) bool {
	text := bytes.Split(d.text, []byte("\n"))
	line -= d.line
	return line >= 0 && line < len(text) && bytes.Contains(text[line], []byte("{{"))
}

// parserError splits the parser's error: lines below the document's first, as
// far as it has them, and the reason.
func parserError(err error) (line int, msg string) {
	msg = strings.TrimPrefix(err.Error(), "yaml: ")
	m := yamlLine.FindStringSubmatch(msg)
	if m == nil {
		return 0, strings.ReplaceAll(msg, "\n", " ")
	}
	line, _ = strconv.Atoi(m[1]) // too large for an int is 0
	msg = strings.TrimPrefix(msg, m[0])
	if strings.HasPrefix(msg, "did not find expected") {
		return line, msg // the parser counts from 0 here, and from 1 elsewhere
	}
	return max(line-1, 0), msg
}

// lines returns the number of the line, from 1, in which data ends.
func lines(data []byte) int { return 1 + bytes.Count(data, []byte("\n")) }
