// Package render renders the manifests like `kubectl kustomize`.
package render

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// A Cluster is the data of the ConfigMap kube-dns-cluster. Empty fields are omitted.
type Cluster struct {
	Registry        string `json:"registry,omitempty"`
	Version         string `json:"version,omitempty"`
	Zone            string `json:"zone,omitempty"`
	Address         string `json:"address,omitempty"`
	AutoscalerImage string `json:"autoscalerImage,omitempty"`
}

// Default returns a cluster with the default zone and address, and the images of `make images`.
func Default() Cluster {
	return Cluster{
		Registry: "localhost", Version: "dev", Zone: "cluster.local", Address: "10.96.0.10",
		AutoscalerImage: "localhost/cluster-proportional-autoscaler:dev",
	}
}

// A Tree is a copy of the manifests in memory.
type Tree struct{ files filesys.FileSystem }

const top = "/manifests"

// Load copies the manifests below dir, with cluster instead of cluster/cluster.yaml.
func Load(dir string, cluster Cluster) (*Tree, error) {
	t := &Tree{filesys.MakeFsInMemory()}
	source := os.DirFS(dir)
	err := fs.WalkDir(source, ".", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".yaml" {
			return err
		}
		data, err := fs.ReadFile(source, name)
		if err != nil {
			return err
		}
		return t.Write(name, data)
	})
	if err != nil {
		return nil, fmt.Errorf("copy %s: %w", dir, err)
	}
	data, err := yaml.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": cluster,
		"metadata": map[string]any{
			"name": "kube-dns-cluster", "namespace": "kube-system",
			"annotations": map[string]any{"config.kubernetes.io/local-config": "true"},
		},
	})
	if err != nil {
		return nil, err
	}
	return t, t.Write("cluster/cluster.yaml", data)
}

// Write replaces a file of the copy.
func (t *Tree) Write(name string, data []byte) error {
	name = path.Join(top, name)
	if err := t.files.MkdirAll(path.Dir(name)); err != nil {
		return err
	}
	return t.files.WriteFile(name, data)
}

// YAML returns the objects of a folder with a kustomization.yaml, as documents of
// one stream.
func (t *Tree) YAML(folder string) ([]byte, error) {
	objects, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(t.files, path.Join(top, folder))
	if err != nil {
		return nil, fmt.Errorf("render %s: %w", folder, err)
	}
	return objects.AsYaml()
}

// Separator separates two documents of a stream.
const Separator = "---\n"

// Documents splits a stream and skips empty documents.
func Documents(stream []byte) [][]byte {
	var docs [][]byte
	for doc := range bytes.SplitSeq(append([]byte("\n"), stream...), []byte("\n"+Separator)) {
		if len(bytes.TrimSpace(doc)) > 0 {
			docs = append(docs, append(bytes.Clone(doc), '\n')) // the end of the last text, too
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
