package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A descriptor points to a blob of the archive (OCI image specification).
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    map[string]string `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// imageConfig is the configuration of an image.
type imageConfig struct {
	Created      time.Time       `json:"created"`
	Architecture string          `json:"architecture"`
	OS           string          `json:"os"`
	Config       containerConfig `json:"config"`
	RootFS       rootFS          `json:"rootfs"`
	History      []history       `json:"history"`
}

// imageManifest names the configuration and the layers of an image.
type imageManifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

const manifestType = "application/vnd.oci.image.manifest.v1+json"

type containerConfig struct {
	User       string            `json:"User,omitempty"`
	Env        []string          `json:"Env,omitempty"`
	Entrypoint []string          `json:"Entrypoint,omitempty"`
	WorkingDir string            `json:"WorkingDir"`
	Labels     map[string]string `json:"Labels,omitempty"`
	StopSignal string            `json:"StopSignal,omitempty"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type history struct {
	Created   time.Time `json:"created"`
	CreatedBy string    `json:"created_by"`
}

// An archive is a tar of blobs and of the documents that name them.
type archive struct {
	buf bytes.Buffer
	w   *tar.Writer
	at  time.Time
	has map[string]bool
}

// writeArchive writes the image to o.out, complete or not at all.
func writeArchive(o options, layers []layer) error {
	a := &archive{at: time.Unix(o.created, 0), has: map[string]bool{}}
	a.w = tar.NewWriter(&a.buf)
	if err := a.image(o, layers); err != nil {
		return err
	}
	if err := a.w.Close(); err != nil {
		return err
	}
	return replaceFile(o.out, a.buf.Bytes())
}

// image puts the layers, the configuration, the manifest and both indexes, OCI's
// and the one that docker load looks for.
func (a *archive) image(o options, layers []layer) error {
	cfg := o.image.document(a.at, layers)
	var blobs []descriptor
	for _, l := range layers {
		d, err := a.blob("application/vnd.oci.image.layer.v1.tar+gzip", l.compressed)
		if err != nil {
			return err
		}
		blobs = append(blobs, d)
	}
	configBlob, err := a.json("application/vnd.oci.image.config.v1+json", cfg)
	if err != nil {
		return err
	}
	manifest, err := a.json(manifestType, imageManifest{2, manifestType, configBlob, blobs, cfg.Config.Labels})
	if err != nil {
		return err
	}
	return a.indexes(o, manifest, configBlob, blobs)
}

func (a *archive) indexes(o options, manifest, configBlob descriptor, layers []descriptor) error {
	var manifests []descriptor
	for _, name := range o.names {
		d := manifest
		d.Platform = map[string]string{"os": "linux", "architecture": o.image.arch}
		d.Annotations = map[string]string{
			"io.containerd.image.name":          name,
			"org.opencontainers.image.ref.name": name[strings.LastIndexByte(name, ':')+1:],
		}
		manifests = append(manifests, d)
	}
	var paths []string
	for _, d := range layers {
		paths = append(paths, blobPath(d))
	}
	for _, doc := range []struct {
		name  string
		value any
	}{
		{"oci-layout", map[string]string{"imageLayoutVersion": "1.0.0"}},
		{"index.json", map[string]any{
			"schemaVersion": 2,
			"mediaType":     "application/vnd.oci.image.index.v1+json",
			"manifests":     manifests,
		}},
		{"manifest.json", []map[string]any{
			{"Config": blobPath(configBlob), "RepoTags": o.names, "Layers": paths},
		}},
	} {
		data, err := json.Marshal(doc.value)
		if err != nil {
			return err
		}
		if err := a.file(doc.name, data); err != nil {
			return err
		}
	}
	return nil
}

// document is the image's configuration.
func (c config) document(at time.Time, layers []layer) imageConfig {
	doc := imageConfig{
		Created: at.UTC(), Architecture: c.arch, OS: "linux",
		Config: containerConfig{
			User: c.user, Env: c.env, Entrypoint: c.entrypoint, WorkingDir: "/", StopSignal: c.stopSignal,
		},
		RootFS: rootFS{Type: "layers"},
	}
	for _, label := range c.labels {
		if doc.Config.Labels == nil {
			doc.Config.Labels = map[string]string{}
		}
		key, value, _ := strings.Cut(label, "=")
		doc.Config.Labels[key] = value
	}
	for _, l := range layers {
		doc.RootFS.DiffIDs = append(doc.RootFS.DiffIDs, l.diffID)
		doc.History = append(doc.History, history{at.UTC(), "mkimage"})
	}
	return doc
}

func (a *archive) json(mediaType string, value any) (descriptor, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return descriptor{}, err
	}
	return a.blob(mediaType, data)
}

func (a *archive) blob(mediaType string, data []byte) (descriptor, error) {
	sum := sha256.Sum256(data)
	d := descriptor{MediaType: mediaType, Digest: "sha256:" + hex.EncodeToString(sum[:]), Size: len(data)}
	if a.has[d.Digest] {
		return d, nil
	}
	a.has[d.Digest] = true
	return d, a.file(blobPath(d), data)
}

func (a *archive) file(name string, data []byte) error {
	if err := a.w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: a.at}); err != nil {
		return err
	}
	_, err := a.w.Write(data)
	return err
}

func blobPath(d descriptor) string {
	return "blobs/sha256/" + strings.TrimPrefix(d.Digest, "sha256:")
}

// replaceFile writes a file beside its place and moves it there.
func replaceFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}
