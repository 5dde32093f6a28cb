package conformance

import (
	"encoding/json"
	"fmt"
)

// An Object is a Kubernetes manifest as encoding/json decodes it. Receivers must not change it;
// Clone returns a copy to change.
type Object map[string]any

// A Ref names an Object. Namespace is empty for a Node.
type Ref struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String returns kind namespace/name.
func (r Ref) String() string {
	if r.Namespace == "" {
		return r.Kind + " " + r.Name
	}
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// Ref returns the name of the object. Absent fields are empty.
func (o Object) Ref() Ref {
	metadata := asMap(o["metadata"])
	return Ref{
		Kind:      asString(o["kind"]),
		Namespace: asString(metadata["namespace"]),
		Name:      asString(metadata["name"]),
	}
}

// Clone returns a copy that shares nothing with the object.
func (o Object) Clone() Object {
	data, err := json.Marshal(o)
	if err != nil {
		// An Object is made of JSON, so this is a programming error.
		panic(fmt.Sprintf("conformance: object is not JSON: %v", err))
	}
	var clone Object
	if err := json.Unmarshal(data, &clone); err != nil {
		panic(fmt.Sprintf("conformance: object is not JSON: %v", err))
	}
	return clone
}

// setLabel sets a label in place.
func (o Object) setLabel(key, value string) {
	metadata := asMap(o["metadata"])
	labels := asMap(metadata["labels"])
	if labels == nil {
		labels = map[string]any{}
	}
	labels[key] = value
	metadata["labels"] = labels
}

// asMap, asList and asString read one JSON value. An absent value, or one of another kind,
// is nil or empty.
func asMap(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func asList(v any) []any {
	l, _ := v.([]any)
	return l
}

func asString(v any) string {
	s, _ := v.(string)
	return s
}
