// Command kube-dns is the DNS server of a Kubernetes cluster.
package main

import (
	"os"

	"github.com/kube-dns/kube-dns/internal/cli"
)

func main() { os.Exit(cli.Main(run)) }
