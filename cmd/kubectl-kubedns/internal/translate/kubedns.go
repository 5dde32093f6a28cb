package translate

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/corefile"
	"github.com/kube-dns/kube-dns/pkg/config"
)

// KubeDNS is a configuration of kube-dns.
type KubeDNS struct {
	// Zone is the cluster domain without a final dot.
	Zone string
	// Config is the data of the ConfigMap kube-dns.
	Config map[string]string
	// Dnsmasq are dnsmasq's arguments without the servers of the cluster zone.
	Dnsmasq []string
	// Flags are further flags of kube-dns.
	Flags []string
	// Lameduck is how long a pod still answers after SIGTERM; 0 is the default.
	Lameduck time.Duration
}

const (
	maxUpstreams     = 15
	defaultLameduck  = 28 * time.Second
	maxDnsmasqCache  = 10000
	defaultCacheSize = 1000
)

// ToKubeDNS translates a Corefile. files are the files that the plugin hosts can read, by path.
func ToKubeDNS(file corefile.File, files map[string]string) (KubeDNS, []Finding) {
	t := toKubeDNS{files: files, stubs: map[string][]string{}, cacheSize: defaultCacheSize}
	t.zone = findZone(file)
	port := rootPort(file)
	for _, block := range file.Blocks {
		t.block(block, port)
	}
	if t.zone == "" {
		t.found.add(Refused, codeZone, file.Blocks[0].Place.String(), "no plugin kubernetes",
			"this CoreDNS serves no cluster zone: it is not the cluster's DNS server")
	}
	return t.result(), t.found
}

// toKubeDNS collects the result.
type toKubeDNS struct {
	found     findings
	files     map[string]string
	zone      string
	upstreams []string
	stubs     map[string][]string
	options   []string // of dnsmasq
	flags     []string
	cacheSize int
	negcache  bool
	cached    bool // the root block has the plugin cache
	lameduck  time.Duration
	zones     int // number of plugins kubernetes
}

func (t *toKubeDNS) result() KubeDNS {
	options := []string{"--cache-size=" + strconv.Itoa(t.cacheSize)}
	if !t.negcache {
		options = append(options, "--no-negcache")
	}
	options = append(options, "--dns-loop-detect", "--log-facility=-")
	for _, o := range t.options {
		if !slices.Contains(options, o) {
			options = append(options, o)
		}
	}
	data := map[string]string{}
	if len(t.stubs) > 0 {
		data["stubDomains"] = stubsJSON(t.stubs)
	}
	if len(t.upstreams) > 0 {
		data["upstreamNameservers"] = listJSON(t.upstreams)
	}
	return KubeDNS{Zone: t.zone, Config: data, Dnsmasq: options, Flags: t.flags, Lameduck: t.lameduck}
}

// findZone returns the first zone of a plugin kubernetes that is not a reverse zone.
func findZone(file corefile.File) string {
	for _, b := range file.Blocks {
		for _, p := range b.Plugins {
			if p.Name == "kubernetes" {
				if zones := forwardZones(clusterZones(p, b)); len(zones) > 0 {
					return zones[0]
				}
			}
		}
	}
	return ""
}

// clusterZones returns the zones of a plugin kubernetes: its own, or those of its block.
func clusterZones(p corefile.Directive, b corefile.Block) []string {
	names := p.Args
	if len(names) == 0 {
		names = b.Zones
	}
	zones := make([]string, 0, len(names))
	for _, name := range names {
		zones = append(zones, parseZone(name).name)
	}
	return zones
}

// forwardZones skips reverse zones, which kube-dns answers entirely.
func forwardZones(zones []string) []string {
	var forward []string
	for _, z := range zones {
		if _, err := netip.ParsePrefix(z); err != nil && !strings.HasSuffix(z, ".arpa") && z != "arpa" {
			forward = append(forward, z)
		}
	}
	return forward
}

// A zoneKey is a zone of a server block.
type zoneKey struct {
	protocol string // dns, tls, grpc, https ...
	name     string // without a final dot; "." is the root
	port     string
}

func parseZone(key string) zoneKey {
	z := zoneKey{protocol: "dns", name: strings.ToLower(key), port: "53"}
	if protocol, rest, ok := strings.Cut(z.name, "://"); ok {
		z.protocol, z.name = protocol, rest
	}
	if i := strings.LastIndexByte(z.name, ':'); i >= 0 && !strings.Contains(z.name[i:], "/") {
		if _, err := strconv.ParseUint(z.name[i+1:], 10, 16); err == nil {
			z.name, z.port = z.name[:i], z.name[i+1:]
		}
	}
	if z.name != "." {
		z.name = strings.TrimSuffix(z.name, ".")
	}
	if z.name == "" {
		z.name = "."
	}
	return z
}

// rootPort returns the port of the block for the cluster, which is the target of the Service's port
// 53.
func rootPort(file corefile.File) string {
	for _, b := range file.Blocks {
		for _, p := range b.Plugins {
			if p.Name == "kubernetes" {
				return parseZone(b.Zones[0]).port
			}
		}
	}
	return "53"
}

// block translates one server block.
func (t *toKubeDNS) block(b corefile.Block, port string) {
	var names []string
	for _, key := range b.Zones {
		z := parseZone(key)
		if z.protocol != "dns" || z.port != port {
			t.found.add(Refused, codeServer, b.Place.String(), key,
				"kube-dns answers only over UDP and TCP on the Service's port; leave this server block out")
			continue
		}
		names = append(names, z.name)
	}
	if len(names) == 0 {
		return
	}
	s := scope{t: t, block: b, names: names}
	for _, p := range b.Plugins {
		s.plugin(p)
	}
}

// A scope is a server block under translation.
type scope struct {
	t     *toKubeDNS
	block corefile.Block
	names []string // of the zones
}

// root reports whether the block answers for all names.
func (s scope) root() bool { return slices.Contains(s.names, ".") }

func (s scope) same(p corefile.Directive, to string) {
	s.t.found.add(Same, "", p.Place.String(), s.text(p), to)
}

func (s scope) drop(p corefile.Directive, to string) {
	s.t.found.add(Dropped, "", p.Place.String(), s.text(p), to)
}

func (s scope) change(p corefile.Directive, code, to string) {
	s.t.found.add(Changed, code, p.Place.String(), s.text(p), to)
}

func (s scope) refuse(p corefile.Directive, code, why string) {
	s.t.found.add(Refused, code, p.Place.String(), s.text(p), why)
}

// text is the directive, after the zone unless that is the root.
func (s scope) text(p corefile.Directive) string {
	if s.root() {
		return p.String()
	}
	return strings.Join(s.block.Zones, " ") + ": " + p.String()
}

// plugin translates one plugin.
func (s scope) plugin(p corefile.Directive) {
	switch p.Name {
	case "kubernetes":
		s.kubernetes(p)
	case "forward":
		s.forward(p)
	case "cache":
		s.cache(p)
	case "hosts":
		s.hosts(p)
	case "template":
		s.template(p)
	case "health":
		s.health(p)
	case "rewrite":
		s.rewrite(p)
	case "bind":
		s.bind(p)
	default:
		s.other(p)
	}
}

// other translates plugins regardless of their options.
func (s scope) other(p corefile.Directive) {
	switch p.Name {
	case "log":
		s.change(p, codeLog, "kube-dns logs no queries by default; dnsmasq does with --log-queries=extra")
	case "dnstap", "trace":
		s.change(p, codeLog, "left out")
	case "autopath":
		s.change(p, codeAutopath, "left out")
	case "loadbalance":
		if len(p.Args) > 0 && p.Args[0] != "round_robin" {
			s.change(p, "MG17", "addresses are shuffled")
			return
		}
		s.drop(p, "addresses are always shuffled")
	case "loop":
		s.drop(p, "--dns-loop-detect")
	case "errors", "ready", "reload", "prometheus", "minimal", "any", "bufsize", "nsid", "debug", "pprof", "chaos",
		"whoami", "cancel", "metadata", "local", "header", "timeouts", "root":
		s.drop(p, "kube-dns has its own")
	case "k8s_external", "acl", "view", "dns64", "transfer", "file", "auto", "secondary", "etcd", "route53", "azure",
		"clouddns", "tls", "grpc", "grpc_server", "https", "quic", "sign", "dnssec", "geoip", "tsig", "erratic",
		"nomad", "multisocket", "proxyproto":
		s.refuse(p, codePlugin, "kube-dns has no equivalent of this plugin; keep these names on a server of their own")
	default:
		s.refuse(p, codeUnknown, "this plugin is unknown: its effect is lost")
	}
}

func (s scope) health(p corefile.Directive) {
	for _, o := range p.Options {
		if o.Name != "lameduck" || len(o.Args) != 1 {
			continue
		}
		d, err := time.ParseDuration(o.Args[0])
		if err != nil {
			continue
		}
		if d > defaultLameduck {
			s.t.lameduck = d
			s.same(o, fmt.Sprintf("-lameduck=%v of dnsmasq-nanny", d))
			return
		}
		s.same(o, fmt.Sprintf("a pod keeps answering for %v", defaultLameduck))
		return
	}
	s.drop(p, "kube-dns has its own")
}

// rewrite is refused, because a name of the zone can be an object.
func (s scope) rewrite(p corefile.Directive) {
	args := slices.DeleteFunc(slices.Clone(p.Args), func(a string) bool { return a == "stop" || a == "continue" })
	if len(args) == 4 && args[0] == "name" && args[1] == "exact" {
		from, to := strings.TrimSuffix(args[2], "."), strings.TrimSuffix(args[3], ".")
		if labels := strings.Split(strings.TrimSuffix(from, ".svc."+s.t.zone), "."); len(labels) == 2 &&
			strings.HasSuffix(from, ".svc."+s.t.zone) {
			s.refuse(p, codeRewrite, fmt.Sprintf("write a Service of type ExternalName: "+
				"kubectl -n %s create service externalname %s --external-name %s", labels[1], labels[0], to))
			return
		}
	}
	s.refuse(p, codeRewrite, "dnsmasq cannot rewrite names; let clients use the other name, or a Service of type "+
		"ExternalName")
}

func (s scope) bind(p corefile.Directive) {
	for _, a := range p.Args {
		if addr, err := netip.ParseAddr(a); err != nil || !addr.IsUnspecified() {
			s.refuse(p, codeBind, "a pod of kube-dns listens on all its addresses")
			return
		}
	}
	s.drop(p, "a pod listens on all its addresses")
}

func stubsJSON(stubs map[string][]string) string {
	parts := make([]string, 0, len(stubs))
	for _, domain := range slices.Sorted(maps.Keys(stubs)) {
		parts = append(parts, strconv.Quote(domain)+": "+listJSON(stubs[domain]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func listJSON(list []string) string {
	parts := make([]string, 0, len(list))
	for _, s := range list {
		parts = append(parts, strconv.Quote(s))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// plainServer returns a server in the form of the ConfigMap: without port 53.
func plainServer(ns config.Nameserver) string {
	if ns.Port() == config.DefaultPort {
		return ns.Addr().String()
	}
	return ns.String()
}
