package chart

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "rewrite the table of values in the chart's README")

// TestReadme compares the table of values in the chart's README with values.yaml:
//
//	go -C tools test ./manifests/chart -run TestReadme -update
func TestReadme(t *testing.T) {
	const first, last = "<!-- values: written by a test -->\n", "<!-- end of values -->\n"
	text, err := os.ReadFile(dir + "/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values yaml.Node
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	table.WriteString("\n| value | default | meaning |\n| --- | --- | --- |\n")
	rows(&table, "", values.Content[0])
	table.WriteString("\n")

	readme, err := os.ReadFile(dir + "/README.md")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(readme), first)
	old, tail, end := strings.Cut(rest, last)
	if !ok || !end {
		t.Fatalf("README.md has no lines %q and %q", first, last)
	}
	if *update {
		if err := os.WriteFile(dir+"/README.md", []byte(head+first+table.String()+last+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table.String(), old); diff != "" {
		t.Errorf("README.md differs from values.yaml (-want +got), -update rewrites it:\n%s", diff)
	}
}

// rows writes a row for each value below a mapping: its path, its default, its comments. A mapping
// in one line is a value; rows descends into any other mapping.
func rows(table *strings.Builder, prefix string, mapping *yaml.Node) {
	for i := 0; i < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		name := prefix + key.Value
		meaning := comment(key.HeadComment, key.LineComment, value.LineComment)
		if value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 {
			if meaning != "" {
				fmt.Fprintf(table, "| `%s` | | %s |\n", name, meaning)
			}
			rows(table, name+".", value)
			continue
		}
		fmt.Fprintf(table, "| `%s` | %s | %s |\n", name, shown(value), meaning)
	}
}

// comment joins comments without their comment signs.
func comment(parts ...string) string {
	var words []string
	for _, part := range parts {
		for line := range strings.SplitSeq(part, "\n") {
			words = append(words, strings.Fields(strings.TrimPrefix(line, "#"))...)
		}
	}
	return strings.NewReplacer("|", `\|`, "<", `\<`).Replace(strings.Join(words, " "))
}

// shown is a default in one line.
func shown(value *yaml.Node) string {
	switch {
	case value.Tag == "!!null" || value.Kind == yaml.ScalarNode && value.Value == "":
		return ""
	case value.Kind == yaml.ScalarNode:
		return "`" + value.Value + "`"
	case len(value.Content) == 0:
		return ""
	case value.Kind == yaml.SequenceNode && value.Style&yaml.FlowStyle == 0:
		var items []string
		for _, item := range value.Content {
			items = append(items, shown(item))
		}
		return strings.Join(items, " ")
	}
	value.HeadComment, value.LineComment, value.FootComment = "", "", ""
	text, err := yaml.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return "`" + strings.TrimSpace(string(text)) + "`"
}
