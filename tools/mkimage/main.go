// Command mkimage writes a container image from plain files, without a container
// engine, as an archive that `ctr images import`, `docker load`, `podman load` and
// `skopeo copy oci-archive:` read (OCI image layout 1.0).
//
//	mkimage -o pause.tar -name localhost/pause:1 -entrypoint /pause bin/pause:/pause
//
// The archive depends on the arguments and the files alone, not on the time, the
// machine or the umask, so that two builds can be compared byte by byte.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

const usage = `Writes a container image from plain files, as an archive that ctr, docker, podman
and skopeo read.

Usage:
  mkimage -o ARCHIVE -name NAME:TAG [flags] SOURCE:/TARGET[:MODE] ...

A source that is a folder goes in with everything below it. Files are 0755 when
somebody may execute them, else 0644, folders 0755, all of root; MODE, in octal,
says otherwise for the one file or folder. Without a source (:/tmp:1777) an empty
folder is made. An argument of one + begins a new layer.

Examples:
  mkimage -o pause.tar -name localhost/pause:1 -entrypoint /pause bin/pause:/pause
  mkimage -o x.tar -name localhost/x:1 -entrypoint '/x --serve' -user 65532:65532 \
    -label org.opencontainers.image.version=v1 rootfs:/ + bin/x:/x :/tmp:1777

Flags:
`

// options are what the command line says.
type options struct {
	out     string
	names   list   // NAME:TAG, at least one
	created int64  // seconds since 1970
	image   config // what the container is started with
	files   []string
}

// A config is the part of an image's configuration that mkimage sets.
type config struct {
	arch, user, stopSignal string
	entrypoint             []string
	env                    list // KEY=value
	labels                 list // key=value
}

// A list is a flag that can be given more than once.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(text string) error {
	if text == "" {
		return errors.New("must not be empty")
	}
	*l = append(*l, text)
	return nil
}

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "mkimage:", err)
		os.Exit(1)
	}
}

// run makes the image that args describe.
func run(args []string, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	layers, err := makeLayers(o.files)
	if err != nil {
		return err
	}
	return writeArchive(o, layers)
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (options, error) {
	o := options{image: config{env: list{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}}
	fs := flag.NewFlagSet("mkimage", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
	}
	entry := ""
	fs.StringVar(&o.out, "o", "", "`archive` to write; it appears when it is complete")
	fs.Var(&o.names, "name", "`name:tag` of the image; may be given more than once")
	fs.StringVar(&entry, "entrypoint", "", "`command` to start, split on blanks")
	fs.StringVar(&o.image.user, "user", "", "`user[:group]` to start it as, numbers or names of the image's passwd (default root)")
	fs.StringVar(&o.image.arch, "arch", runtime.GOARCH, "`architecture` of the programs inside, in Go's words")
	fs.StringVar(&o.image.stopSignal, "stop-signal", "", "`signal` that asks it to stop (default SIGTERM)")
	fs.Var(&o.image.env, "env", "`KEY=value` for its environment; may be given more than once")
	fs.Var(&o.image.labels, "label", "`key=value`; may be given more than once")
	fs.Int64Var(&o.created, "created", 0, "`seconds` since 1970 that the image is dated with; its files are all of 1970")
	if err := fs.Parse(args); err != nil {
		return options{}, err
	}
	o.image.entrypoint = strings.Fields(entry)
	o.files = fs.Args()
	return o, o.validate()
}

func (o options) validate() error {
	switch {
	case o.out == "":
		return errors.New("-o is missing: which archive shall be written?")
	case len(o.names) == 0:
		return errors.New("-name is missing, for example -name localhost/pause:1")
	case len(o.files) == 0:
		return errors.New("there are no files: at least one SOURCE:/TARGET is needed")
	}
	for _, name := range o.names {
		if i := strings.LastIndexByte(name, ':'); i <= 0 || strings.Contains(name[i:], "/") || name[i:] == ":" {
			return fmt.Errorf("-name %q has no tag, for example localhost/pause:1", name)
		}
	}
	for _, label := range o.image.labels {
		if key, _, ok := strings.Cut(label, "="); !ok || key == "" {
			return fmt.Errorf("-label %q is not key=value", label)
		}
	}
	for _, env := range o.image.env {
		if key, _, ok := strings.Cut(env, "="); !ok || key == "" {
			return fmt.Errorf("-env %q is not KEY=value", env)
		}
	}
	return nil
}
