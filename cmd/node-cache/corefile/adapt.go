package corefile

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Plugins of node-cache that Adapt adds to blocks.
const (
	// Unavailable answers SERVFAIL. Its argument is the reason.
	Unavailable = "unavailable"
	// Pending counts pending queries, and answers SERVFAIL above max_concurrent.
	Pending = "pending"
	// Clients limits the pending queries of each client. Its argument is max_concurrent.
	Clients = "clients"
	// Stale marks expired replies of the cache. Its arguments are the TTL that marks them, and the
	// TTL for clients.
	Stale = "stale"
)

// NoClusterUpstream is the reason for an unavailable zone if the address of the cluster upstream is
// unknown.
const NoClusterUpstream = "the address of the cluster upstream is not in the environment (-upstreamsvc)"

// The cache sends expired replies with a TTL that no other reply has, because its own limit is an
// hour. The plugin Stale replaces it with the TTL for clients.
const (
	StaleMark = 604801
	StaleTTL  = 5
)

// serveStale is the default cache option of the cluster zone, unless the Corefile has serve_stale:
// it waits at most half a second for the upstream.
var serveStale = fmt.Sprintf("serve_stale 1h verify 500ms %ds 5s", StaleMark)

// Facts are the inputs of Adapt besides the Corefile.
type Facts struct {
	ClusterUpstream []netip.Addr // empty: unknown
	Empty           []string     // files in forward without any server
	ForceTCP        bool         // keep force_tcp towards the cluster upstream
}

// Adapt returns the Corefile for CoreDNS to load. Each warning is about a block that answers
// SERVFAIL.
func Adapt(text string, f Facts) (adapted string, warnings []string) {
	blocks, err := scan(text)
	if err != nil {
		return text, nil
	}
	var edits []edit
	for _, b := range blocks {
		for _, d := range b.directives {
			if d.name() != "forward" || len(d.words) < 3 {
				continue
			}
			edits = append(edits, f.preferUDP(d)...)
			e, warning := checkTargets(d, f)
			edits = append(edits, e...)
			if warning == "" {
				edits = append(edits, bound(text, b, d)...)
			}
			if warning != "" {
				warnings = append(warnings, fmt.Sprintf("line %d: %s: %s", d.line(), strings.Join(texts(b.keys), " "),
					warning))
			}
		}
		edits = append(edits, addStale(text, b, f)...)
	}
	return apply(text, edits), warnings
}

// preferUDP replaces force_tcp of a forward to the cluster upstream with prefer_udp. dnsmasq there
// accepts few TCP clients for all nodes (20, unless --max-tcp-connections is set). A burst of new
// names would wait for one.
func (f Facts) preferUDP(d directive) []edit {
	if f.ForceTCP || len(f.ClusterUpstream) == 0 || !slices.ContainsFunc(d.words[2:], f.isClusterUpstream) {
		return nil
	}
	var edits []edit
	for _, option := range d.body {
		if option.name() == "force_tcp" {
			edits = append(edits, edit{start: option.words[0].start, end: option.words[0].end, with: "prefer_udp"})
		}
	}
	return edits
}

// maxPending is the default limit of pending queries of a forward. Each takes some 10 KiB, for 5 s
// if the upstream is silent.
const maxPending = 1000

// bound counts the pending queries of a forward, and limits them if it has no limit. Without a
// limit (max_concurrent 0) clients are not limited either.
func bound(text string, b block, d directive) []edit {
	var edits []edit
	limit := maxPending
	if option := d.option("max_concurrent"); len(option) > 1 {
		limit, _ = strconv.Atoi(option[1].text) // CoreDNS refuses other text
	} else if option == nil {
		edits = append(edits, addOption(text, d, fmt.Sprintf("max_concurrent %d", maxPending)))
	}
	if !slices.ContainsFunc(b.directives, func(d directive) bool { return d.name() == Pending }) {
		indent := indentOf(text, d.start())
		with := Pending + "\n" + indent
		if limit > 0 {
			with += fmt.Sprintf("%s %d\n%s", Clients, limit, indent)
		}
		edits = append(edits, edit{start: d.start(), end: d.start(), with: with})
	}
	return edits
}

// addOption adds a line to the block of a directive.
func addOption(text string, d directive, option string) edit {
	indent := indentOf(text, d.start())
	if d.open > 0 {
		return edit{start: d.open, end: d.open, with: "\n" + indent + "    " + option}
	}
	return edit{start: d.end, end: d.end, with: " {\n" + indent + "    " + option + "\n" + indent + "}"}
}

// checkTargets removes targets of a forward that CoreDNS refuses. Without any target left, the zone
// is unavailable.
func checkTargets(d directive, f Facts) (edits []edit, warning string) {
	left := 0
	for _, target := range d.words[2:] {
		switch {
		case target.text == clusterDNS:
			warning = NoClusterUpstream
		case slices.Contains(f.Empty, target.text):
			warning = "there is no nameserver in " + target.text
		default:
			left++
			continue
		}
		edits = append(edits, edit{start: target.start, end: target.end})
	}
	if left > 0 || warning == "" {
		return edits, ""
	}
	with := unavailable(warning, "")
	return []edit{{start: d.start(), end: d.end, with: with}}, warning
}

func unavailable(reason, indent string) string {
	return indent + Unavailable + " " + strconv.Quote(reason)
}

// isCluster reports whether b is for cluster names: a zone forwarded to the cluster upstream,
// except the root and the reverse zones.
func (f Facts) isCluster(b block) bool {
	if b.isSnippet() || len(f.ClusterUpstream) == 0 || slices.ContainsFunc(b.keys, isNoClusterZone) {
		return false
	}
	return slices.ContainsFunc(b.directives, func(d directive) bool {
		return d.name() == "forward" && slices.ContainsFunc(d.words[1:], f.isClusterUpstream)
	})
}

// addStale allows expired replies in the cache of a cluster zone.
func addStale(text string, b block, f Facts) []edit {
	if !f.isCluster(b) {
		return nil
	}
	for _, d := range b.directives {
		if d.name() != "cache" || d.option("serve_stale") != nil {
			continue
		}
		indent := indentOf(text, d.start())
		with := fmt.Sprintf("%s %d %d\n%s", Stale, StaleMark, StaleTTL, indent)
		stale := edit{start: d.start(), end: d.start(), with: with}
		return []edit{stale, addOption(text, d, serveStale)}
	}
	return nil
}

// isNoClusterZone reports whether a key of a block is the root or a reverse zone.
func isNoClusterZone(key token) bool {
	for _, zone := range zones([]block{{keys: []token{key}}}, 53) {
		if strings.HasPrefix(zone, ".:") || strings.Contains(zone, ".arpa.:") {
			return true
		}
	}
	return false
}

func (f Facts) isClusterUpstream(t token) bool {
	text := strings.TrimPrefix(t.text, "dns://")
	if addr, err := netip.ParseAddrPort(text); err == nil {
		return slices.Contains(f.ClusterUpstream, addr.Addr())
	}
	addr, err := netip.ParseAddr(text)
	return err == nil && slices.Contains(f.ClusterUpstream, addr)
}

// Files returns the files that are targets of forward directives in a Corefile.
func Files(text string) []string {
	blocks, err := scan(text)
	if err != nil {
		return nil
	}
	var files []string
	for _, b := range blocks {
		for _, d := range b.directives {
			if d.name() != "forward" {
				continue
			}
			for _, t := range d.words[1:] {
				if strings.HasPrefix(t.text, "/") && !slices.Contains(files, t.text) {
					files = append(files, t.text)
				}
			}
		}
	}
	return files
}

// texts returns words without quotes.
func texts(words []token) []string {
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = w.text
	}
	return list
}

// indentOf returns the blanks between the start of a line and at.
func indentOf(text string, at int) string {
	start := strings.LastIndexByte(text[:at], '\n') + 1
	if strings.Trim(text[start:at], " \t") != "" {
		return "    "
	}
	return text[start:at]
}

// Imports returns the arguments of import directives, except snippets.
func Imports(text string) []string {
	tokens, err := tokenize(text)
	if err != nil {
		return nil
	}
	var patterns []string
	for len(tokens) > 0 {
		line := firstLine(tokens)
		tokens = tokens[len(line):]
		if line[0].text == "import" && len(line) > 1 {
			patterns = append(patterns, line[1].text)
		}
	}
	return patterns
}

// ClusterZone returns the first zone forwarded to the cluster upstream that is neither the root nor
// a reverse zone, or "".
func ClusterZone(text string, f Facts) string {
	blocks, err := scan(text)
	if err != nil {
		return ""
	}
	for _, b := range blocks {
		if !f.isCluster(b) {
			continue
		}
		for _, zone := range zones([]block{b}, 53) {
			zone, _, _ = strings.Cut(zone, ":")
			return zone
		}
	}
	return ""
}
