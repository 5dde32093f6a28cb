package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// loadFiles returns the files that the command line names, without files that -run excludes.
func loadFiles(o options) ([]conformance.File, error) {
	all, err := conformance.Vectors(o.zone)
	if err != nil {
		return nil, err
	}
	files := all
	if len(o.files) > 0 {
		files = nil
	}
	for _, arg := range o.files {
		found, err := loadOne(o, all, arg)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	files = slices.DeleteFunc(files, func(f conformance.File) bool { return !selected(o, f) })
	if len(files) == 0 {
		return nil, fmt.Errorf("-run %q matches no query", o.only)
	}
	return files, nil
}

func loadOne(o options, all []conformance.File, arg string) ([]conformance.File, error) {
	if name, ok := strings.CutSuffix(filepath.Base(arg), ".yaml"); ok {
		data, err := os.ReadFile(arg)
		if err != nil {
			return nil, err
		}
		file, err := conformance.Parse(name, data, o.zone)
		return []conformance.File{file}, err
	}
	var found []conformance.File
	for _, file := range all {
		if strings.HasPrefix(file.Name, arg) {
			found = append(found, file)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("there are no vectors %q: the first is %s, the last %s", arg, all[0].Name,
			all[len(all)-1].Name)
	}
	return found, nil
}

// selected reports whether -run matches a query of the file.
func selected(o options, file conformance.File) bool {
	for _, step := range file.AllSteps() {
		for _, q := range step.Queries {
			if matches(o, file, conformance.Result{Step: step.Name, Query: &q}) {
				return true
			}
		}
	}
	return false
}

func matches(o options, file conformance.File, r conformance.Result) bool {
	return o.only == nil || o.only.MatchString(file.Name+"/"+r.Title())
}

// writeManifests writes the objects of the first step of each file.
func writeManifests(o options, files []conformance.File, stdout io.Writer) error {
	if err := os.MkdirAll(o.manifests, 0o755); err != nil {
		return err
	}
	for _, file := range files {
		objects := file.FirstObjects(o.endpoints)
		if len(objects) == 0 {
			continue
		}
		data, err := documents(withNamespaces(objects))
		if err != nil {
			return err
		}
		path := filepath.Join(o.manifests, file.Name+".yaml")
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s: %d objects\n", path, len(objects))
	}
	return nil
}

// withNamespaces inserts the namespaces of objects before them.
func withNamespaces(objects []conformance.Object) []conformance.Object {
	var all []conformance.Object
	seen := map[string]bool{"": true}
	for _, object := range objects {
		if name := object.Ref().Namespace; !seen[name] {
			seen[name] = true
			all = append(all, conformance.Object{
				"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name},
			})
		}
	}
	return append(all, objects...)
}

// documents returns objects as YAML documents.
func documents(objects []conformance.Object) ([]byte, error) {
	var out bytes.Buffer
	for _, object := range objects {
		data, err := yaml.Marshal(object)
		if err != nil {
			return nil, err
		}
		out.WriteString("---\n")
		out.Write(data)
	}
	return out.Bytes(), nil
}
