package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/kube-dns/kube-dns/tools/ocitar"
)

// runIndex joins the images of several archives into one index, in a separate archive.
func runIndex(_ context.Context, fs *flag.FlagSet, args []string, _ io.Writer) error {
	out := fs.String("o", "", "`archive` to write")
	tag := fs.String("name", "", "`name:tag` of the index")
	created := fs.Int64("created", 0, "date of the files, in `seconds` since 1970")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *out == "" || fs.NArg() == 0 {
		return errors.New("index needs -o ARCHIVE and the archives of the images")
	}
	ref, err := name.NewTag(*tag, name.StrictValidation)
	if err != nil {
		return fmt.Errorf("-name, for example registry.example/dns/k8s-dns-sidecar:v1: %w", err)
	}
	work, err := os.MkdirTemp("", "release-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var first map[string]string
	for i, archive := range fs.Args() {
		img, platform, err := open(archive, filepath.Join(work, fmt.Sprint(i)))
		if err == nil {
			first, err = sameLabels(first, img)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: platform}})
	}
	dir := filepath.Join(work, "all")
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	err = path.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"io.containerd.image.name": ref.String(), "org.opencontainers.image.ref.name": ref.TagStr(),
	}))
	if err != nil {
		return err
	}
	data, err := ocitar.Pack(dir, time.Unix(*created, 0))
	if err != nil {
		return err
	}
	return os.WriteFile(*out, data, 0o644)
}

// sameLabels returns the labels of the first image. Other images must have the same labels, and so
// the same version of dnsmasq. Licenses can depend on the architecture.
func sameLabels(first map[string]string, img v1.Image) (map[string]string, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	labels := maps.Clone(config.Config.Labels)
	delete(labels, "org.opencontainers.image.licenses")
	if first == nil {
		return labels, nil
	}
	for key, want := range first {
		if got := labels[key]; got != want {
			return nil, fmt.Errorf("the label %s is %q, and %q in the first archive: build them of the same packages",
				key, got, want)
		}
	}
	return first, nil
}

// open reads the only image of an archive, which it unpacks into dir.
func open(archive, dir string) (v1.Image, *v1.Platform, error) {
	top, entry, err := single(archive, dir)
	if err != nil {
		return nil, nil, err
	}
	if entry.Platform == nil {
		return nil, nil, errors.New("this is not an archive with the image of one platform")
	}
	img, err := top.Image(entry.Digest)
	return img, entry.Platform, err
}
