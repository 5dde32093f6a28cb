package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"strconv"

	"github.com/spf13/pflag"
)

// version is set by the linker for releases:
//
//	-ldflags "-X github.com/kube-dns/kube-dns/internal/cli.version=v1.0.0"
var version string

// Version returns the version of this program: the one from the linker, or the version
// of the module, which the go command takes from the repository, or "devel".
func Version() string {
	info, _ := debug.ReadBuildInfo() // nil if there is none
	return versionOf(version, info)
}

func versionOf(linked string, info *debug.BuildInfo) string {
	if linked == "" && info != nil && info.Main.Version != "(devel)" {
		linked = info.Main.Version
	}
	return cmp.Or(linked, "devel")
}

// A VersionFlag is the value of the flag --version: "raw", or a boolean in any form
// that strconv.ParseBool accepts. The zero value means that it was not given.
type VersionFlag struct{ value string }

// AddVersionFlag registers --version and returns its value.
func AddVersionFlag(fs *pflag.FlagSet) *VersionFlag {
	v := &VersionFlag{}
	f := fs.VarPF(v, "version", "", "print the version and exit; --version=raw prints it as a quoted string")
	f.NoOptDefVal = "true"
	return v
}

// Print writes "Kube-DNS <version>" for --version, and the quoted version for
// --version=raw. It reports whether it wrote anything: then the program is done.
func (v *VersionFlag) Print(w io.Writer) bool {
	switch v.value {
	case "true":
		fmt.Fprintf(w, "Kube-DNS %s\n", Version())
	case "raw":
		fmt.Fprintf(w, "%q\n", Version())
	}
	return v.String() != "false"
}

// Set implements pflag.Value.
func (v *VersionFlag) Set(text string) error {
	on, err := strconv.ParseBool(text)
	switch {
	case text == "raw":
		v.value = text
	case err != nil:
		return errors.New("must be true, false or raw")
	default:
		v.value = strconv.FormatBool(on)
	}
	return nil
}

// String returns the value as it is given on the command line.
func (v *VersionFlag) String() string { return cmp.Or(v.value, "false") }

// Type is the one that pflag's help shows without a value.
func (v *VersionFlag) Type() string { return "bool" }
