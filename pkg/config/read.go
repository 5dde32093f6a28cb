package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	// maxFile bounds what is read of one file. A ConfigMap holds 1 MiB at
	// most; a larger file is another directory given by mistake.
	maxFile = 8 << 20
	// readAttempts bounds how often Read starts over when a volume is
	// switched below it.
	readAttempts = 3
	// dataLink is what a ConfigMap volume switches when the map changes: its
	// keys are links to files below this link.
	dataLink = "..data"
)

// Read returns the files directly in dir by name, and their Version.
// Directories and names that begin with "." are left out, links to files are
// followed. When anything is missing, cannot be read or is not UTF-8, all of
// it fails.
//
// A ConfigMap volume that changes meanwhile is read again, so that files are
// of one revision of the map.
func Read(dir string) (files map[string]string, version string, err error) {
	for range readAttempts {
		before, _ := os.Readlink(filepath.Join(dir, dataLink))
		files, err = readOnce(dir)
		if after, _ := os.Readlink(filepath.Join(dir, dataLink)); after == before {
			break
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("read config directory %s: %w", dir, err)
	}
	return files, Version(files), nil
}

func readOnce(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := make(map[string]string)
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") {
			continue
		}
		path := filepath.Join(dir, name)
		info, err := os.Stat(path) // of what a link points to
		if errors.Is(err, fs.ErrNotExist) {
			// Not the error of a directory that is missing: there is a configuration.
			return nil, fmt.Errorf("file %s has gone, or is a link to nothing", path)
		}
		if err != nil {
			return nil, err
		}
		if info.IsDir() {
			continue
		}
		if files[name], err = readFile(path, info); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func readFile(path string, info os.FileInfo) (string, error) {
	if !info.Mode().IsRegular() { // reading a pipe could take for ever
		return "", fmt.Errorf("file %s is no regular file (%s)", path, info.Mode())
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return "", err
	case len(b) > maxFile:
		return "", fmt.Errorf("file %s is larger than %d MiB", path, maxFile>>20)
	case !utf8.Valid(b):
		return "", fmt.Errorf("file %s is not UTF-8 text", path)
	}
	return string(b), nil
}

// Version is a hash over the names and contents of files; empty when there
// are none.
func Version(files map[string]string) string {
	if len(files) == 0 {
		return ""
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		writeSized(h, name)
		writeSized(h, files[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// writeSized writes s after its length, so that no other list of texts gives
// the same bytes.
func writeSized(h hash.Hash, s string) {
	h.Write([]byte(strconv.Itoa(len(s)) + ":" + s)) // a hash never fails
}
