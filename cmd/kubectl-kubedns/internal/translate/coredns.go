package translate

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/cmdline"
)

// Running is the configuration of a kube-dns that runs: ours or upstream's.
type Running struct {
	// ConfigMap is the data of the ConfigMap kube-dns.
	ConfigMap map[string]string
	// KubeDNS, Nanny and Dnsmasq are arguments, with variables expanded. Nanny are those in
	// front of "--".
	KubeDNS, Nanny, Dnsmasq []string
}

// defaultZone is kube-dns's own default of --domain.
const defaultZone = "cluster.local"

// ToCoreDNS translates a kube-dns that runs into a Corefile. The error is about a ConfigMap
// that kube-dns itself would refuse.
func ToCoreDNS(r Running) (text, zone string, found []Finding, err error) {
	cfg, err := config.Parse(r.ConfigMap)
	if err != nil {
		return "", "", nil, fmt.Errorf("ConfigMap kube-dns: %w", err)
	}
	t := toCoreDNS{zone: defaultZone, reverseBlocks: map[string][]string{}, stubs: map[string][]string{}}
	t.flagsOf(r.KubeDNS)
	t.nannyFlags(r.Nanny)
	t.configMap(cfg)
	for _, o := range cmdline.Options(r.Dnsmasq) {
		t.option(o)
	}
	return t.corefile(), t.zone, t.found, nil
}

// toCoreDNS collects what the Corefile has.
type toCoreDNS struct {
	found         findings
	zone          string
	upstreams     []string
	stubs         map[string][]string
	reverseBlocks map[string][]string // networks and their servers
	hosts         []string            // lines of the plugin hosts
	templates     []string            // whole plugins
	forward       []string            // options of forward
	cache         cacheLines
	lameduck      string
	log           bool
}

// cacheLines are the settings of the plugin cache.
type cacheLines struct {
	size   int // 0: no cache
	noNeg  bool
	maxTTL string
	minTTL string
	stale  string
}

// flagValue reads --name=value and -name=value; value may be the next argument.
func flagValues(args []string) map[string]string {
	values := map[string]string{}
	for i := 0; i < len(args); i++ {
		name, ok := strings.CutPrefix(args[i], "-")
		if !ok {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(name, "-"), "=")
		if !ok && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			i++
			value = args[i]
		}
		values[name] = value
	}
	return values
}

const (
	placeKubeDNS   = "container kubedns"
	placeNanny     = "dnsmasq-nanny"
	placeDnsmasq   = "dnsmasq"
	placeConfigMap = "ConfigMap kube-dns"
)

func (t *toCoreDNS) flagsOf(args []string) {
	values := flagValues(args)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		value, text := values[name], "--"+name+"="+values[name]
		switch name {
		case "domain":
			t.zone = strings.TrimSuffix(strings.ToLower(value), ".")
			t.found.add(Same, "", placeKubeDNS, text, "kubernetes "+t.zone)
		case "nameservers":
			t.nameservers(text, value)
		case "federations":
			if value != "" {
				t.found.add(Refused, codeFederation, placeKubeDNS, text, "CoreDNS answers NXDOMAIN for federation names since 1.7.0")
			}
		case "lameduck":
			t.lameduck = value
			t.found.add(Same, "", placeKubeDNS, text, "health { lameduck "+value+" }")
		case "kubecfg-file", "kube-master-url", "manifests":
			if value != "" {
				t.found.add(Refused, codeFlag, placeKubeDNS, text, "CoreDNS's pod has no such source: set endpoint or kubeconfig by hand")
			}
		case "snapshot", "snapshot-max-age":
			t.found.add(Changed, "MG14", placeKubeDNS, text, "CoreDNS keeps no snapshot: a start waits for the API server")
		case "query-log", "log-queries":
			t.log = true
			t.found.add(Changed, codeLog, placeKubeDNS, text, "log")
		default:
			t.found.add(Dropped, "", placeKubeDNS, text, "CoreDNS has its own")
		}
	}
}

func (t *toCoreDNS) nameservers(text, value string) {
	list, err := config.ParseNameserverList(value)
	if err != nil {
		t.found.add(Refused, codeUpstream, placeKubeDNS, text, err.Error())
		return
	}
	for _, ns := range list {
		t.upstreams = append(t.upstreams, plainServer(ns))
	}
	t.found.add(Same, "", placeKubeDNS, text, "forward")
}

func (t *toCoreDNS) nannyFlags(args []string) {
	if d := flagValues(args)["lameduck"]; d != "" {
		t.lameduck = d
		t.found.add(Same, "", placeNanny, "-lameduck="+d, "health { lameduck "+d+" }")
	}
}

func (t *toCoreDNS) configMap(cfg config.Config) {
	if len(cfg.Upstreams) > 0 {
		t.upstreams = nil // the ConfigMap wins
		for _, ns := range cfg.Upstreams {
			t.upstreams = append(t.upstreams, plainServer(ns))
		}
		t.found.add(Same, "", placeConfigMap, "upstreamNameservers", "forward . "+strings.Join(t.upstreams, " "))
	}
	for _, stub := range cfg.StubDomains {
		var servers []string
		for _, s := range stub.Servers {
			if s.Host != "" {
				t.found.add(Refused, codeHost, placeConfigMap, "stubDomains "+stub.Domain+" "+s.Host,
					"CoreDNS resolves a name once, at a start, and older ones not at all: write the address of its Service")
				continue
			}
			servers = append(servers, plainServer(s.Nameserver))
		}
		t.stub(placeConfigMap, "stubDomains "+stub.Domain, stub.Domain, servers)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.Federations)) {
		t.found.add(Refused, codeFederation, placeConfigMap, "federations "+name,
			"CoreDNS answers NXDOMAIN for federation names since 1.7.0")
	}
}

// stub records the servers of a domain.
func (t *toCoreDNS) stub(place, text, domain string, servers []string) {
	switch {
	case len(servers) == 0:
		t.found.add(Dropped, "", place, text, "it has no servers")
		return
	case len(servers) > maxUpstreams:
		t.found.add(Refused, codeMany, place, text, fmt.Sprintf("CoreDNS takes %d servers; the first ones stay", maxUpstreams))
		servers = servers[:maxUpstreams]
	}
	t.stubs[domain] = append(t.stubs[domain], servers...)
	t.found.add(Same, "", place, text, domain+":53 { forward . "+strings.Join(servers, " ")+" }")
}

// option translates one option of dnsmasq.
func (t *toCoreDNS) option(o string) {
	name, value, _ := strings.Cut(strings.TrimPrefix(o, "--"), "=")
	same := func(to string) { t.found.add(Same, "", placeDnsmasq, o, to) }
	change := func(code, to string) { t.found.add(Changed, code, placeDnsmasq, o, to) }
	if _, err := strconv.Atoi(orElse(value, "0")); err != nil && slices.Contains(numbers(), name) {
		t.found.add(Refused, codeOption, placeDnsmasq, o, "want a number")
		return
	}
	switch name {
	case "server", "local":
		t.server(o, value)
	case "rev-server":
		t.revServer(o, value)
	case "address":
		t.address(o, value)
	case "host-record":
		t.hostRecord(o, value)
	case "cname", "txt-record", "ptr-record", "srv-host", "mx-host":
		t.record(o, name, value)
	case "cache-size":
		t.cache.size, _ = strconv.Atoi(value)
		change(codeCache, "cache { success N, denial N }, N at least 1024 for each kind")
	case "no-negcache":
		t.cache.noNeg = true
		same("cache { disable denial }")
	case "max-cache-ttl", "max-ttl":
		t.cache.maxTTL = value
		same("cache " + value)
	case "min-cache-ttl":
		t.cache.minTTL = value
		same("cache { success N TTL " + value + " }")
	case "use-stale-cache":
		if t.cache.stale = value; value == "" || value == "0" {
			t.cache.stale = "86400"
		}
		same("cache { serve_stale " + t.cache.stale + "s }")
	case "strict-order":
		t.forward = append(t.forward, "policy sequential")
		same("forward { policy sequential }")
	case "dns-forward-max":
		t.forward = append(t.forward, "max_concurrent "+value)
		same("forward { max_concurrent " + value + " }")
	case "log-queries":
		t.log = true
		change(codeLog, "log")
	case "dns-loop-detect":
		change(codeLoop, "loop")
	case "all-servers":
		change(codePolicy, "one server is asked at a time")
	default:
		t.otherOption(o, name)
	}
}

// numbers are the options whose value becomes a number of the Corefile.
func numbers() []string {
	return []string{
		"cache-size", "max-cache-ttl", "max-ttl", "min-cache-ttl", "use-stale-cache", "dns-forward-max",
	}
}

// otherOption handles options without an equivalent.
func (t *toCoreDNS) otherOption(o, name string) {
	switch name {
	case "keep-in-foreground", "no-daemon", "log-facility", "no-resolv", "no-poll", "no-hosts", "user", "group", "pid-file",
		"log-async", "port", "listen-address", "interface", "bind-interfaces", "bind-dynamic", "max-tcp-connections",
		"local-ttl", "neg-ttl", "clear-on-reload", "servers-file", "edns-packet-max", "domain", "query-port", "min-port",
		"max-port", "port-limit", "fast-dns-retry", "no-ident", "no-round-robin", "localise-queries", "local-service",
		"except-interface", "log-debug", "auth-ttl":
		t.found.add(Dropped, "", placeDnsmasq, o, "CoreDNS has its own")
	case "conf-file", "conf-dir", "conf-script", "addn-hosts", "hostsdir", "resolv-file":
		t.found.add(Refused, codeOption, placeDnsmasq, o, "this file is in the pod of kube-dns: move its lines into arguments first")
	default:
		t.found.add(Refused, codeOption, placeDnsmasq, o, "CoreDNS has nothing for it")
	}
}

// server translates --server and --local.
func (t *toCoreDNS) server(o, value string) {
	rest, isDomain := strings.CutPrefix(value, "/")
	if !isDomain {
		if s, ok := dnsmasqServer(value); ok {
			t.upstreams = append(t.upstreams, s)
			t.found.add(Same, "", placeDnsmasq, o, "forward . "+s)
		} else if value != "" {
			t.found.add(Refused, codeOption, placeDnsmasq, o, "CoreDNS takes an address and a port, without interface or source")
		}
		return
	}
	i := strings.LastIndexByte(rest, '/')
	if i < 0 {
		t.found.add(Refused, codeOption, placeDnsmasq, o, "want /DOMAIN/SERVER")
		return
	}
	for domain := range strings.SplitSeq(rest[:i], "/") {
		t.domainServer(o, strings.TrimPrefix(strings.ToLower(strings.TrimSuffix(domain, ".")), "."), rest[i+1:])
	}
}

func (t *toCoreDNS) domainServer(o, domain, server string) {
	host, port, _ := strings.Cut(server, "#")
	switch addr, err := netip.ParseAddr(host); {
	case server == "#":
		t.found.add(Dropped, "", placeDnsmasq, o, "forward takes all other names")
	case server == "":
		if domain != "" {
			t.templates = append(t.templates, "template ANY ANY "+domain+" {\n        rcode NXDOMAIN\n    }")
			t.found.add(Same, "", placeDnsmasq, o, "template ANY ANY "+domain+" { rcode NXDOMAIN }")
		}
	case err == nil && addr.IsLoopback() && (port == "10053" || port == "53"):
		t.found.add(Same, "", placeDnsmasq, o, "kubernetes")
	default:
		s, ok := dnsmasqServer(server)
		if !ok || domain == "" || domain == "#" {
			t.found.add(Refused, codeOption, placeDnsmasq, o, "CoreDNS takes an address and a port, without interface or source")
			return
		}
		t.stub(placeDnsmasq, o, domain, []string{s})
	}
}

// dnsmasqServer reads "address#port".
func dnsmasqServer(text string) (string, bool) {
	host, port, hasPort := strings.Cut(text, "#")
	addr, err := netip.ParseAddr(host)
	if err != nil || addr.Zone() != "" || strings.Contains(text, "@") {
		return "", false
	}
	if !hasPort || port == "53" {
		return addr.String(), true
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", false
	}
	return net.JoinHostPort(addr.String(), port), true
}

func (t *toCoreDNS) revServer(o, value string) {
	network, server, _ := strings.Cut(value, ",")
	prefix, err := netip.ParsePrefix(network)
	if err != nil {
		if addr, addrErr := netip.ParseAddr(network); addrErr == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
	}
	s, ok := dnsmasqServer(server)
	if err != nil || !ok {
		t.found.add(Refused, codeOption, placeDnsmasq, o, "want NETWORK/BITS,ADDRESS")
		return
	}
	zone := prefix.Masked().String()
	t.reverseBlocks[zone] = append(t.reverseBlocks[zone], s)
	t.found.add(Same, "", placeDnsmasq, o, zone+":53 { forward . "+s+" }")
}

// address translates --address=/DOMAIN/ADDRESS.
func (t *toCoreDNS) address(o, value string) {
	rest, ok := strings.CutPrefix(value, "/")
	i := strings.LastIndexByte(rest, '/')
	if !ok || i < 0 {
		t.found.add(Refused, codeOption, placeDnsmasq, o, "want /DOMAIN/ADDRESS")
		return
	}
	for domain := range strings.SplitSeq(rest[:i], "/") {
		domain = strings.ToLower(strings.Trim(domain, "."))
		text, ok := addressTemplate(domain, rest[i+1:])
		if !ok || domain == "" || domain == "#" {
			t.found.add(Refused, codeOption, placeDnsmasq, o, "CoreDNS has nothing for all names at once")
			continue
		}
		t.templates = append(t.templates, text...)
		t.found.add(Same, "", placeDnsmasq, o, strings.Join(strings.Fields(strings.Join(text, " ")), " "))
	}
}

// addressTemplate returns plugins that answer a domain with one address.
func addressTemplate(domain, address string) ([]string, bool) {
	one := func(addr netip.Addr) string {
		kind := "AAAA"
		if addr.Is4() {
			kind = "A"
		}
		return fmt.Sprintf("template IN %s %s {\n        answer \"{{ .Name }} 60 IN %s %s\"\n        fallthrough\n    }",
			kind, domain, kind, addr)
	}
	switch address {
	case "":
		return []string{"template ANY ANY " + domain + " {\n        rcode NXDOMAIN\n    }"}, true
	case "#":
		return []string{one(netip.IPv4Unspecified()), one(netip.IPv6Unspecified())}, true
	}
	addr, err := netip.ParseAddr(address)
	if err != nil || addr.Zone() != "" {
		return nil, false
	}
	return []string{one(addr)}, true
}

// hostRecord translates --host-record=NAME[,NAME][,ADDRESS][,ADDRESS][,TTL].
func (t *toCoreDNS) hostRecord(o, value string) {
	var names, addrs []string
	for part := range strings.SplitSeq(value, ",") {
		part = strings.TrimSpace(part)
		if addr, err := netip.ParseAddr(part); err == nil {
			addrs = append(addrs, addr.String())
		} else if _, err := strconv.Atoi(part); err != nil && part != "" {
			names = append(names, strings.ToLower(part))
		}
	}
	if len(names) == 0 || len(addrs) == 0 || !validNames(names) {
		t.found.add(Refused, codeOption, placeDnsmasq, o, "want NAME,ADDRESS")
		return
	}
	for _, addr := range addrs {
		t.hosts = append(t.hosts, addr+" "+strings.Join(names, " "))
	}
	t.found.add(Same, "", placeDnsmasq, o, "hosts { "+strings.Join(addrs, ", ")+" "+strings.Join(names, " ")+" }")
}

// record translates options that make one record.
func (t *toCoreDNS) record(o, option, value string) {
	parts := strings.Split(value, ",")
	name := strings.ToLower(strings.TrimSuffix(parts[0], "."))
	kind, data := "", ""
	switch {
	case option == "cname" && len(parts) == 2:
		kind, data = "CNAME", strings.TrimSuffix(parts[1], ".")+"."
	case option == "ptr-record" && len(parts) == 2:
		kind, data = "PTR", strings.TrimSuffix(parts[1], ".")+"."
	case option == "mx-host" && len(parts) == 3:
		kind, data = "MX", parts[2]+" "+strings.TrimSuffix(parts[1], ".")+"."
	case option == "srv-host" && len(parts) == 5:
		kind, data = "SRV", strings.Join([]string{parts[3], parts[4], parts[2], strings.TrimSuffix(parts[1], ".") + "."}, " ")
	}
	if kind == "" || !validNames(append([]string{name}, strings.Fields(data)...)) {
		t.found.add(Refused, codeOption, placeDnsmasq, o, "write a template for it by hand")
		return
	}
	class := kind
	if kind == "CNAME" {
		class = "ANY"
	}
	text := fmt.Sprintf("template IN %s %s {\n        match \"^%s[.]$\"\n        answer \"{{ .Name }} 60 IN %s %s\"\n        fallthrough\n    }",
		class, name, strings.ReplaceAll(name, ".", "[.]"), kind, data)
	t.templates = append(t.templates, text)
	t.found.add(Same, "", placeDnsmasq, o, "template IN "+class+" "+name)
}

// validNames reports whether names can stand in a Corefile as they are.
func validNames(names []string) bool {
	return !slices.ContainsFunc(names, func(name string) bool {
		return name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != ""
	})
}
