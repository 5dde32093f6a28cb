// Command debroot copies everything that a program of a Debian system needs to run without the rest
// of Debian: the program, its libraries, their licenses, and the packages' entries, which scanners
// use to identify the contents.
//
//	debroot -o DIR /usr/sbin/dnsmasq
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

const usage = `Copies what a program of a Debian system needs to run without the rest of Debian:
the program, its libraries, the packages' licenses below /usr/share/doc and their
entries in /var/lib/dpkg/status.d. Prints the packages.

Usage:
  debroot -o DIR [-root DIR] PROGRAM ...

Examples:
  debroot -o rootfs /usr/sbin/dnsmasq
  images/debian.sh arm64 debian-arm64 &&
    debroot -root debian-arm64 -o rootfs /usr/sbin/dnsmasq

Flags:
`

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "debroot:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("debroot", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {
		fmt.Fprint(stderr, usage)
		fs.PrintDefaults()
	}
	out := fs.String("o", "", "`directory` to fill")
	root := fs.String("root", "/", "`directory` with the unpacked packages, of any architecture")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *out == "" || fs.NArg() == 0 {
		return errors.New("usage: debroot -o DIR [-root DIR] PROGRAM ...")
	}
	s, err := newSystem(*root)
	if err != nil {
		return err
	}
	files := map[string]string{} // destination -> source
	for _, program := range fs.Args() {
		if err := s.closure(program, files); err != nil {
			return err
		}
	}
	files["/etc/os-release"] = "/usr/lib/os-release" // names the distribution for scanners
	packages, err := s.owners(files)
	if err != nil {
		return err
	}
	for _, p := range packages {
		license := "/usr/share/doc/" + p.name + "/copyright"
		if _, err := s.path(license); err != nil {
			return fmt.Errorf("license of package %s: %w", p.name, err)
		}
		files[license] = license
		if err := write(*out, "/var/lib/dpkg/status.d/"+p.name, p.stanza, 0o644); err != nil {
			return err
		}
		fmt.Fprintln(stdout, p.name, p.version)
	}
	return s.copyAll(*out, files)
}

// copyAll copies files of the system below dir.
func (s system) copyAll(dir string, files map[string]string) error {
	for _, to := range slices.Sorted(maps.Keys(files)) {
		path, err := s.path(files[to])
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err != nil {
			return err
		}
		if err := write(dir, to, data, info.Mode().Perm()); err != nil {
			return err
		}
	}
	return nil
}

func write(dir, to string, data []byte, mode os.FileMode) error {
	path := filepath.Join(dir, to)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, data, mode)
}
