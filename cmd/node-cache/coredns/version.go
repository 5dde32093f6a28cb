package coredns

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/coredns/caddy"
)

// library is the module path of CoreDNS.
const library = "github.com/coredns/coredns"

// libraryVersion returns the version of CoreDNS, such as 1.15.0.
func libraryVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == library && len(m.Version) > 1 {
				return m.Version[1:]
			}
		}
	}
	return "unknown"
}

// WriteVersion writes the versions of node-cache, CoreDNS and Go.
func WriteVersion(w io.Writer, version string) error {
	_, err := fmt.Fprintf(w, "node-cache-%s\nCoreDNS-%s\n%s/%s, %s\n",
		version, libraryVersion(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	return err
}

// WritePlugins writes the names of the compiled-in plugins.
func WritePlugins(w io.Writer) error {
	_, err := fmt.Fprintln(w, caddy.DescribePlugins())
	return err
}
