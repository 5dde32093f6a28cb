// Command nodecache stands in for the program of NodeLocal DNSCache: CoreDNS with
// the plugins that its configuration names. The test makes the address that it
// listens at, so it needs no rights on the node's network.
//
//	nodecache -conf FILE
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/metrics"
)

func main() { coremain.Run() }
