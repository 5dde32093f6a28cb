package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A layer is a compressed tar and the digest of what is in it.
type layer struct {
	compressed []byte
	diffID     string // digest of the tar before compression
}

// A source is one argument, SOURCE:/TARGET[:MODE].
type source struct {
	from string // empty: only a folder
	to   string // without the leading slash; "" is the root
	mode int64  // 0: by the file
}

// makeLayers packs the arguments, one layer for each run of them between +.
func makeLayers(args []string) ([]layer, error) {
	var layers []layer
	below := map[string]int64{}
	for rest := args; ; {
		n := 0
		for n < len(rest) && rest[n] != "+" {
			n++
		}
		l, err := makeLayer(rest[:n], below)
		if err != nil {
			return nil, err
		}
		layers = append(layers, l)
		if n == len(rest) {
			return layers, nil
		}
		rest = rest[n+1:]
	}
}

// makeLayer packs one run of arguments. Folders have the modes that they have in the
// layers below, and it adds its own to those.
func makeLayer(args []string, below map[string]int64) (layer, error) {
	if len(args) == 0 {
		return layer{}, fmt.Errorf("there is no SOURCE:/TARGET before or after a +")
	}
	var compressed bytes.Buffer
	zip, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		return layer{}, err
	}
	sum := sha256.New()
	p := packer{w: tar.NewWriter(io.MultiWriter(zip, sum)), has: map[string]bool{"": true}, folders: below}
	for _, arg := range args {
		s, err := parseSource(arg)
		if err != nil {
			return layer{}, err
		}
		if err := p.add(s); err != nil {
			return layer{}, fmt.Errorf("pack %s: %w", arg, err)
		}
	}
	if err := p.w.Close(); err != nil {
		return layer{}, err
	}
	if err := zip.Close(); err != nil {
		return layer{}, err
	}
	return layer{compressed.Bytes(), "sha256:" + hex.EncodeToString(sum.Sum(nil))}, nil
}

func parseSource(arg string) (source, error) {
	from, rest, ok := strings.Cut(arg, ":/")
	if !ok {
		return source{}, fmt.Errorf("%q is not SOURCE:/TARGET[:MODE]", arg)
	}
	target, mode, hasMode := strings.Cut(rest, ":")
	s := source{from: from, to: strings.TrimPrefix(path.Clean("/"+target), "/")}
	if hasMode {
		n, err := strconv.ParseUint(mode, 8, 12)
		if err != nil || n == 0 {
			return source{}, fmt.Errorf("%q: the mode %q is no octal number such as 755", arg, mode)
		}
		s.mode = int64(n)
	}
	return s, nil
}

// A packer writes the files of one layer.
type packer struct {
	w       *tar.Writer
	has     map[string]bool  // paths in this layer
	folders map[string]int64 // modes of folders, also of the layers below
}

// add packs one source with everything below it.
func (p packer) add(s source) error {
	if s.from == "" {
		return p.mkdir(s.to, s.mode)
	}
	root, err := filepath.EvalSymlinks(s.from)
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(from string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, from)
		if err != nil {
			return err
		}
		to, mode := strings.TrimPrefix(path.Join("/", s.to, filepath.ToSlash(below)), "/"), int64(0)
		if below == "." {
			mode = s.mode
		}
		switch {
		case d.IsDir():
			return p.mkdir(to, mode)
		case d.Type() == fs.ModeSymlink:
			return p.symlink(from, to)
		case d.Type().IsRegular():
			return p.file(from, to, mode)
		default:
			return fmt.Errorf("%s is no file, folder or symbolic link", from)
		}
	})
}

// mkdir packs a folder and those above it that are not there yet.
func (p packer) mkdir(to string, mode int64) error {
	if p.has[to] {
		return nil
	}
	if err := p.parents(to); err != nil {
		return err
	}
	if mode == 0 {
		mode = cmp.Or(p.folders[to], 0o755)
	}
	p.has[to], p.folders[to] = true, mode
	return p.header(tar.Header{Typeflag: tar.TypeDir, Name: to + "/", Mode: mode})
}

func (p packer) symlink(from, to string) error {
	target, err := os.Readlink(from)
	if err != nil {
		return err
	}
	if err := p.once(to); err != nil {
		return err
	}
	return p.header(tar.Header{Typeflag: tar.TypeSymlink, Name: to, Linkname: target, Mode: 0o777})
}

func (p packer) file(from, to string, mode int64) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if mode == 0 {
		info, err := os.Stat(from)
		if err != nil {
			return err
		}
		mode = 0o644
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
	}
	if err := p.once(to); err != nil {
		return err
	}
	if err := p.header(tar.Header{Typeflag: tar.TypeReg, Name: to, Mode: mode, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err = p.w.Write(data)
	return err
}

// once makes the folders above a file, which must not be there yet.
func (p packer) once(to string) error {
	if p.has[to] {
		return fmt.Errorf("/%s is there already", to)
	}
	if err := p.parents(to); err != nil {
		return err
	}
	p.has[to] = true
	return nil
}

func (p packer) parents(to string) error {
	if dir := path.Dir(to); dir != "." {
		return p.mkdir(dir, 0)
	}
	return nil
}

func (p packer) header(h tar.Header) error {
	h.ModTime = time.Unix(0, 0) // of no meaning, and so the same in every build
	return p.w.WriteHeader(&h)
}
