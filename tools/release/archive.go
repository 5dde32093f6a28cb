package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// single returns the OCI layout of an archive, which it unpacks into dir, with its only entry.
func single(archive, dir string) (v1.ImageIndex, v1.Descriptor, error) {
	top, err := unpack(archive, dir)
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	manifest, err := top.IndexManifest()
	if err != nil {
		return nil, v1.Descriptor{}, err
	}
	if n := len(manifest.Manifests); n != 1 {
		return nil, v1.Descriptor{}, fmt.Errorf("the archive has %d entries, want one", n)
	}
	return top, manifest.Manifests[0], nil
}

// unpack reads the OCI layout of an archive, which it unpacks into dir.
func unpack(archive, dir string) (v1.ImageIndex, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for in := tar.NewReader(f); ; {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := extract(filepath.Join(dir, filepath.FromSlash(h.Name)), dir, h, in); err != nil {
			return nil, err
		}
	}
	return layout.ImageIndexFromPath(dir)
}

// extract writes one entry to path, which must be below dir.
func extract(path, dir string, h *tar.Header, data io.Reader) error {
	if !strings.HasPrefix(path, dir+string(filepath.Separator)) && path != dir {
		return fmt.Errorf("%s is outside of the archive", h.Name)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return os.MkdirAll(path, 0o755)
	case tar.TypeReg:
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, data)
		return errors.Join(err, f.Close())
	}
	return fmt.Errorf("%s is neither a file nor a directory", h.Name)
}
