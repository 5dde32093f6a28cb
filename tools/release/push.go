package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// runPush pushes the index of each archive as REGISTRY/<name of the file>:TAG, and prints
// its digest.
func runPush(ctx context.Context, fs *flag.FlagSet, args []string, stdout io.Writer) error {
	registry := fs.String("registry", "", "`registry` and path in front of the names")
	tag := fs.String("tag", "", "`tag` of the images")
	insecure := fs.Bool("insecure", false, "push over HTTP")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *registry == "" || *tag == "" || fs.NArg() == 0 {
		return errors.New("push needs -registry REGISTRY, -tag TAG and the archives of the indexes")
	}
	for _, archive := range fs.Args() {
		image := strings.TrimSuffix(filepath.Base(archive), ".tar")
		var options []name.Option
		if *insecure {
			options = append(options, name.Insecure)
		}
		ref, err := name.NewTag(*registry+"/"+image+":"+*tag, options...)
		if err != nil {
			return fmt.Errorf("-registry, -tag: %w", err)
		}
		digest, err := push(ctx, archive, ref)
		if err != nil {
			return fmt.Errorf("push %s: %w", archive, err)
		}
		fmt.Fprintf(stdout, "%s@%s\n", ref, digest)
	}
	return nil
}

// push pushes the index of one archive and returns its digest.
func push(ctx context.Context, archive string, ref name.Tag) (string, error) {
	work, err := os.MkdirTemp("", "release-*")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	top, entry, err := single(archive, work)
	if err != nil {
		return "", err
	}
	index, err := top.ImageIndex(entry.Digest)
	if err != nil {
		return "", err
	}
	err = remote.WriteIndex(ref, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
	return entry.Digest.String(), err
}
