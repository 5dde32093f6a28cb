package cmdline

import (
	"slices"

	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// Options of dnsmasq that the nanny adds.
const (
	optServer      = "--server"
	optNoResolv    = "--no-resolv"
	optServersFile = "--servers-file="
)

// WithServers returns the arguments for a dnsmasq with its servers on the command line: base,
// "--server" and its value for each of servers, and "--no-resolv" if noResolv is set. Without that
// dnsmasq reads resolv.conf. base is not changed.
func WithServers(base []string, servers []upstreams.Server, noResolv bool) []string {
	args := slices.Clone(base)
	for _, s := range servers {
		args = append(args, optServer, s.String())
	}
	if noResolv {
		args = append(args, optNoResolv)
	}
	return args
}

// WithFile returns the arguments for a dnsmasq that reads its servers from the file at path, with
// the options of [Added]. They are the same for every configuration, so that none needs a restart.
// The exception is arguments with upstreams: these are used with those of resolv.conf, but not with
// upstreams of the configuration.
func WithFile(cmd Line, path string, added []string, upstreams bool) []string {
	args := append(slices.Clone(cmd.Args), optServersFile+path)
	if !cmd.OwnUpstreams() || upstreams && !cmd.NoResolv {
		args = append(args, optNoResolv)
	}
	return append(args, added...)
}
