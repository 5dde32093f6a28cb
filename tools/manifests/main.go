// Command manifests renders a folder of the manifests as `kubectl kustomize` does, for a
// cluster with the usual zone and address, so that tests need no kubectl:
//
//	go -C tools run ./manifests overlays/modern
//
// The tests of this module check all overlays and the Helm chart: `make manifests`.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/kube-dns/kube-dns/tools/manifests/render"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "manifests:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: manifests DIR, for example overlays/modern")
	}
	manifests, err := render.Load("../manifests", render.Default())
	if err != nil {
		return err
	}
	out, err := manifests.YAML(args[0])
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(out)
	return err
}
