package manifest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// maxAliased bounds what the aliases of a document may add to it, in bytes.
	maxAliased = 8 << 20
	// maxDepth bounds values within each other, and maxMerged the mappings that
	// are merged by "<<".
	maxDepth  = 10_000
	maxMerged = 1 << 20
)

// toJSON returns the JSON of a node, as kubectl would read it: y, yes and on are
// true, as in YAML 1.1.
func toJSON(n *yaml.Node) ([]byte, error) {
	var e encoder
	err := e.value(n)
	return e.buf, err
}

// An encoder writes the JSON of nodes.
type encoder struct {
	buf     []byte
	open    []*yaml.Node // targets of aliases that are being written
	aliased int          // bytes of all of them
	depth   int
	merged  int
	// visit, unless it is nil, is called for each value, once its first token is
	// written, with the path to it. The path is only good during the call.
	visit func(at path, n *yaml.Node)
	at    path
}

func (e *encoder) value(n *yaml.Node) error {
	if e.depth++; e.depth > maxDepth {
		return &lineError{n.Line, fmt.Sprintf("exceeded max depth of %d", maxDepth)}
	}
	defer func() { e.depth-- }()
	switch n.Kind {
	case yaml.DocumentNode:
		return e.value(n.Content[0])
	case yaml.AliasNode:
		return e.alias(n)
	case yaml.SequenceNode:
		return e.list(n)
	case yaml.MappingNode:
		return e.object(n)
	}
	text, err := scalar(n)
	if err != nil {
		return &lineError{n.Line, err.Error()}
	}
	e.token(n, text...)
	return nil
}

func (e *encoder) write(text ...byte) {
	e.buf = append(e.buf, text...)
	if len(e.open) > 0 {
		e.aliased += len(text)
	}
}

// token writes the first token of a value.
func (e *encoder) token(n *yaml.Node, text ...byte) {
	e.write(text...)
	if e.visit != nil {
		e.visit(e.at, n)
	}
}

func (e *encoder) alias(n *yaml.Node) error {
	switch {
	case slices.Contains(e.open, n.Alias):
		return &lineError{n.Line, fmt.Sprintf("anchor '%s' value contains itself", n.Value)}
	case e.aliased > maxAliased:
		return &lineError{n.Line, fmt.Sprintf("the aliases (*name) of this document add more than %d MiB to it", maxAliased>>20)}
	}
	e.open = append(e.open, n.Alias)
	err := e.value(n.Alias)
	e.open = e.open[:len(e.open)-1]
	return err
}

func (e *encoder) list(n *yaml.Node) error {
	e.token(n, '[')
	for i, item := range n.Content {
		if i > 0 {
			e.write(',')
		}
		if err := e.child(i, item); err != nil {
			return err
		}
	}
	e.write(']')
	return nil
}

func (e *encoder) object(n *yaml.Node) error {
	fields, err := e.fields(n)
	if err != nil {
		return err
	}
	e.token(n, '{')
	for i, f := range fields {
		if i > 0 {
			e.write(',')
		}
		name, _ := json.Marshal(f.name) // a string has no error
		e.write(append(name, ':')...)
		if err := e.child(f.name, f.value); err != nil {
			return err
		}
	}
	e.write('}')
	return nil
}

func (e *encoder) child(step any, n *yaml.Node) error {
	e.at = append(e.at, step)
	err := e.value(n)
	e.at = e.at[:len(e.at)-1]
	return err
}

// A field is one of an object.
type field struct {
	name  string
	value *yaml.Node
}

// fields returns the fields of an object. Of two with one name the later counts,
// and the object's own count before those that it merges.
func (e *encoder) fields(n *yaml.Node) ([]field, error) {
	var list []field
	var merged []*yaml.Node
	index := make(map[string]int, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Alias != nil {
			key = key.Alias
		}
		at, twice := index[key.Value]
		switch {
		case key.ShortTag() == "!!merge":
			merged = append(merged, value)
		case key.Kind != yaml.ScalarNode:
			return nil, &lineError{key.Line, "a key must be text"}
		case twice:
			list[at].value = value
		default:
			index[key.Value] = len(list)
			list = append(list, field{key.Value, value})
		}
	}
	for _, from := range merged {
		others, err := e.mergedFields(from)
		if err != nil {
			return nil, err
		}
		for _, f := range others {
			if _, own := index[f.name]; !own {
				index[f.name] = len(list)
				list = append(list, f)
			}
		}
	}
	return list, nil
}

// mergedFields returns the fields that n, an object or a list of them, gives to
// one that merges it.
func (e *encoder) mergedFields(n *yaml.Node) (all []field, err error) {
	e.depth++
	defer func() { e.depth-- }()
	if e.merged++; e.merged > maxMerged || e.depth > maxDepth {
		return nil, &lineError{n.Line, "too much is merged by <<"}
	}
	for n.Alias != nil {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.MappingNode:
		return e.fields(n)
	case yaml.SequenceNode:
	default:
		return nil, &lineError{n.Line, "map merge requires map or sequence of maps as the value"}
	}
	for _, item := range n.Content {
		fields, err := e.mergedFields(item)
		if err != nil {
			return nil, err
		}
		all = append(all, fields...)
	}
	return all, nil
}

// scalar returns the JSON of a scalar.
func scalar(n *yaml.Node) ([]byte, error) {
	switch tag := n.ShortTag(); tag {
	case "!!null":
		return []byte("null"), nil
	case "!!int", "!!float":
		var number any
		if err := n.Decode(&number); err != nil {
			return nil, err
		}
		return json.Marshal(number)
	case "!!bool", "!!str":
		if n.Style == 0 || tag == "!!bool" {
			switch strings.ToLower(n.Value) {
			case "true", "yes", "on", "y":
				return []byte("true"), nil
			case "false", "no", "off", "n":
				return []byte("false"), nil
			}
		}
	}
	return json.Marshal(n.Value)
}
