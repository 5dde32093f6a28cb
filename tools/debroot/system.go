package main

import (
	"fmt"
	"path/filepath"
	"strings"
)

// A system is a Debian system below a directory. Paths are those inside it.
type system struct {
	root string // absolute, without symbolic links
}

func newSystem(root string) (system, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return system{}, err
	}
	root, err = filepath.EvalSymlinks(root)
	return system{root}, err
}

// path returns the path on this machine of a file of the system, without symbolic links.
func (s system) path(inside string) (string, error) {
	path, err := filepath.EvalSymlinks(filepath.Join(s.root, inside))
	if err != nil {
		return "", err
	}
	if s.root != "/" && !strings.HasPrefix(path, s.root+"/") {
		return "", fmt.Errorf("%s is a link to %s, outside %s", inside, path, s.root)
	}
	return path, nil
}

// inside returns the path inside the system of a file on this machine.
func (s system) inside(path string) string {
	return filepath.Join("/", strings.TrimPrefix(path, s.root))
}
