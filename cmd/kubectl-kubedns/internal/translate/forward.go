package translate

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/kube-dns/kube-dns/cmd/kubectl-kubedns/internal/corefile"
	"github.com/kube-dns/kube-dns/pkg/config"
)

const resolvConf = "/etc/resolv.conf"

// forward translates upstream servers and stub domains.
func (s scope) forward(p corefile.Directive) {
	if len(p.Args) < 2 {
		s.refuse(p, codeUnknown, "want forward FROM TO")
		return
	}
	servers, ok := s.servers(p)
	if ok {
		s.forwardTo(p, parseZone(p.Args[0]).name, servers)
	}
	for _, o := range p.Options {
		s.forwardOption(o)
	}
}

// servers returns the servers of a forward. None: those of resolv.conf.
func (s scope) servers(p corefile.Directive) (servers []string, ok bool) {
	for _, to := range p.Args[1:] {
		to = strings.TrimPrefix(to, "dns://")
		switch protocol, _, _ := strings.Cut(to, "://"); {
		case to == resolvConf:
			if len(p.Args) > 2 {
				s.refuse(p, codeUpstream, "kube-dns takes the servers of "+resolvConf+" or those of a list, not both")
				return nil, false
			}
			return nil, true
		case protocol != to:
			s.refuse(p, codeEncrypted, "kube-dns queries upstreams over UDP and TCP; run a forwarder for "+protocol+
				" and name its address")
			return nil, false
		case strings.HasPrefix(to, "/"):
			s.refuse(p, codeUpstream, to+": mount this file into the container dnsmasq and add --resolv-file="+to)
			return nil, false
		}
		ns, err := config.ParseNameserver(to)
		if err != nil {
			s.refuse(p, codeUpstream, err.Error())
			return nil, false
		}
		servers = append(servers, plainServer(ns))
	}
	if len(servers) > maxUpstreams {
		s.refuse(p, codeMany, fmt.Sprintf("at most %d servers; with its code accepted the first %d stay", maxUpstreams,
			maxUpstreams))
		servers = servers[:maxUpstreams]
	}
	return servers, true
}

// forwardTo records the servers for the names of a zone.
func (s scope) forwardTo(p corefile.Directive, from string, servers []string) {
	domains := []string{from}
	if from == "." {
		domains = s.names
	}
	short := corefile.Directive{Name: p.Name, Args: p.Args, Place: p.Place}
	for _, domain := range domains {
		_, notNetwork := netip.ParsePrefix(domain)
		switch {
		case notNetwork == nil && len(servers) > 0:
			s.network(short, domain, servers)
		case domain == ".":
			s.t.upstreams = servers
			if len(servers) == 0 {
				s.same(short, "the servers of the node's "+resolvConf)
			} else {
				s.same(short, "upstreamNameservers")
			}
		case len(servers) == 0:
			s.t.options = append(s.t.options, "--server=/"+domain+"/#")
			s.same(short, "--server=/"+domain+"/#")
		default:
			s.stub(short, domain, servers)
		}
	}
}

// network records the servers of the reverse names of a network.
func (s scope) network(p corefile.Directive, network string, servers []string) {
	for _, server := range servers {
		ns, err := config.ParseNameserver(server)
		if err != nil {
			continue // servers has only valid addresses
		}
		option := "--rev-server=" + network + "," + ns.Addr().String()
		if ns.Port() != config.DefaultPort {
			option += "#" + strconv.Itoa(int(ns.Port()))
		}
		s.t.options = append(s.t.options, option)
		s.same(p, option)
	}
}

// stub records a stub domain, if the ConfigMap supports it.
func (s scope) stub(p corefile.Directive, domain string, servers []string) {
	if domain == s.t.zone && slices.ContainsFunc(s.block.Plugins, func(p corefile.Directive) bool {
		return p.Name == "kubernetes"
	}) {
		s.refuse(p, codeThrough, "kube-dns answers NXDOMAIN for names of the zone that no object has")
		return
	}
	if _, ok := s.t.stubs[domain]; ok {
		s.refuse(p, codeMany, "the stub domain "+domain+" has servers already")
		return
	}
	one := map[string]string{"stubDomains": stubsJSON(map[string][]string{domain: servers})}
	if _, err := config.Parse(one); err != nil {
		s.refuse(p, codeUpstream, err.Error())
		return
	}
	s.t.stubs[domain] = servers
	s.same(p, "stubDomains")
}

func (s scope) forwardOption(o corefile.Directive) {
	switch o.Name {
	case "max_concurrent":
		n, err := strconv.Atoi(strings.Join(o.Args, ""))
		if err != nil || n <= 0 {
			s.drop(o, "dnsmasq-nanny sets --dns-forward-max=1500")
			return
		}
		if !s.root() {
			s.change(o, codeLimit, "dnsmasq has one limit for all servers, --dns-forward-max")
			return
		}
		s.t.options = append(s.t.options, "--dns-forward-max="+strconv.Itoa(n))
		s.same(o, "--dns-forward-max="+strconv.Itoa(n))
	case "policy":
		if len(o.Args) == 1 && o.Args[0] == "sequential" {
			s.t.options = append(s.t.options, "--strict-order")
			s.same(o, "--strict-order")
			return
		}
		s.change(o, codePolicy, "dnsmasq prefers the server that replies fastest")
	case "except":
		for _, name := range o.Args {
			if _, isStub := s.t.stubs[parseZone(name).name]; !isStub && parseZone(name).name != s.t.zone {
				s.t.options = append(s.t.options, "--local=/"+parseZone(name).name+"/")
			}
		}
		s.change(o, codeExcept, "NXDOMAIN in place of an error; names of stub domains still go to their servers")
	case "force_tcp", "prefer_udp":
		s.change(o, codeTCP, "left out")
	case "health_check", "max_fails", "expire", "read_timeout", "max_idle_conns", "max_connect_attempts", "doh_method",
		"failover", "failfast_all_unhealthy_upstreams":
		s.drop(o, "dnsmasq has its own")
	case "tls", "tls_servername":
		s.refuse(o, codeEncrypted, "kube-dns queries upstreams over UDP and TCP")
	case "next":
		s.refuse(o, codePlugin, "dnsmasq does not query a second list of servers after an error")
	default:
		s.refuse(o, codeUnknown, "this option of forward is unknown")
	}
}

// cache translates the cache of all names. dnsmasq has one cache.
func (s scope) cache(p corefile.Directive) {
	if !s.root() {
		s.change(p, codeCache, "dnsmasq has one cache for all names")
		return
	}
	if s.t.cached {
		s.refuse(p, codeCache, "dnsmasq has one cache for all names")
		return
	}
	s.t.cached, s.t.negcache = true, true
	if len(p.Args) > 0 {
		if ttl, err := strconv.Atoi(p.Args[0]); err == nil && ttl > 0 {
			s.t.options = append(s.t.options, "--max-cache-ttl="+strconv.Itoa(ttl))
			s.same(corefile.Directive{Name: p.Name, Args: p.Args, Place: p.Place}, "--max-cache-ttl="+strconv.Itoa(ttl))
		}
		if len(p.Args) > 1 {
			s.change(p, codeCache, "all names are cached")
		}
	}
	for _, o := range p.Options {
		s.cacheOption(o)
	}
}

func (s scope) cacheOption(o corefile.Directive) {
	switch o.Name {
	case "success":
		if n, err := strconv.Atoi(first(o.Args)); err == nil && n > 0 {
			s.t.cacheSize = min(max(n, defaultCacheSize), maxDnsmasqCache)
		}
		if len(o.Args) > 1 {
			s.t.options = append(s.t.options, "--max-cache-ttl="+o.Args[1])
		}
		if len(o.Args) > 2 && o.Args[2] != "0" {
			s.t.options = append(s.t.options, "--min-cache-ttl="+o.Args[2])
		}
		s.change(o, codeCache, "--cache-size="+strconv.Itoa(s.t.cacheSize)+" records of all kinds")
	case "denial":
		s.change(o, codeCache, "negative replies share the cache (no --no-negcache)")
	case "disable":
		if first(o.Args) == "denial" {
			if len(o.Args) == 1 {
				s.t.negcache = false
				s.same(o, "--no-negcache")
				return
			}
			s.change(o, "MG18", "dnsmasq caches NXDOMAIN of cluster names too; --no-negcache prevents it")
			s.t.negcache = false
			return
		}
		s.change(o, "MG18", "dnsmasq caches cluster names for their TTL")
	case "serve_stale":
		seconds := 3600
		if d := first(o.Args); d != "" {
			seconds = durationSeconds(d, seconds)
		}
		s.t.options = append(s.t.options, "--use-stale-cache="+strconv.Itoa(seconds))
		s.same(o, "--use-stale-cache="+strconv.Itoa(seconds))
	case "prefetch", "keepttl", "servfail":
		s.drop(o, "dnsmasq has no equivalent")
	default:
		s.refuse(o, codeUnknown, "this option of cache is unknown")
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
