package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// maxAliased limits the bytes that aliases can add to a document.
	maxAliased = 1 << 20
	// maxDepth limits the nesting of values, including aliases. The parser has the same limit
	// without aliases.
	maxDepth = 10_000
	// maxValues limits the values of a file. Each uses about 450 bytes, at worst 200 times the size
	// of the file.
	maxValues = 300_000
)

// yamlDocuments passes on each document of a YAML file, as JSON with the same lines.
func yamlDocuments(file string, data []byte, to func(object) error) error {
	if countSigns(data) > maxValues {
		return fmt.Errorf("%s:1: more than %d values are too many for YAML: divide the file, or make it JSON (*.json)",
			file, maxValues)
	}
	for parser := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var root yaml.Node
		err := parser.Decode(&root)
		if errors.Is(err, io.EOF) {
			return nil
		}
		w := writer{left: maxAliased + 2*len(data)} // more than a document without aliases needs
		if err == nil {
			w.line = root.Content[0].Line
			w.value(root.Content[0])
			err = w.err
		}
		if err != nil {
			line, msg := positionOf(err)
			return syntaxError(file, "YAML", data, line, msg)
		}
		if err := to(object{file: file, json: w.json, line: root.Content[0].Line}); err != nil {
			return err
		}
	}
}

// countSigns counts the signs that start or end fields and items. There are at least as many as
// pairs of a key and a value, and items. A dash, colon or question mark before a letter or digit is
// part of a text, such as a time or a name. After a quoted key, a comma or bracket precedes it.
func countSigns(data []byte) (n int) {
	for i, c := range data {
		switch c {
		case ',', '[', '{':
			n++
		case '-', ':', '?':
			if i+1 == len(data) || !isAlphanumeric(data[i+1]) {
				n++
			}
		}
	}
	return n
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// A writer converts YAML to JSON as kubectl would read it. Line breaks keep each value on its line
// in the YAML, or on the line of its alias.
type writer struct {
	json  []byte
	line  int // the last line of json
	depth int
	left  int // bytes of YAML that can follow, aliases included
	err   error
}

func (w *writer) value(n *yaml.Node) {
	if !w.enter(n) {
		return
	}
	switch n.Kind {
	case yaml.AliasNode:
		w.value(n.Alias)
	case yaml.MappingNode:
		w.json = append(w.json, '{')
		w.fields(n, map[string]bool{}, false)
		w.json = append(bytes.TrimSuffix(w.json, []byte(",")), '}')
	case yaml.SequenceNode:
		w.json = append(w.json, '[')
		for _, item := range n.Content {
			w.value(item)
			w.json = append(w.json, ',')
		}
		w.json = append(bytes.TrimSuffix(w.json, []byte(",")), ']')
	default:
		w.scalar(n)
	}
	w.depth--
}

// enter starts a line for a node that has its own, and reports whether to continue.
func (w *writer) enter(n *yaml.Node) bool {
	for ; w.line < n.Line; w.line++ {
		w.json = append(w.json, '\n')
	}
	w.depth++
	w.left -= 1 + len(n.Value)
	if w.depth > maxDepth {
		w.fail("exceeded max depth of %d: does an alias (*name) contain itself?", maxDepth)
	} else if w.left < 0 {
		w.fail("the aliases (*name) of this document add more than %d MiB to it", maxAliased>>20)
	}
	return w.err == nil
}

func (w *writer) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("line %d: "+format, append([]any{w.line}, args...)...)
	}
}

// fields writes the fields of a mapping, then the merged fields that it lacks. A merge is a
// mapping, or a list of mappings. In a list, the first mapping counts.
func (w *writer) fields(n *yaml.Node, has map[string]bool, merged bool) {
	var merges []*yaml.Node
	switch {
	case n.Kind == yaml.AliasNode:
		merges = []*yaml.Node{n.Alias}
	case n.Kind == yaml.SequenceNode:
		merges = n.Content
	case n.Kind != yaml.MappingNode:
		w.fail("map merge requires map or sequence of maps as the value")
	}
	for i := 0; i+1 < len(n.Content) && n.Kind == yaml.MappingNode; i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Alias != nil {
			key = key.Alias
		}
		switch {
		case key.Kind != yaml.ScalarNode:
			w.line = n.Content[i].Line
			w.fail("a key must be text") // most often the braces of a template
		case key.ShortTag() == "!!merge":
			merges = append(merges, value)
		case (!merged || !has[key.Value]) && w.enter(n.Content[i]):
			has[key.Value] = true
			w.depth--
			w.append(key.Value)
			w.json = append(w.json, ':')
			w.value(value)
			w.json = append(w.json, ',')
		}
	}
	for _, m := range merges {
		if w.enter(m) {
			w.fields(m, has, true)
			w.depth--
		}
	}
}

// scalar writes a scalar as in YAML 1.1, which kubectl reads: plain y, yes and on are true.
func (w *writer) scalar(n *yaml.Node) {
	var v any = n.Value
	switch tag := n.ShortTag(); {
	case slices.Contains([]string{"!!null", "!!int", "!!float", "!!bool"}, tag):
		if err := n.Decode(&v); err != nil {
			w.fail("%w", err)
		}
	case tag != "!!str" || n.Style != 0: // not plain
	case slices.Contains([]string{"y", "yes", "on"}, strings.ToLower(n.Value)):
		v = true
	case slices.Contains([]string{"n", "no", "off"}, strings.ToLower(n.Value)):
		v = false
	}
	w.append(v)
}

func (w *writer) append(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		w.fail("%w", err)
	}
	w.json = append(w.json, text...)
}

// positionOf splits an error into the line, 0 if there is none, and the reason.
func positionOf(err error) (line int, msg string) {
	msg = strings.TrimPrefix(err.Error(), "yaml: ")
	if m := regexp.MustCompile(`^line (\d+): `).FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1]) // too large for an int is 0
		msg = strings.TrimPrefix(msg, m[0])
	}
	if strings.HasPrefix(msg, "did not find expected") {
		line++ // the parser counts from 0 here, elsewhere from 1
	}
	return line, strings.ReplaceAll(msg, "\n", " ")
}
