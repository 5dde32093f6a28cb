package config

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

const (
	// maxFile is the size limit of a file, in bytes. A ConfigMap has at most 1 MiB: a much larger
	// file means that the directory is the wrong one.
	maxFile = 8 << 20
	// readAttempts is how often the directory is read if it changes during a read.
	readAttempts = 3
	// dataLink is the link that kubelet replaces when the ConfigMap changes. The keys are links to
	// files below it.
	dataLink = "..data"
)

// readDir returns the files directly in dir by name, and their Version. It skips directories and
// names that start with ".", and follows links to files. It fails if a file is missing, unreadable
// or not UTF-8.
//
// All files are of one revision of a ConfigMap: readDir starts over if it changes.
func readDir(dir string) (files map[string]string, data string, err error) {
	for range readAttempts {
		data, _ = os.Readlink(filepath.Join(dir, dataLink))
		files, err = readOnce(dir)
		if after, _ := os.Readlink(filepath.Join(dir, dataLink)); after == data {
			break
		}
	}
	if err != nil {
		return nil, "", fmt.Errorf("read config directory %s: %w", dir, err)
	}
	return files, data, nil
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
		info, err := os.Stat(path) // follows links
		if errors.Is(err, fs.ErrNotExist) {
			// Not fs.ErrNotExist, which means that there is no configuration.
			return nil, fmt.Errorf("file %s was removed, or is a link without a target", path)
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
	switch {
	case !info.Mode().IsRegular(): // reading a pipe could block
		return "", fmt.Errorf("file %s is not a regular file (%s)", path, info.Mode())
	case info.Size() > maxFile:
		return "", fmt.Errorf("file %s is larger than %d MiB", path, maxFile>>20)
	}
	b, err := os.ReadFile(path)
	if err == nil && !utf8.Valid(b) {
		err = fmt.Errorf("file %s is not UTF-8 text", path)
	}
	return string(b), err
}

// Version returns a hash of the names and contents of files, or "" if there are none.
func Version(files map[string]string) string {
	if len(files) == 0 {
		return ""
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		// The lengths make the bytes unique to these files. A hash never fails.
		fmt.Fprintf(h, "%d:%s%d:%s", len(name), name, len(files[name]), files[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
