package dnsmasq

import (
	"slices"

	"github.com/kube-dns/kube-dns/pkg/config"
)

// Options of dnsmasq that the nanny adds.
const (
	optServer      = "--server"
	optNoResolv    = "--no-resolv"
	optServersFile = "--servers-file="
)

// Args returns the arguments for a dnsmasq that gets its servers on the command
// line: base, "--server" and its value for each of [Servers], and "--no-resolv"
// when cfg has upstream nameservers. Without them dnsmasq reads resolv.conf.
// base is not changed.
func Args(base []string, cfg config.Config, lookup Lookup) []string {
	args := slices.Clone(base)
	for _, s := range Servers(cfg, lookup) {
		args = append(args, optServer, s.String())
	}
	if len(cfg.Upstreams) > 0 {
		args = append(args, optNoResolv)
	}
	return args
}

// fileArgs returns the arguments for a dnsmasq that reads its servers from the
// file at path, with the options of [addedOptions]. They are the same for every configuration, so that none needs
// a restart, unless the arguments choose upstreams of their own: these come
// beside those of resolv.conf, but not beside upstreams of the configuration.
func fileArgs(cmd CommandLine, path string, added []string, upstreams bool) []string {
	args := append(slices.Clone(cmd.Args), optServersFile+path)
	if !cmd.OwnUpstreams() || upstreams && !cmd.NoResolv {
		args = append(args, optNoResolv)
	}
	return append(args, added...)
}
