package manifest

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestLineOf looks for values in YAML; "HERE" marks the expected line.
func TestLineOf(t *testing.T) {
	tests := []struct {
		name string
		path string
		yaml string
	}{
		{"the document", "", "# comment\n\n---\na: 1 # HERE\n"},
		{"a field", "b", "a: 1\nb: 2 # HERE\n"},
		{"no such field", "c", "a: 1 # HERE\nb: 2\n"},
		{"a field that begins as another", "ab", "abc: 1\nab: 2 # HERE\n"},
		{"a field below", "a.b", "b: 0\na:\n  c: 1\n  b: 2 # HERE\n"},
		{"not a field of a sibling", "a.b", "a:\n  c:\n    b: 1\n  b: 2 # HERE\n"},
		{"not a field further out", "a.b", "a:\n  c: 1 # HERE\nb: 2\n"},
		{"quoted", "a.b/c", "a:\n  'b/d': 1\n  \"b/c\": 2 # HERE\n"},
		{"an item", "a[1]", "a:\n  - x\n  - y # HERE\n"},
		{"an item without indent", "a[1]", "a:\n- x\n- y # HERE\nb: 1\n"},
		{"no such item", "a[3]", "a:\n- x # HERE\n- y\nb:\n- z\n- z\n"},
		{"a field of an item", "a[1].c", "a:\n- b: 1\n  c: 2\n- b: 3\n  c: 4 # HERE\n"},
		{"the first field of an item", "a[1].b", "a:\n- b: 1\n- b: 3 # HERE\n  c: 4\n"},
		{"an item on lines of its own", "a[1].b", "a:\n-\n  b: 1\n-\n  # comment\n  b: 3 # HERE\n"},
		{"a list in a list", "[0][1]", "- - x\n  - y # HERE\n- - z\n"},
		{"an anchor", "a.b", "a: &x\n  b: 1 # HERE\n"},
		{"a comment behind the name", "a.b", "a: # comment\n# comment\n\n  b: 1 # HERE\n"},
		{"braces", "a.b.c", "a:\n  b: {x: y,\n   c: 1} # HERE\n"},
		{"a text that looks like fields", "a.b", "a:\n  t: |\n    b: 1\n\n    b: 2\n  b: 3 # HERE\n"},
		{"windows line ends", "a.b", "a:\r\n  c: 1\r\n  b: 2 # HERE\r\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var root yaml.Node
			if err := yaml.Unmarshal([]byte(tt.yaml), &root); err != nil {
				t.Fatal(err)
			}
			w := writer{line: root.Content[0].Line, left: 1000}
			o := object{line: 6 + w.line}
			w.value(root.Content[0])
			before, _, _ := strings.Cut(tt.yaml, "HERE")
			o.json = w.json
			if got, want := o.lineOf(tt.path), 7+strings.Count(before, "\n"); got != want || w.err != nil {
				t.Errorf("got line %d, error %v, want %d in\n%s", got, w.err, want, w.json)
			}
		})
	}
}
