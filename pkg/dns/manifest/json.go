package manifest

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// maxAliased bounds what the aliases of a document may add to it, in bytes.
	maxAliased = 8 << 20
	// maxDepth bounds values within each other.
	maxDepth = 10_000
	// maxWarnings bounds the warnings about one file.
	maxWarnings = 10
)

// toJSON returns the JSON of a node, as kubectl would read it. A key that its mapping had
// before counts in place of the earlier one, and is in twice.
func toJSON(n *yaml.Node) (text []byte, twice []*yaml.Node, err error) {
	m := measure{anchors: map[*yaml.Node]extent{}}
	switch all, err := m.read(n); {
	case err != nil:
		return nil, nil, err
	case all.depth > maxDepth:
		return nil, nil, &lineError{n.Line, fmt.Sprintf("exceeded max depth of %d", maxDepth)}
	case m.aliased > maxAliased:
		msg := fmt.Sprintf("the aliases (*name) of this document add more than %d MiB to it", maxAliased>>20)
		return nil, nil, &lineError{n.Line, msg}
	}
	v, err := valueOf(n)
	if err != nil {
		return nil, nil, err
	}
	text, err = json.Marshal(v)
	return text, m.twice, err
}

// A measure finds out what a document would be without aliases.
type measure struct {
	anchors map[*yaml.Node]extent
	aliased int          // bytes that aliases add
	twice   []*yaml.Node // keys that were there before; maxWarnings at most
}

// An extent is how much text a value has, in bytes, and how deep it is.
type extent struct{ size, depth int }

func (m *measure) read(n *yaml.Node) (all extent, err error) {
	if n.Kind == yaml.AliasNode {
		all, ok := m.anchors[n.Alias]
		if !ok {
			return all, &lineError{n.Line, fmt.Sprintf("anchor '%s' value contains itself", n.Value)}
		}
		m.aliased = min(m.aliased+all.size, maxAliased+1)
		return all, nil
	}
	all.size = 1 + len(n.Value)
	if n.Kind == yaml.MappingNode {
		m.findTwice(n)
	}
	for i, c := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && c.Kind != yaml.ScalarNode && c.Kind != yaml.AliasNode {
			return all, &lineError{c.Line, "a key must be text"} // most often the braces of a template
		}
		one, err := m.read(c)
		if err != nil {
			return all, err
		}
		all.size = min(all.size+one.size, maxAliased+1)
		all.depth = max(all.depth, one.depth)
	}
	all.depth++
	if n.Anchor != "" {
		m.anchors[n] = all
	}
	return all, nil
}

// findTwice notes the keys that a mapping has twice.
func (m *measure) findTwice(n *yaml.Node) {
	seen := make(map[string]bool, len(n.Content)/2)
	for i := 0; i < len(n.Content) && len(m.twice) < maxWarnings; i += 2 {
		key := n.Content[i]
		if seen[key.Value] && key.Kind == yaml.ScalarNode {
			m.twice = append(m.twice, key)
		}
		seen[key.Value] = true
	}
}

// valueOf returns the value of a node, as encoding/json writes it.
func valueOf(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.DocumentNode:
		return valueOf(n.Content[0])
	case yaml.AliasNode:
		return valueOf(n.Alias)
	case yaml.ScalarNode:
		return scalarOf(n)
	case yaml.MappingNode:
		fields := make(map[string]any, len(n.Content)/2)
		return fields, addFields(fields, n)
	}
	list := make([]any, 0, len(n.Content))
	for _, item := range n.Content {
		v, err := valueOf(item)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, nil
}

// addFields adds the fields of n: a mapping, or for "<<" an alias to one, or a list of
// them. Fields that n merges are added first, since its own count before them.
func addFields(fields map[string]any, n *yaml.Node) error {
	switch n.Kind {
	case yaml.AliasNode:
		return addFields(fields, n.Alias)
	case yaml.SequenceNode:
		for _, item := range slices.Backward(n.Content) { // the first counts before the others
			if err := addFields(fields, item); err != nil {
				return err
			}
		}
		return nil
	case yaml.ScalarNode:
		return &lineError{n.Line, "map merge requires map or sequence of maps as the value"}
	}
	for _, merging := range []bool{true, false} {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if err := addField(fields, n.Content[i], n.Content[i+1], merging); err != nil {
				return err
			}
		}
	}
	return nil
}

// addField adds one field, if it is one that merges, or if it is none.
func addField(fields map[string]any, key, value *yaml.Node, merging bool) error {
	if key.Alias != nil {
		key = key.Alias
	}
	switch isMerge := key.ShortTag() == "!!merge"; {
	case isMerge != merging:
		return nil
	case isMerge:
		return addFields(fields, value)
	}
	v, err := valueOf(value)
	fields[key.Value] = v
	return err
}

// scalarOf returns the value of a scalar as in YAML 1.1, which kubectl reads: plain
// y, yes and on are true.
func scalarOf(n *yaml.Node) (v any, err error) {
	plain := n.Style == 0
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!int", "!!float", "!!bool":
		if err := n.Decode(&v); err != nil {
			return nil, &lineError{n.Line, err.Error()}
		}
		if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			return nil, &lineError{n.Line, n.Value + " cannot be written in JSON"}
		}
		return v, nil
	case "!!str":
		switch value := strings.ToLower(n.Value); {
		case plain && slices.Contains([]string{"y", "yes", "on"}, value):
			return true, nil
		case plain && slices.Contains([]string{"n", "no", "off"}, value):
			return false, nil
		}
	}
	return n.Value, nil
}
