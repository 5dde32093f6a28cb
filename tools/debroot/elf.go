package main

import (
	"debug/elf"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// closure adds a program and its libraries to files. The loader keeps the path that the program
// names. Libraries go to the folders that the loader searches without a cache (ld.so(8)).
func (s system) closure(program string, files map[string]string) error {
	path, err := s.path(program)
	if err != nil {
		return err
	}
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	defer f.Close()
	if files[program] == "" {
		files[program] = program
	}
	if loader := interpreter(f); loader != "" {
		files[loader] = loader
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("read the libraries of %s: %w", program, err)
	}
	for _, name := range needed {
		if isLoader(name, files) {
			continue
		}
		from, err := s.find(name, f.Machine)
		if err != nil {
			return fmt.Errorf("%s: %w", program, err)
		}
		to := from
		if !strings.HasPrefix(to, "/usr/") {
			to = "/usr" + to
		}
		if files[to] != "" {
			continue
		}
		files[to] = from
		if err := s.closure(from, files); err != nil {
			return err
		}
		if from != to {
			delete(files, from)
		}
	}
	return nil
}

// interpreter returns the loader of a program, or "" for a library.
func interpreter(f *elf.File) string {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			data, err := io.ReadAll(p.Open())
			if err != nil {
				return ""
			}
			return strings.TrimRight(string(data), "\x00")
		}
	}
	return ""
}

// isLoader reports whether a library is the loader, which files already has.
func isLoader(name string, files map[string]string) bool {
	for to := range files {
		if filepath.Base(to) == name && strings.HasPrefix(name, "ld") {
			return true
		}
	}
	return false
}

// find returns the path of a library for a machine in Debian's library folders.
func (s system) find(name string, machine elf.Machine) (string, error) {
	for _, pattern := range []string{"/usr/lib/*-linux-gnu*", "/lib/*-linux-gnu*", "/usr/lib", "/lib"} {
		paths, err := filepath.Glob(filepath.Join(s.root, pattern, name))
		if err != nil {
			return "", err
		}
		for _, path := range paths {
			if f, err := elf.Open(path); err == nil {
				same := f.Machine == machine
				f.Close()
				if same {
					return s.inside(path), nil
				}
			}
		}
	}
	return "", fmt.Errorf("%s has no library %s for %v", s.root, name, machine)
}
