package cli

import (
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

// devel is the version of a build that knows nothing about itself.
const devel = "devel"

// Version returns the version of this program: the one given to the linker, else
// the module version or the revision recorded by the go command, else "devel".
// It is never empty.
func Version() string {
	info, _ := debug.ReadBuildInfo() // nil when absent
	return versionOf(version, info)
}

func versionOf(linked string, info *debug.BuildInfo) string {
	if linked != "" {
		return linked
	}
	if info == nil {
		return devel
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, dirty := "", false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	if revision == "" {
		return devel
	}
	v := devel + "+" + revision[:min(len(revision), 12)]
	if dirty {
		v += ".dirty"
	}
	return v
}

// A VersionFlag is the value of the GNU-style flag --version. The zero value
// means that the flag was not given. It is a pflag.Value.
type VersionFlag struct{ mode versionMode }

type versionMode int

const (
	versionOff versionMode = iota
	versionText
	versionRaw
)

// AddVersionFlag registers --version and returns its value, to be looked at
// after parsing.
func AddVersionFlag(fs *pflag.FlagSet) *VersionFlag {
	v := &VersionFlag{}
	f := fs.VarPF(v, "version", "", "print the version and exit; --version=raw prints it as a quoted string")
	f.NoOptDefVal = "true"
	return v
}

// Print writes what was asked for and reports whether the program is done:
// "Kube-DNS <version>" for --version, the quoted version for --version=raw,
// nothing (and false) otherwise.
func (v *VersionFlag) Print(w io.Writer) bool {
	switch v.mode {
	case versionText:
		fmt.Fprintf(w, "Kube-DNS %s\n", Version())
	case versionRaw:
		fmt.Fprintf(w, "%q\n", Version())
	default:
		return false
	}
	return true
}

// Set takes "raw" or a boolean in any form that strconv.ParseBool knows.
func (v *VersionFlag) Set(text string) error {
	if text == "raw" {
		v.mode = versionRaw
		return nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return fmt.Errorf("must be true, false or raw")
	}
	v.mode = versionOff
	if on {
		v.mode = versionText
	}
	return nil
}

// String returns the value as it could be given on the command line.
func (v *VersionFlag) String() string {
	switch v.mode {
	case versionText:
		return "true"
	case versionRaw:
		return "raw"
	default:
		return "false"
	}
}

// Type names the kind of value in the help text.
//
// A boolean one has no value in it.
func (v *VersionFlag) Type() string { return "bool" }
