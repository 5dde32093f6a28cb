package config

import (
	"fmt"
	"slices"
	"strings"
)

// manyUpstreams is the number of upstreamNameservers that every reader of the ConfigMap accepts.
// NodeLocal DNSCache refuses a map with more.
const manyUpstreams = 3

// warnings returns likely mistakes in a valid configuration, for the log. zone is the
// cluster domain, in any letter case, with or without a trailing dot.
func warnings(cfg Config, zone string) []string {
	var found []string
	warn := func(format string, args ...any) {
		found = append(found, fmt.Sprintf(format, args...))
	}
	for _, key := range cfg.Mistyped {
		warn("key %q has no meaning and is ignored: write %s if that is meant", key, meantKey(key))
	}
	zone = strings.ToLower(strings.TrimSuffix(zone, "."))
	for _, stub := range cfg.StubDomains {
		switch d := stub.Domain; {
		case d == zone:
			warn("key stubDomains: %q is the cluster domain: all names of the cluster go to its servers", d)
		case d == "in6.arpa" || strings.HasSuffix(d, ".in6.arpa"):
			warn("key stubDomains: %q does not exist: reverse names of IPv6 addresses end in ip6.arpa", d)
		}
		if slices.Contains(cfg.Repeated, stub.Domain) {
			warn("key stubDomains: %q is given more than once: only the last one is used, with the servers %v",
				stub.Domain, stub.Servers)
		}
		if len(stub.Servers) == 0 {
			warn("key stubDomains: %q has no servers and so no effect", stub.Domain)
		}
	}
	if n := len(cfg.Upstreams); n > manyUpstreams {
		warn("key upstreamNameservers: %d servers: node-local caches that read the same map accept at most %d",
			n, manyUpstreams)
	}
	return found
}
