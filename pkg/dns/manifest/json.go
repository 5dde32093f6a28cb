package manifest

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// maxAliased bounds what the aliases of a document may add to it, in bytes.
	maxAliased = 8 << 20
	// maxDepth bounds the nesting of values, aliases included. The parser has the same
	// bound without them.
	maxDepth = 10_000
	// maxWarnings bounds the warnings about one file.
	maxWarnings = 10
)

// toJSON returns the JSON of a document, as kubectl would read it. A key that its mapping
// had before counts in place of the earlier one, and is in twice.
func toJSON(root *yaml.Node) (text []byte, twice []*yaml.Node, err error) {
	c := converter{root: root, anchors: map[*yaml.Node]anchor{}}
	v, err := c.value(root)
	if err != nil {
		return nil, nil, err
	}
	text, err = json.Marshal(v)
	return text, c.twice, err
}

// A converter makes values of YAML nodes, as encoding/json writes them.
type converter struct {
	root    *yaml.Node
	anchors map[*yaml.Node]anchor
	// size is how much text there is so far, in bytes; aliases added aliased to it.
	size, aliased int
	// depth is that of the value at hand, deepest that of the deepest one in it.
	depth, deepest int
	twice          []*yaml.Node // keys that were there before; maxWarnings at most
}

// An anchor is a value that aliases stand for.
type anchor struct {
	value       any
	size, depth int
}

func (c *converter) value(n *yaml.Node) (v any, err error) {
	size, deepest := c.size, c.deepest
	c.size += 1 + len(n.Value)
	c.depth++
	c.deepest = c.depth
	switch n.Kind {
	case yaml.DocumentNode:
		v, err = c.value(n.Content[0])
	case yaml.AliasNode:
		v, err = c.alias(n)
	case yaml.MappingNode:
		v, err = c.fields(n)
	case yaml.SequenceNode:
		v, err = c.list(n)
	default:
		v, err = scalarOf(n)
	}
	if n.Anchor != "" {
		c.anchors[n] = anchor{value: v, size: c.size - size, depth: c.deepest - c.depth}
	}
	c.depth--
	c.deepest = max(c.deepest, deepest)
	return v, err
}

func (c *converter) alias(n *yaml.Node) (any, error) {
	a, ok := c.anchors[n.Alias]
	if !ok {
		return nil, &lineError{n.Line, fmt.Sprintf("anchor '%s' value contains itself", n.Value)}
	}
	if c.deepest += a.depth; c.deepest > maxDepth {
		return nil, &lineError{n.Line, fmt.Sprintf("exceeded max depth of %d", maxDepth)}
	}
	c.size += a.size
	if c.aliased += a.size; c.aliased > maxAliased {
		msg := fmt.Sprintf("the aliases (*name) of this document add more than %d MiB to it", maxAliased>>20)
		return nil, &lineError{c.root.Line, msg}
	}
	return a.value, nil
}

func (c *converter) list(n *yaml.Node) (_ any, err error) {
	list := make([]any, len(n.Content))
	for i, item := range n.Content {
		if list[i], err = c.value(item); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (c *converter) fields(n *yaml.Node) (any, error) {
	own, merged := make(map[string]any, len(n.Content)/2), map[string]any{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Alias != nil {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, &lineError{n.Content[i].Line, "a key must be text"} // most often the braces of a template
		}
		v, err := c.value(n.Content[i+1])
		if err != nil {
			return nil, err
		}
		_, twice := own[key.Value]
		switch {
		case key.ShortTag() != "!!merge":
			own[key.Value] = v
		case !addFields(merged, v):
			return nil, &lineError{n.Content[i].Line, "map merge requires map or sequence of maps as the value"}
		}
		if twice && len(c.twice) < maxWarnings {
			c.twice = append(c.twice, n.Content[i])
		}
		c.size += 1 + len(key.Value)
	}
	if len(merged) == 0 {
		return own, nil
	}
	maps.Copy(merged, own)
	return merged, nil
}

// addFields adds the fields of a mapping, or of a list of them whose first one counts. It
// returns false for another value.
func addFields(fields map[string]any, from any) bool {
	switch from := from.(type) {
	case map[string]any:
		maps.Copy(fields, from)
		return true
	case []any:
		for _, mapping := range slices.Backward(from) {
			if !addFields(fields, mapping) {
				return false
			}
		}
		return true
	}
	return false
}

// scalarOf returns the value of a scalar as in YAML 1.1, which kubectl reads: plain
// y, yes and on are true.
func scalarOf(n *yaml.Node) (v any, err error) {
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
		if n.Style != 0 { // not plain
			break
		}
		switch strings.ToLower(n.Value) {
		case "y", "yes", "on":
			return true, nil
		case "n", "no", "off":
			return false, nil
		}
	}
	return n.Value, nil
}

// A lineError is an error in a line of a document.
type lineError struct {
	line int
	msg  string
}

func (e *lineError) Error() string { return fmt.Sprintf("line %d: %s", e.line, e.msg) }
