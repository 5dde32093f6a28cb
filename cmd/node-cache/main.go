// Multipath TCP sockets cannot be steered: see package handover.

//go:debug multipathtcp=0

// Command node-cache is a DNS cache on each node. It answers pods on a link-local address and on
// the ClusterIP of kube-dns, with CoreDNS as its server.
package main

import (
	"os"

	"github.com/kube-dns/kube-dns/internal/cli"
)

func main() { os.Exit(cli.Main(run)) }
