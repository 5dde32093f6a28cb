package translate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// minCoreDNSCache is CoreDNS's minimum for each kind of reply.
const minCoreDNSCache = 1024

// corefile writes the result. CoreDNS runs its plugins in its own order.
func (t *toCoreDNS) corefile() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line(".:53 {")
	line("    errors")
	if t.log {
		line("    log")
	}
	line("    health {\n        lameduck %s\n    }", cmp.Or(t.lameduck, "25s"))
	line("    ready")
	for _, text := range t.templates {
		line("    %s", text)
	}
	if len(t.hosts) > 0 {
		line("    hosts {")
		for _, h := range t.hosts {
			line("        %s", h)
		}
		line("        fallthrough\n    }")
	}
	line("    kubernetes %s in-addr.arpa ip6.arpa {", t.zone)
	line("        pods insecure\n        fallthrough in-addr.arpa ip6.arpa\n        ttl 30\n    }")
	line("    prometheus :9153")
	line("%s", t.forwardText(t.upstreams))
	line("%s", t.cacheText())
	line("    loop\n    reload\n    loadbalance\n}")
	blocks := maps.Clone(t.stubs)
	maps.Copy(blocks, t.reverseBlocks)
	for _, zone := range slices.Sorted(maps.Keys(blocks)) {
		line("%s:53 {\n    errors", zone)
		if t.log {
			line("    log")
		}
		line("%s", t.forwardText(blocks[zone]))
		line("%s", t.cacheText())
		line("    loop\n}")
	}
	return b.String()
}

func (t *toCoreDNS) forwardText(servers []string) string {
	to := cmp.Or(strings.Join(servers, " "), resolvConf)
	options := t.forward
	if !slices.ContainsFunc(options, func(o string) bool { return strings.HasPrefix(o, "max_concurrent ") }) {
		options = append(slices.Clone(options), "max_concurrent 1500") // as in dnsmasq-nanny
	}
	return "    forward . " + to + " {\n        " + strings.Join(options, "\n        ") + "\n    }"
}

func (t *toCoreDNS) cacheText() string {
	size := max(t.cache.size, minCoreDNSCache)
	ttl := cmp.Or(t.cache.maxTTL, "3600")
	var lines []string
	lines = append(lines, fmt.Sprintf("success %d %s %s", size, ttl, cmp.Or(t.cache.minTTL, "0")))
	if t.cache.noNeg {
		lines = append(lines, "disable denial")
	} else {
		lines = append(lines, fmt.Sprintf("denial %d %s %s", size, ttl, cmp.Or(t.cache.minTTL, "0")))
	}
	if t.cache.stale != "" {
		lines = append(lines, "serve_stale "+t.cache.stale+"s")
	}
	return "    cache {\n        " + strings.Join(lines, "\n        ") + "\n    }"
}
