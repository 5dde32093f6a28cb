package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kube-dns/kube-dns/tools/ocitar"
)

// image returns the image with one layer for each directory.
func image(o options) (v1.Image, error) {
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.ConfigFile(img, &v1.ConfigFile{
		Architecture: o.arch,
		Variant:      platform(o.arch).Variant,
		OS:           "linux",
		Created:      v1.Time{Time: o.created},
		Config:       o.config,
		RootFS:       v1.RootFS{Type: "layers"},
	})
	if err != nil {
		return nil, err
	}
	for _, dir := range o.dirs {
		layer, err := makeLayer(dir)
		if err != nil {
			return nil, err
		}
		img, err = mutate.Append(img, mutate.Addendum{
			Layer:   layer,
			History: v1.History{Created: v1.Time{Time: o.created}, CreatedBy: "mkimage"},
		})
		if err != nil {
			return nil, err
		}
	}
	return mutate.Annotations(img, o.config.Labels).(v1.Image), nil
}

func makeLayer(dir string) (v1.Layer, error) {
	data, err := ocitar.Pack(dir, time.Unix(0, 0))
	if err != nil {
		return nil, fmt.Errorf("pack %s: %w", dir, err)
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.BestCompression))
}

// platform is the platform of Debian's programs for an architecture. Its 32-bit ARM
// programs need version 7.
func platform(arch string) v1.Platform {
	p := v1.Platform{OS: "linux", Architecture: arch}
	if arch == "arm" {
		p.Variant = "v7"
	}
	return p
}

// archive writes the image to o.out as a tar of an OCI image layout. Its index is for versions of
// `docker load` that cannot read layouts. The file appears once it is complete.
func archive(o options, img v1.Image, work string) error {
	dir := filepath.Join(work, "layout")
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	err = path.AppendImage(img, layout.WithPlatform(platform(o.arch)), layout.WithAnnotations(map[string]string{
		"io.containerd.image.name":          o.name.String(),
		"org.opencontainers.image.ref.name": o.name.TagStr(),
	}))
	if err != nil {
		return err
	}
	index, err := dockerIndex(o, img)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), index, 0o644); err != nil {
		return err
	}
	data, err := ocitar.Pack(dir, o.created)
	if err != nil {
		return err
	}
	whole := filepath.Join(work, "image.tar")
	if err := os.WriteFile(whole, data, 0o644); err != nil {
		return err
	}
	return os.Rename(whole, o.out)
}

// dockerIndex returns manifest.json, Docker's list of the blobs of an archive.
func dockerIndex(o options, img v1.Image) ([]byte, error) {
	manifest, err := img.Manifest()
	if err != nil {
		return nil, err
	}
	blob := func(d v1.Descriptor) string { return "blobs/" + d.Digest.Algorithm + "/" + d.Digest.Hex }
	entry := tarball.Descriptor{Config: blob(manifest.Config), RepoTags: []string{o.name.String()}}
	for _, layer := range manifest.Layers {
		entry.Layers = append(entry.Layers, blob(layer))
	}
	return json.Marshal(tarball.Manifest{entry})
}
