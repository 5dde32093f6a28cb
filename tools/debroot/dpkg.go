package main

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A deb is an unpacked package.
type deb struct {
	name, version string
	stanza        []byte // its entry in dpkg's status file
}

// owners returns the packages of files, sorted by name.
func (s system) owners(files map[string]string) ([]deb, error) {
	names := map[string]bool{}
	for _, from := range files {
		name, err := s.owner(from)
		if err != nil {
			return nil, err
		}
		names[name] = true
	}
	var debs []deb
	for _, name := range slices.Sorted(maps.Keys(names)) {
		stanza, err := s.query("--status", name)
		if err != nil {
			return nil, err
		}
		version, err := s.query("--show", "--showformat=${Version}", name)
		if err != nil {
			return nil, err
		}
		base, _, _ := strings.Cut(name, ":") // libc6:amd64
		debs = append(debs, deb{base, string(version), stanza})
	}
	return debs, nil
}

// owner returns the package of a file. dpkg lists a file under its path in the package. That can be
// the path before /lib moved to /usr/lib, or the file that a symbolic link points to.
func (s system) owner(path string) (string, error) {
	target, err := s.path(path)
	if err != nil {
		return "", err
	}
	target = s.inside(target)
	for _, p := range []string{path, strings.TrimPrefix(path, "/usr"), target, strings.TrimPrefix(target, "/usr")} {
		out, err := s.query("--search", p)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 {
			continue // not found
		}
		if err != nil {
			return "", err
		}
		line, _, _ := strings.Cut(string(out), "\n")
		if name, _, ok := strings.Cut(line, ": "); ok {
			return name, nil
		}
	}
	return "", fmt.Errorf("no package in %s has %s", s.root, path)
}

func (s system) query(args ...string) ([]byte, error) {
	args = append([]string{"--admindir=" + filepath.Join(s.root, "/var/lib/dpkg")}, args...)
	var stderr bytes.Buffer
	cmd := exec.Command("dpkg-query", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("dpkg-query %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
