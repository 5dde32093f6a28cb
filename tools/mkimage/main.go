// Command mkimage writes a container image from directories, without a container engine. The
// archive has the OCI image layout 1.0 for `ctr images import`, `docker load`, `podman load` and
// `skopeo copy oci-archive:`.
//
//	mkimage -o pause.tar -name localhost/pause:1 -entrypoint /pause rootfs
//
// The archive depends only on the arguments and the files, not on the time, the machine or the
// umask, so that builds can be compared byte by byte.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
)

const usage = `Writes a container image from directories, as an archive that ctr, docker, podman
and skopeo read.

Usage:
  mkimage -o ARCHIVE -name NAME:TAG [flags] DIR ...

Each directory becomes a layer, the first at the bottom. All files belong to root.
Directories and executable files have mode 0755, other files 0644, and directories
with the sticky bit 1777.

Example:
  mkimage -o x.tar -name localhost/x:1 -entrypoint '/x --serve' -user 65532:65532 \
    -label org.opencontainers.image.version=v1 rootfs top

Flags:
`

// options are the values of the command line.
type options struct {
	out     string
	name    name.Tag
	arch    string
	created time.Time
	config  v1.Config
	dirs    []string
}

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

// run builds the image that args describe.
func run(args []string, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	img, err := image(o)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(o.out), ".mkimage-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	return archive(o, img, work)
}

// parse parses the command line.
func parse(args []string, stderr io.Writer) (options, error) {
	o := options{config: v1.Config{
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Labels:     map[string]string{},
		WorkingDir: "/",
	}}
	fs := flag.NewFlagSet("mkimage", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
	}
	fs.StringVar(&o.out, "o", "", "`archive` to write; it appears when it is complete")
	tag := fs.String("name", "", "`name:tag` of the image")
	fs.StringVar(&o.arch, "arch", runtime.GOARCH, "`architecture` of the programs inside, by its name in Go")
	entry := fs.String("entrypoint", "", "`command` to start, split on blanks")
	fs.StringVar(&o.config.User, "user", "",
		"`user[:group]` to start it as, numbers or names in the image's passwd (default root)")
	fs.StringVar(&o.config.StopSignal, "stop-signal", "", "`signal` that asks it to stop (default SIGTERM)")
	fs.Func("label", "`key=value`; may be given more than once", func(text string) error {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" {
			return errors.New("must be key=value")
		}
		o.config.Labels[key] = value
		return nil
	})
	created := fs.Int64("created", 0, "date of the image, in `seconds` since 1970; its files are all of 1970")
	if err := fs.Parse(args); err != nil {
		return options{}, err
	}
	o.config.Entrypoint, o.dirs = strings.Fields(*entry), fs.Args()
	o.created = time.Unix(*created, 0).UTC()
	switch {
	case o.out == "":
		return options{}, errors.New("-o is missing: write the name of the archive")
	case len(o.dirs) == 0:
		return options{}, errors.New("DIR is missing: write the directory with the image's files")
	}
	var err error
	if o.name, err = name.NewTag(*tag, name.StrictValidation); err != nil {
		return options{}, fmt.Errorf("-name, for example localhost/pause:1: %w", err)
	}
	return o, nil
}
