// Package render makes objects of the manifests, as `kubectl kustomize` does.
package render

import (
	"bytes"
	"fmt"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// YAML returns the objects of a folder with a kustomization.yaml, as documents of
// one stream.
func YAML(dir string) ([]byte, error) {
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", dir, err)
	}
	return objects.AsYaml()
}

// Separator stands between two documents of a stream.
const Separator = "---\n"

// Documents splits a stream; empty documents are left out.
func Documents(stream []byte) [][]byte {
	var docs [][]byte
	for doc := range bytes.SplitSeq(append([]byte("\n"), stream...), []byte("\n"+Separator)) {
		if len(bytes.TrimSpace(doc)) > 0 {
			docs = append(docs, doc)
		}
	}
	return docs
}

// Objects decodes a stream into maps by "<kind> <name>".
func Objects(stream []byte) (map[string]map[string]any, error) {
	objects := map[string]map[string]any{}
	for _, doc := range Documents(stream) {
		var object struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := yaml.Unmarshal(doc, &object); err != nil {
			return nil, err
		}
		key := object.Kind + " " + object.Metadata.Name
		if objects[key] != nil {
			return nil, fmt.Errorf("%s is there twice", key)
		}
		var fields map[string]any
		if err := yaml.Unmarshal(doc, &fields); err != nil {
			return nil, err
		}
		objects[key] = fields
	}
	return objects, nil
}
