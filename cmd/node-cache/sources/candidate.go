package sources

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strings"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/cmd/node-cache/corefile"
	"github.com/kube-dns/kube-dns/pkg/config"
)

// usualDir is the default mount of the ConfigMap kube-dns.
const usualDir = "/etc/kube-dns"

func (s *Sources) kubeDNSDir() string {
	if s.opts.Config.KubeDNSDir != "" {
		return s.opts.Config.KubeDNSDir
	}
	return usualDir
}

// optional reports whether err is about a ConfigMap that need not exist.
func (s *Sources) optional(err error) bool {
	return s.opts.Config.KubeDNSDir == "" && errors.Is(err, fs.ErrNotExist)
}

// candidate makes the Corefile from the current files.
func (s *Sources) candidate() Candidate {
	template, err := os.ReadFile(s.opts.Config.Base)
	if s.faults.News("base", err) {
		s.opts.Failed()
		s.opts.Log.Error("Failed to read the base Corefile: the Corefile is loaded as it is", "err", err)
	}
	// An editor can truncate the file before writing it.
	if err == nil && (s.base == "" || strings.TrimSpace(string(template)) != "") {
		s.base = string(template)
	}
	if s.base == "" {
		return s.found()
	}
	plain, values := s.opts.Values, s.opts.Values
	values.Stubs, values.Upstreams = s.stubs(), upstreams(s.kubeDNS)
	bare, _ := corefile.Render(s.base, plain)
	text, warnings := corefile.Render(s.base, values)
	for _, w := range append(corefile.Placeholders(s.base), warnings...) {
		s.warn(w)
	}
	c := Candidate{Made: true, Text: s.adapt(text), Bare: s.adapt(bare), Stubs: len(values.Stubs)}
	c.Servers = corefile.Join(values.Upstreams, " ")
	c.Imports = imports(s.opts.Config.Corefile, c.Text)
	return c
}

// found returns a Corefile written by another program.
func (s *Sources) found() Candidate {
	text, err := os.ReadFile(s.opts.Config.Corefile)
	if s.faults.News("corefile", err) {
		s.opts.Failed()
		s.opts.Log.Error("cannot read the Corefile", "err", err)
	}
	c := Candidate{Text: s.adapt(string(text))}
	c.Bare, c.Imports = c.Text, imports(s.opts.Config.Corefile, c.Text)
	return c
}

// adapt calls corefile.Adapt with the current files.
func (s *Sources) adapt(text string) string {
	facts := corefile.Facts{ClusterUpstream: s.opts.Values.ClusterUpstream, ForceTCP: s.opts.Config.ForceTCP}
	for _, path := range corefile.Files(text) {
		if conf, err := dns.ClientConfigFromFile(path); err == nil && len(conf.Servers) == 0 {
			facts.Empty = append(facts.Empty, path)
		} else if errors.Is(err, fs.ErrNotExist) {
			facts.Empty = append(facts.Empty, path)
		}
	}
	text, warnings := corefile.Adapt(text, facts)
	for _, w := range warnings {
		s.warn(w)
	}
	return text
}

// warn logs a warning once.
func (s *Sources) warn(warning string) {
	if s.faults.News(warning, errors.New(warning)) {
		s.opts.Log.Warn("found a fault in the configuration", "warning", warning)
	}
}

// stubs returns the stub domains with the addresses of their servers.
func (s *Sources) stubs() []corefile.Stub {
	var stubs []corefile.Stub
	for _, d := range s.kubeDNS.StubDomains {
		stub := corefile.Stub{Domain: d.Domain}
		for _, server := range d.Servers {
			switch addrs := s.hosts.addrs(server.Host); {
			case server.Host == "":
				stub.Servers = append(stub.Servers, server.Nameserver.AddrPort)
			case len(addrs) == 0:
				stub.Missing = append(stub.Missing, server.Host)
			default:
				for _, addr := range addrs {
					stub.Servers = append(stub.Servers, netip.AddrPortFrom(addr, config.DefaultPort))
				}
			}
		}
		stubs = append(stubs, stub)
	}
	return stubs
}

func stubHosts(cfg config.Config) []string {
	var names []string
	for _, d := range cfg.StubDomains {
		for _, server := range d.Servers {
			if server.Host != "" {
				names = append(names, server.Host)
			}
		}
	}
	return names
}

func upstreams(cfg config.Config) []netip.AddrPort {
	addrs := make([]netip.AddrPort, len(cfg.Upstreams))
	for i, u := range cfg.Upstreams {
		addrs[i] = u.AddrPort
	}
	return addrs
}
