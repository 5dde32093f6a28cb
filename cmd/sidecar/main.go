// Command sidecar probes the DNS servers of a kube-dns pod, exports the counters of its dnsmasq,
// and serves both over HTTP to the platform and Prometheus.
package main

import (
	"os"

	"github.com/kube-dns/kube-dns/internal/cli"
)

func main() { os.Exit(cli.Main(run)) }
