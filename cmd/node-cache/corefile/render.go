package corefile

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/coredns/coredns/plugin"
)

// Placeholders of the template.
const (
	localDNS     = "__PILLAR__LOCAL__DNS__"
	clusterDNS   = "__PILLAR__CLUSTER__DNS__"
	upstreams    = "__PILLAR__UPSTREAM__SERVERS__"
	prometheus   = "__PROMETHEUS__ENDPOINT__"
	resolvConf   = "/etc/resolv.conf"
	maxUpstreams = 15 // the limit of CoreDNS's forward
)

// Values replace the placeholders of a template.
type Values struct {
	LocalIPs        []netip.Addr
	DNSPort         uint16
	ClusterUpstream []netip.Addr // empty: unknown
	Prometheus      string
	Stubs           []Stub
	Upstreams       []netip.AddrPort // empty: those of /etc/resolv.conf
}

// A Stub is a domain with its own upstreams.
type Stub struct {
	Domain  string // without trailing dot
	Servers []netip.AddrPort
	// Missing are servers given by a name without an address so far.
	Missing []string
}

var (
	// localPort is the placeholder with a port: one address replaces it.
	localPort = regexp.MustCompile(localDNS + `:([0-9]+)`)
	// clusterPort is the placeholder with a port, which is added to each address.
	clusterPort = regexp.MustCompile(clusterDNS + `:([0-9]+)`)
)

// Render returns the Corefile for a template. Each warning is about a part that is missing, or that
// could not be removed.
func Render(template string, v Values) (text string, warnings []string) {
	text, warnings = allowUDP(template, v)
	first := v.LocalIPs[0].String()
	if v.LocalIPs[0].Is6() {
		first = "[" + first + "]"
	}
	text = localPort.ReplaceAllString(text, first+":$1")
	replace := []string{localDNS, Join(v.LocalIPs, " "), prometheus, v.Prometheus, upstreams, resolvConf}
	if len(v.Upstreams) > 0 {
		replace[5] = servers(v.Upstreams)
	}
	if len(v.ClusterUpstream) > 0 {
		replace = append(replace, clusterDNS, Join(v.ClusterUpstream, " "))
		text = clusterPort.ReplaceAllStringFunc(text, func(word string) string {
			return withPort(v.ClusterUpstream, word[len(clusterDNS):])
		})
	}
	text = strings.NewReplacer(replace...).Replace(text)
	blocks, problems := stubBlocks(text, v)
	if blocks != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text + blocks, append(warnings, problems...)
}

// allowUDP removes force_tcp where it is the only option for the upstreams of the ConfigMap: they
// might not accept TCP.
func allowUDP(template string, v Values) (text string, warnings []string) {
	if len(v.Upstreams) == 0 {
		return template, nil
	}
	blocks, _ := scan(template)
	var edits []edit
	for _, b := range blocks {
		for _, d := range b.directives {
			if d.name() != "forward" || d.option("force_tcp") == nil || !d.mentions(upstreams) {
				continue
			}
			if len(d.body) > 1 {
				warnings = append(warnings, fmt.Sprintf("line %d: force_tcp stays for the upstream nameservers: "+
					"the block has other options", d.line()))
				continue
			}
			edits = append(edits, edit{start: d.words[len(d.words)-1].end, end: d.end})
		}
	}
	return apply(template, edits), warnings
}

// stubBlocks returns a block for each stub domain, sorted.
func stubBlocks(base string, v Values) (text string, warnings []string) {
	blocks, _ := scan(base)
	taken := zones(blocks, v.DNSPort)
	stubs := slices.SortedFunc(slices.Values(v.Stubs),
		func(a, b Stub) int { return strings.Compare(a.Domain, b.Domain) })
	var out strings.Builder
	for _, stub := range stubs {
		switch own := zonesOf(stub.Domain, v.DNSPort); {
		case len(stub.Servers) == 0 && len(stub.Missing) == 0:
			warnings = append(warnings, fmt.Sprintf("stub domain %q has no servers and is left out", stub.Domain))
			continue
		case slices.ContainsFunc(own, func(zone string) bool { return slices.Contains(taken, zone) }):
			warnings = append(warnings, fmt.Sprintf("stub domain %q is left out: the Corefile has a block for it",
				stub.Domain))
			continue
		}
		if len(stub.Servers) > maxUpstreams {
			warnings = append(warnings, fmt.Sprintf("stub domain %q has %d servers: the first %d are used",
				stub.Domain, len(stub.Servers), maxUpstreams))
			stub.Servers = stub.Servers[:maxUpstreams]
		}
		fmt.Fprintf(&out, "%s:%d {\n    errors\n    cache 30\n    bind %s\n%s%s}\n",
			stub.Domain, v.DNSPort, Join(v.LocalIPs, " "), counted(blocks), target(stub))
	}
	return out.String(), warnings
}

// counted returns the prometheus directive of the first block that has one.
func counted(blocks []block) string {
	for _, b := range blocks {
		for _, d := range b.directives {
			if d.name() == "prometheus" {
				return "    " + strings.Join(texts(d.words), " ") + "\n"
			}
		}
	}
	return ""
}

func target(stub Stub) string {
	if len(stub.Servers) == 0 {
		return unavailable("the stub servers have no address: "+strings.Join(stub.Missing, " "), "    ") + "\n"
	}
	return "    forward . " + servers(stub.Servers) + "\n"
}

// zones returns the zones of blocks in the form of zonesOf.
func zones(blocks []block, port uint16) []string {
	var list []string
	for _, b := range blocks {
		if b.isSnippet() {
			continue
		}
		for _, key := range b.keys {
			for text := range strings.SplitSeq(key.text, ",") {
				if text != "" {
					list = append(list, zonesOf(text, port)...)
				}
			}
		}
	}
	return list
}

// zonesOf returns the zones of a key as "zone.:port". A network in CIDR form is several zones.
func zonesOf(key string, port uint16) []string {
	key, before := strings.TrimPrefix(key, "dns://"), ""
	if scheme, _, ok := strings.Cut(key, "://"); ok {
		before = scheme + "://"
	}
	_, ownPort, ok := cutPort(key)
	if !ok {
		ownPort = fmt.Sprint(port)
	}
	list := plugin.Host(key).NormalizeExact()
	for i, zone := range list {
		list[i] = before + zone + ":" + ownPort
	}
	return list
}

// cutPort splits a key at the colon of its port.
func cutPort(key string) (zone, port string, ok bool) {
	i := strings.LastIndexByte(key, ':')
	if i < 0 || strings.Trim(key[i+1:], "0123456789") != "" || i+1 == len(key) {
		return key, "", false
	}
	return key[:i], key[i+1:], true
}

// Join returns addresses with a separator between them.
func Join[A fmt.Stringer](addrs []A, separator string) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, separator)
}

// withPort returns addresses with a port, given with its colon.
func withPort(addrs []netip.Addr, port string) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String() + port
		if a.Is6() {
			texts[i] = "[" + a.String() + "]" + port
		}
	}
	return strings.Join(texts, " ")
}

// servers returns addresses in the syntax of forward, where port 53 is the default.
func servers(addrs []netip.AddrPort) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
		if a.Port() == 53 {
			texts[i] = a.Addr().String()
		}
	}
	return strings.Join(texts, " ")
}
