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

// Version returns the version of this program from the linker, else the version of the module,
// which the go command reads from the repository, else "devel".
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

// A VersionFlag is the value of the flag --version: true, false or raw.
type VersionFlag string

// AddVersionFlag registers --version and returns its value.
func AddVersionFlag(fs *pflag.FlagSet) *VersionFlag {
	v := new(VersionFlag("false"))
	value := Parsed(v, "bool", func(text string) (VersionFlag, error) {
		on, err := strconv.ParseBool(text)
		switch {
		case text == "raw":
			return "raw", nil
		case err != nil:
			return "", errors.New("must be true, false or raw")
		}
		return VersionFlag(strconv.FormatBool(on)), nil
	})
	f := fs.VarPF(value, "version", "", "print the version and exit; --version=raw prints it as a quoted string")
	f.NoOptDefVal = "true"
	return v
}

// Print writes "Kube-DNS <version>" for --version, and the quoted version for --version=raw. It
// reports whether it wrote anything: if so, the program is done.
func (v *VersionFlag) Print(w io.Writer) bool {
	switch *v {
	case "true":
		fmt.Fprintf(w, "Kube-DNS %s\n", Version())
	case "raw":
		fmt.Fprintf(w, "%q\n", Version())
	}
	return *v != "false"
}
