// Command sbom lists the contents of a container image as an SPDX 2.3 document: the Go
// modules that each program records in itself, and the Debian packages with an entry in
// /var/lib/dpkg/status.d.
//
//	sbom -name kube-dns -version v1.0.0 rootfs > sbom.spdx.json
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spdx/tools-golang/json"
)

const usage = `Lists the contents of a container image as an SPDX 2.3 document: the Go modules
that each program records in itself, and the Debian packages with an entry in
/var/lib/dpkg/status.d.

Usage:
  sbom -name NAME -version VERSION [-created SECONDS] DIR > sbom.spdx.json

Flags:
`

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("sbom", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
	}
	name := fs.String("name", "", "`name` of the image, without registry and tag")
	version := fs.String("version", "", "`version` of the image")
	created := fs.Int64("created", 0, "`seconds` since 1970 that the document is dated with")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *name == "" || *version == "" || fs.NArg() != 1 {
		return errors.New("usage: sbom -name NAME -version VERSION DIR")
	}
	found, err := scan(fs.Arg(0))
	if err != nil {
		return err
	}
	d, err := newDocument(*name, *version, time.Unix(*created, 0), found)
	if err != nil {
		return err
	}
	return json.Write(&d.Document, stdout, json.Indent(" "))
}
