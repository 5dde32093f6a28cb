package main

import (
	"bytes"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A deb is an installed package.
type deb struct {
	name, version string
	stanza        []byte // its entry in dpkg's status file
}

// owners are the packages that files come from, by name.
func owners(files map[string]string) ([]deb, error) {
	names := map[string]bool{}
	for _, from := range files {
		name, err := owner(from)
		if err != nil {
			return nil, err
		}
		names[name] = true
	}
	var debs []deb
	for _, name := range slices.Sorted(maps.Keys(names)) {
		stanza, err := query("--status", name)
		if err != nil {
			return nil, err
		}
		version, err := query("--show", "--showformat=${Version}", name)
		if err != nil {
			return nil, err
		}
		base, _, _ := strings.Cut(name, ":") // libc6:amd64
		debs = append(debs, deb{base, string(version), stanza})
	}
	return debs, nil
}

// owner is the name of the package that has a file. dpkg knows it under the path
// in the package, which may be that before /lib moved to /usr/lib, or the file that
// a symbolic link points to.
func owner(path string) (string, error) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	for _, p := range []string{path, strings.TrimPrefix(path, "/usr"), target, strings.TrimPrefix(target, "/usr")} {
		out, err := query("--search", p)
		if err != nil {
			continue
		}
		line, _, _ := strings.Cut(string(out), "\n")
		if name, _, ok := strings.Cut(line, ": "); ok {
			return name, nil
		}
	}
	return "", fmt.Errorf("no installed package has %s", path)
}

func query(args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.Command("dpkg-query", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("dpkg-query %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
