// Command check renders a folder of the manifests as `kubectl kustomize` does, for a
// cluster with the usual zone and address, so that tests need no kubectl:
//
//	go -C manifests/check run . overlays/modern
//
// The tests of this module check all overlays and the Helm chart: `make manifests`.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/kube-dns/kube-dns/manifests/check/render"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("usage: check DIR, for example overlays/modern")
	}
	manifests, err := render.Load("..", render.Default())
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
