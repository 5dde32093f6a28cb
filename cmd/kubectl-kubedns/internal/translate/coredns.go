package translate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/cmdline"
)

// Running is the configuration of a running kube-dns: ours or upstream's.
type Running struct {
	// ConfigMap is the data of the ConfigMap kube-dns.
	ConfigMap map[string]string
	// KubeDNS, Nanny and Dnsmasq are arguments, with variables expanded. Nanny has the arguments
	// before "--".
	KubeDNS, Nanny, Dnsmasq []string
}

// defaultZone is kube-dns's own default of --domain.
const defaultZone = "cluster.local"

// ToCoreDNS translates a running kube-dns into a Corefile. The error is about a ConfigMap that
// kube-dns itself would refuse.
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

// toCoreDNS collects the contents of the Corefile.
type toCoreDNS struct {
	found         findings
	zone          string
	upstreams     []string
	stubs         map[string][]string
	reverseBlocks map[string][]string // networks and their servers
	hosts         []string            // lines of the plugin hosts
	templates     []string            // complete plugins
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

// flagValues parses --name=value and -name=value; value can be the next argument.
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
				t.found.add(Refused, codeFederation, placeKubeDNS, text,
					"CoreDNS answers NXDOMAIN for federation names since 1.7.0")
			}
		case "lameduck":
			t.lameduck = value
			t.found.add(Same, "", placeKubeDNS, text, "health { lameduck "+value+" }")
		case "kubecfg-file", "kube-master-url", "manifests":
			if value != "" {
				t.found.add(Refused, codeFlag, placeKubeDNS, text,
					"CoreDNS's pod has no such source: set endpoint or kubeconfig by hand")
			}
		case "snapshot", "snapshot-max-age":
			t.found.add(Changed, "MG14", placeKubeDNS, text,
				"CoreDNS keeps no snapshot: a start waits for the API server")
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
					"CoreDNS resolves a name once, at a start, and older ones not at all: "+
						"write the address of its Service")
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
		t.found.add(Refused, codeMany, place, text,
			fmt.Sprintf("CoreDNS takes %d servers; the first ones stay", maxUpstreams))
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
	if _, err := strconv.Atoi(cmp.Or(value, "0")); err != nil && slices.Contains(numbers(), name) {
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
		change(codePolicy, "one server is queried at a time")
	default:
		t.otherOption(o, name)
	}
}

// numbers are the options with a value that becomes a number in the Corefile.
func numbers() []string {
	return []string{
		"cache-size", "max-cache-ttl", "max-ttl", "min-cache-ttl", "use-stale-cache", "dns-forward-max",
	}
}

// otherOption handles options without an equivalent.
func (t *toCoreDNS) otherOption(o, name string) {
	switch name {
	case "keep-in-foreground",
		"no-daemon",
		"log-facility",
		"no-resolv",
		"no-poll",
		"no-hosts",
		"user",
		"group",
		"pid-file",
		"log-async",
		"port",
		"listen-address",
		"interface",
		"bind-interfaces",
		"bind-dynamic",
		"max-tcp-connections",
		"local-ttl",
		"neg-ttl",
		"clear-on-reload",
		"servers-file",
		"edns-packet-max",
		"domain",
		"query-port",
		"min-port",
		"max-port",
		"port-limit",
		"fast-dns-retry",
		"no-ident",
		"no-round-robin",
		"localise-queries",
		"local-service",
		"except-interface",
		"log-debug",
		"auth-ttl":
		t.found.add(Dropped, "", placeDnsmasq, o, "CoreDNS has its own")
	case "conf-file", "conf-dir", "conf-script", "addn-hosts", "hostsdir", "resolv-file":
		t.found.add(Refused, codeOption, placeDnsmasq, o,
			"this file is in the pod of kube-dns: move its lines into arguments first")
	default:
		t.found.add(Refused, codeOption, placeDnsmasq, o, "CoreDNS has no equivalent")
	}
}
