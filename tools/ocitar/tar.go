// Package ocitar packs directories identically on every machine.
package ocitar

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Pack returns a tar of the contents of dir, in path order. All files belong to root and have the
// same time.
func Pack(dir string, at time.Time) ([]byte, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		h, data, err := entry(path, d)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		h.Name = filepath.ToSlash(name)
		if d.IsDir() {
			h.Name += "/"
		}
		h.ModTime = at
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		_, err = w.Write(data)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = w.Close()
	return buf.Bytes(), err
}

// entry returns the header of a file, without name and time, and its contents.
func entry(path string, d fs.DirEntry) (*tar.Header, []byte, error) {
	info, err := d.Info()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case d.IsDir() && info.Mode()&fs.ModeSticky != 0:
		return &tar.Header{Typeflag: tar.TypeDir, Mode: 0o1777}, nil, nil
	case d.IsDir():
		return &tar.Header{Typeflag: tar.TypeDir, Mode: 0o755}, nil, nil
	case d.Type() == fs.ModeSymlink:
		target, err := os.Readlink(path)
		return &tar.Header{Typeflag: tar.TypeSymlink, Mode: 0o777, Linkname: target}, nil, err
	case d.Type().IsRegular():
		mode := int64(0o644)
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		data, err := os.ReadFile(path)
		return &tar.Header{Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(data))}, data, err
	}
	return nil, nil, fmt.Errorf("%s is not a file, directory or symbolic link", path)
}
