// Package manifests reads the objects of the manifests given by -f.
package manifests

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Read calls add with each object in JSON, and returns the files that it read. A path is a file, a
// directory with *.yaml, *.yml and *.json, or "-" for stdin. Like kubectl, it does not read
// subdirectories.
func Read(paths []string, stdin io.Reader, add func(kind string, object []byte) error) ([]string, error) {
	var read []string
	for _, path := range paths {
		files := []string{"stdin"}
		var err error
		if path == "-" {
			err = decode(stdin, "stdin", add)
		} else {
			files, err = readPath(path, add)
		}
		if err != nil {
			return nil, fmt.Errorf("-f %w", err)
		}
		read = append(read, files...)
	}
	return read, nil
}

// readPath reads a file, or the files of a directory.
func readPath(path string, add func(kind string, object []byte) error) ([]string, error) {
	files, err := filesOf(path)
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		err = decode(f, file, add)
		_ = f.Close()
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

// filesOf returns the files of a path.
func filesOf(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml" || ext == ".json") {
			files = append(files, filepath.Join(path, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no *.yaml, *.yml or *.json in it: name its directories if they have some", path)
	}
	return files, nil
}

// decode calls add with each object of r. An error has one line and the name of the file.
func decode(r io.Reader, name string, add func(kind string, object []byte) error) error {
	d := yaml.NewYAMLOrJSONDecoder(r, 4096)
	for n := 1; ; n++ {
		var object json.RawMessage
		err := d.Decode(&object)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = addAll(object, add)
		}
		if err != nil {
			return fmt.Errorf("%s: document %d: %s", name, n, strings.Join(strings.Fields(err.Error()), " "))
		}
	}
}

// addAll calls add with an object, or with the objects of a List.
func addAll(object []byte, add func(kind string, object []byte) error) error {
	var list struct {
		metav1.TypeMeta `json:",inline"`

		Items []json.RawMessage `json:"items"`
	}
	if len(object) == 0 {
		return nil // empty document
	}
	if err := json.Unmarshal(object, &list); err != nil {
		return err
	}
	if !strings.HasSuffix(list.Kind, "List") {
		return add(list.Kind, object)
	}
	for _, item := range list.Items {
		if err := addAll(item, add); err != nil {
			return err
		}
	}
	return nil
}
