package coredns

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"

	"github.com/coredns/caddy"
	"github.com/coredns/caddy/caddyfile"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/parse"
	"github.com/coredns/coredns/plugin/pkg/transport"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/cmd/node-cache/plugins"
	"github.com/kube-dns/kube-dns/cmd/node-cache/sockets"
)

// directive is added by load to each block of a Corefile. It takes the sockets away from CoreDNS,
// which would close them and their connections on each change.
const directive = "node-cache-sockets"

// An engine is CoreDNS. A process has only one.
type engine struct {
	metrics *metrics
	sockets *sockets.Metrics

	mu      sync.Mutex
	loading *load // nil: none
}

// prepare initializes CoreDNS once per process.
var prepare = sync.OnceValues(func() (*engine, error) {
	caddy.AppName, caddy.AppVersion = "CoreDNS", libraryVersion()
	reg := prometheus.DefaultRegisterer //nolint:forbidigo // the metrics of CoreDNS are there
	plugins.Register(plugins.NewMetrics(reg))
	e := &engine{}
	plugin.Register(directive, e.setup)
	caddy.RegisterParsingCallback("dns", "bind", func(caddy.Context) error {
		if e.loading != nil {
			e.loading.unbind()
		}
		return nil
	})
	// It is first, so that the servers exist before other plugins start.
	if err := dnsserver.SetDirectives(append([]string{directive}, Directives()...)); err != nil {
		return nil, err
	}
	e.metrics, e.sockets = newMetrics(reg), sockets.NewMetrics(reg)
	return e, nil
})

// run calls start with the Corefile that CoreDNS loads for s. On failure, its new sockets are
// closed.
func (e *engine) run(s *Server, text string, start func(caddy.Input) (*caddy.Instance, error)) (*load, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	dnsserver.Port = strconv.Itoa(int(s.opts.Port))
	dnsserver.Quiet, caddy.Quiet = s.opts.Quiet, s.opts.Quiet
	loading := &load{server: s}
	if err := loading.count(text); err != nil {
		return nil, err
	}
	if len(loading.zones) == 0 { // only comments
		text = string(caddy.DefaultInput("dns").Body())
		loading.zones = []int{1}
	}
	text += "\nsockets.node-cache.invalid {\n\t" + directive + "\n}\n"
	e.loading = loading
	defer func() { e.loading = nil }()
	instance, err := start(caddy.CaddyfileInput{Contents: []byte(text), Filepath: s.opts.Path, ServerTypeName: "dns"})
	if err == nil && instance == nil {
		err = errors.New("CoreDNS has panicked")
	}
	if err != nil {
		s.discardNext()
		return nil, err
	}
	s.instance = instance
	s.useNext()
	return loading, nil
}

// setup reads the zones of all blocks.
func (e *engine) setup(c *caddy.Controller) error {
	loading := e.loading
	if loading == nil || c.ServerBlockIndex != len(loading.zones) {
		return fmt.Errorf("the plugin %s is for node-cache itself, or a file that the Corefile imports has changed "+
			"while it was read", directive)
	}
	if err := loading.read(c); err != nil {
		return err
	}
	server := loading.server
	c.OnStartup(loading.open)
	c.OnShutdown(func() error { // other shutdowns stop resources that pending queries need
		server.useNext()
		return nil
	})
	return nil
}

// A load is a Corefile being loaded.
type load struct {
	server *Server
	zones  []int                 // number of zones of each block
	blocks [][]*dnsserver.Config // with a Config for each zone
	hosts  [][]string            // listen addresses of each block

	servers []*dnsserver.Server
}

// count counts the zones of each block, including those of imported files.
func (l *load) count(text string) error {
	blocks, err := caddyfile.Parse(l.server.opts.Path, strings.NewReader(text), caddy.ValidDirectives("dns"))
	if err != nil {
		return err
	}
	for _, b := range blocks {
		zones := 0
		for _, key := range b.Keys {
			_, key = parse.Transport(key)
			hosts, _, err := plugin.SplitHostPort(key)
			if err != nil {
				return err
			}
			zones += max(len(hosts), 1) // a network can be several reverse zones
		}
		l.zones = append(l.zones, zones)
	}
	return nil
}

// read finds the Config of each zone, which CoreDNS keeps by block and zone number.
func (l *load) read(c *caddy.Controller) error {
	at := *c
	l.blocks = [][]*dnsserver.Config{}
	for block, zones := range append(l.zones, 1) {
		var configs []*dnsserver.Config
		for zone := range zones {
			at.ServerBlockIndex, at.ServerBlockKeyIndex = block, zone
			cfg := dnsserver.GetConfig(&at)
			if cfg.Transport == "" {
				return errors.New("a file that the Corefile imports has changed while it was read")
			}
			configs = append(configs, cfg)
		}
		if mixed(configs) {
			return fmt.Errorf("the zone %s has another transport than others of its block: write a block for each",
				configs[0].Zone)
		}
		l.blocks = append(l.blocks, configs)
	}
	return nil
}

// mixed reports whether a block has several transports.
func mixed(configs []*dnsserver.Config) bool {
	for _, cfg := range configs {
		if cfg.Transport != configs[0].Transport {
			return true
		}
	}
	return false
}

// unbind records where each block listens, and stops CoreDNS from listening. Blocks with other
// transports than plain DNS are not changed.
func (l *load) unbind() {
	for _, configs := range l.blocks {
		first := configs[0] // CoreDNS copies its hosts to the other zones
		l.hosts = append(l.hosts, first.ListenHosts)
		if first.Transport == transport.DNS {
			first.ListenHosts = nil
		}
	}
}

// open opens the sockets of a Corefile once its plugins are set up. Other plugins start after it.
func (l *load) open() error {
	groups, addrs, err := l.group()
	if err != nil {
		return err
	}
	for _, addr := range addrs {
		server, err := dnsserver.NewServer(addr, groups[addr])
		if err != nil {
			return err
		}
		l.servers = append(l.servers, server)
	}
	l.server.next, err = l.server.sockets.Prepare(l.servers)
	return err
}

// group returns the zones of each address, and the addresses in Corefile order.
func (l *load) group() (groups map[string][]*dnsserver.Config, addrs []string, err error) {
	groups = make(map[string][]*dnsserver.Config)
	taken := make(map[string][]string) // hosts by zone and port
	for i, configs := range l.blocks[:len(l.zones)] {
		if configs[0].Transport != transport.DNS {
			continue
		}
		for _, cfg := range configs {
			cfg.ListenHosts = l.hosts[i]
			zone := fmt.Sprintf("%s://%s:%s", cfg.Transport, cfg.Zone, cfg.Port)
			for _, host := range cfg.ListenHosts {
				if err := overlaps(zone, host, taken[zone]); err != nil {
					return nil, nil, err
				}
				taken[zone] = append(taken[zone], host)
				at, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, cfg.Port))
				if err != nil {
					return nil, nil, err
				}
				addr := cfg.Transport + "://" + at.String()
				if groups[addr] == nil {
					addrs = append(addrs, addr)
				}
				groups[addr] = append(groups[addr], cfg)
			}
		}
	}
	return groups, addrs, nil
}

// overlaps returns an error if a zone has two blocks for one address. No host means all addresses.
func overlaps(zone, host string, taken []string) error {
	for _, other := range taken {
		switch {
		case host == other:
			return fmt.Errorf("cannot serve %s on %q: another block has this zone and address", zone, host)
		case host == "" || other == "":
			return fmt.Errorf("cannot serve %s on %q: another block has this zone on %q, and one without bind is for "+
				"all addresses", zone, host, other)
		}
	}
	return nil
}
