// Command debroot lays out what a program of the installed Debian packages needs
// to run without the rest of Debian: the program, its libraries, their licenses, and
// the packages' entries, by which scanners find out what is inside.
//
//	debroot -o DIR /usr/sbin/dnsmasq
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

const usage = `Lays out what a program of the installed Debian packages needs to run without the
rest of Debian: the program, its libraries, the packages' licenses below
/usr/share/doc and their entries in /var/lib/dpkg/status.d. Prints the packages.

Usage:
  debroot -o DIR PROGRAM ...

Example:
  debroot -o rootfs /usr/sbin/dnsmasq

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
	if err := fs.Parse(args); err != nil {
		return err
	}
	if *out == "" || fs.NArg() == 0 {
		return errors.New("usage: debroot -o DIR PROGRAM ...")
	}
	files := map[string]string{} // where it goes -> where it is
	for _, program := range fs.Args() {
		if err := closure(program, files); err != nil {
			return err
		}
	}
	files["/etc/os-release"] = "/usr/lib/os-release" // tells scanners whose packages these are
	packages, err := owners(files)
	if err != nil {
		return err
	}
	for _, p := range packages {
		license := "/usr/share/doc/" + p.name + "/copyright"
		if !exists(license) {
			return fmt.Errorf("package %s has no license at %s", p.name, license)
		}
		files[license] = license
		if err := write(*out, "/var/lib/dpkg/status.d/"+p.name, p.stanza, 0o644); err != nil {
			return err
		}
		fmt.Fprintln(stdout, p.name, p.version)
	}
	return copyAll(*out, files)
}

// copyAll copies files below dir.
func copyAll(dir string, files map[string]string) error {
	targets := make([]string, 0, len(files))
	for to := range files {
		targets = append(targets, to)
	}
	slices.Sort(targets)
	for _, to := range targets {
		data, err := os.ReadFile(files[to])
		if err != nil {
			return err
		}
		info, err := os.Stat(files[to])
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

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
