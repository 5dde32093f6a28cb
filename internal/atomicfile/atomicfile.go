// Package atomicfile replaces files atomically: a reader sees the old content or the new, never a
// part.
package atomicfile

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Write replaces the file at path by the output of fill. On an error the file does not change, and
// no other file remains in its directory. Write waits for the disk.
func Write(path string, mode fs.FileMode, fill func(io.Writer) error) error {
	return replace(path, mode, fill, (*os.File).Sync)
}

// WriteCached is Write without the wait for the disk. The file can be empty after a crash of the
// machine.
func WriteCached(path string, mode fs.FileMode, fill func(io.Writer) error) error {
	return replace(path, mode, fill, func(*os.File) error { return nil })
}

func replace(path string, mode fs.FileMode, fill func(io.Writer) error, sync func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err // names the path
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ignoreClosed(f.Close()), os.Remove(f.Name()))
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	if err := fill(w); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	// Write syncs before the rename: after a crash of the machine the name must not point to an
	// empty file.
	if err := sync(f); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func ignoreClosed(err error) error {
	if errors.Is(err, os.ErrClosed) {
		return nil
	}
	return err
}
