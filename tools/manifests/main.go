// Command manifests renders a folder of the manifests like `kubectl kustomize`, so that tests and
// releases need no kubectl. The defaults are those of tests:
//
//	go -C tools run ./manifests -zone k8s.example -address 10.43.0.10 overlays/modern
//
// The tests of this module check all overlays and the Helm chart: `make manifests`.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "manifests:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	cluster := render.Default()
	fs := flag.NewFlagSet("manifests", flag.ContinueOnError)
	fs.StringVar(&cluster.Registry, "registry", cluster.Registry, "`registry` of the images")
	fs.StringVar(&cluster.Version, "version", cluster.Version, "`tag` of the images")
	fs.StringVar(&cluster.Zone, "zone", cluster.Zone, "--cluster-domain of the kubelets")
	fs.StringVar(&cluster.Address, "address", cluster.Address, "--cluster-dns of the kubelets")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return errors.New("usage: manifests [flags] DIR, for example overlays/modern")
	}
	manifests, err := render.Load("../manifests", cluster)
	if err != nil {
		return err
	}
	out, err := manifests.YAML(fs.Arg(0))
	if err != nil {
		return err
	}
	_, err = stdout.Write(out)
	return err
}
