// Command dnsmasq-nanny runs dnsmasq, keeps it running, and configures it with the stub domains and
// upstream nameservers of the ConfigMap kube-dns as they change.
package main

import (
	"os"

	"github.com/kube-dns/kube-dns/internal/cli"
)

func main() { os.Exit(cli.Main(run)) }
