package options

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/internal/cli"
)

// Flags are the unchecked flags.
type Flags struct {
	Version bool // print the version and exit
	Plugins bool // print the plugins and exit
	// Corefile is a Corefile or a template to check before the exit.
	Corefile string

	options    Options
	localIPs   string
	upstreams  string
	dnsPort    string
	healthPort string
	iptables   bool
	unused     string // -corefile
	set        *flag.FlagSet
}

// serviceName is a Service name that can be part of an environment variable.
var serviceName = regexp.MustCompile(`^[A-Za-z0-9]([-_A-Za-z0-9]*[A-Za-z0-9])?$`)

// NewFlags returns the flags with their defaults, and the set that parses them.
func NewFlags() (*Flags, *flag.FlagSet) {
	f := &Flags{set: flag.NewFlagSet("node-cache", flag.ContinueOnError)}
	f.addNet()
	f.addListen()
	f.addConfig()
	f.addProcess()
	return f, f.set
}

func (f *Flags) addNet() {
	n, fs := &f.options.Net, f.set
	n.SyncInterval, n.Rules = time.Minute, RulesAuto
	fs.StringVar(&f.localIPs, "localip", "", "`addresses` to listen on, separated by commas, of one family or both; "+
		"required: -localip=169.254.20.10,10.96.0.10")
	fs.BoolVar(&n.SetupInterface, "setupinterface", true, "make the link and its addresses; false: neither make nor "+
		"remove them")
	fs.StringVar(&n.Interface, "interfacename", "nodelocaldns", "`name` of the link, at most 15 bytes")
	fs.BoolVar(&f.iptables, "setupiptables", true, "make packet rules; false: the same as -rules=none")
	fs.Var(&n.Rules, "rules", "`way` to make packet rules: auto, nft, iptables or none")
	fs.BoolVar(&n.Tracked, "tracked", false, "keep the queries of pods in connection tracking, for network policies "+
		"that need it")
	fs.Var((*interval)(&n.SyncInterval), "syncinterval", "`time` between two checks of link and rules; "+
		"without a unit, or below 1ms, the number counts seconds")
	fs.BoolVar(&n.SkipTeardown, "skipteardown", false, "keep link and rules at exit")
}

func (f *Flags) addListen() {
	l, fs := &f.options.Listen, f.set
	fs.StringVar(&f.dnsPort, "dns.port", "53", "`port` of zones without one, of stub domains and of the rules")
	fs.StringVar(&f.dnsPort, "p", "53", "`port`, the same as -dns.port")
	fs.StringVar(&f.healthPort, "health-port", "8080", "`port` of health in the rules; the Corefile opens it")
	fs.StringVar(&l.Metrics, "metrics-listen-address", "0.0.0.0:9353",
		"`address:port` for metrics, next to that of the Corefile; 0: none")
	fs.StringVar(&l.Prometheus, "prometheus-listen-address", ":9253", "`address:port` that replaces "+
		"__PROMETHEUS__ENDPOINT__ in the base Corefile")
	fs.StringVar(&l.Health, "health-listen-address", "", "`address:port` for /health and /ready, next to that of the "+
		"Corefile")
}

func (f *Flags) addConfig() {
	c, fs := &f.options.Config, f.set
	fs.StringVar(&c.Base, "basecorefile", "/etc/coredns/Corefile.base", "`file` with the template of the Corefile")
	fs.StringVar(&c.Corefile, "conf", "", "`file` to write the Corefile to and to load (default /etc/Corefile)")
	fs.StringVar(&f.unused, "corefile", "/etc/Corefile", "no effect; the `file` is that of -conf")
	fs.StringVar(&c.KubeDNSDir, "kubednscm", "", "`directory` of the ConfigMap kube-dns (default /etc/kube-dns if it "+
		"exists)")
	fs.StringVar(&f.upstreams, "upstreamsvc", "kube-dns", "`name` of the Service whose address is the cluster "+
		"upstream; for both IP families a Service of each, separated by commas")
	fs.BoolVar(&c.ForceTCP, "forcetcp", false, "keep force_tcp towards the cluster upstream; false: queries "+
		"are sent over UDP, since dnsmasq accepts few TCP clients")
	fs.BoolVar(&c.ReloadWithSignal, "reloadwithsignal", false, "log a line for each change, as the original does; "+
		"changes are always loaded at once")
}

func (f *Flags) addProcess() {
	o, fs := &f.options, f.set
	fs.BoolVar(&o.Handover, "handover", true, "take over from an agent that runs on this node, and let a successor "+
		"take over")
	fs.DurationVar(&o.Lameduck, "lameduck", 0, "`time` between SIGTERM and the end, in which /ready is 503 and "+
		"queries are answered")
	fs.StringVar(&o.PIDFile, "pidfile", "", "`file` for the process ID, written when DNS listens")
	fs.BoolVar(&o.Quiet, "quiet", false, "do not print version and zones")
	fs.BoolVar(&f.Version, "version", false, "print the version and exit")
	fs.StringVar(&f.Corefile, "check", "", "`file` with a Corefile, or a template of one, to check; exit code 1: "+
		"CoreDNS would refuse it")
	fs.BoolVar(&f.Plugins, "plugins", false, "print the plugins and exit")
}

// Check returns the options of parsed flags.
func (f *Flags) Check() (Options, error) {
	o := f.options
	var err error
	if o.Net.LocalIPs, err = parseAddrs(f.localIPs); err != nil {
		return Options{}, err
	}
	if o.Listen.DNSPort, err = parsePort("dns.port", f.dnsPort); err != nil {
		return Options{}, err
	}
	if o.Listen.HealthPort, err = parsePort("health-port", f.healthPort); err != nil {
		return Options{}, err
	}
	if o.Config.UpstreamServices, err = parseServices(f.upstreams); err != nil {
		return Options{}, err
	}
	if err := f.checkRest(); err != nil {
		return Options{}, err
	}
	if !f.iptables {
		o.Net.Rules = RulesNone
	}
	if o.Listen.Metrics == "0" {
		o.Listen.Metrics = ""
	}
	if o.Config.Corefile == "" {
		o.Config.Corefile = "/etc/Corefile"
	}
	return o, nil
}

func (f *Flags) checkRest() error {
	o := &f.options
	switch name := o.Net.Interface; {
	case name == "" || len(name) > 15 || strings.ContainsAny(name, "/: \t") || name == "." || name == "..":
		return fmt.Errorf("-interfacename=%s: want 1 to 15 bytes without blanks, colons and slashes", name)
	case o.Net.SyncInterval <= 0:
		return fmt.Errorf("-syncinterval=%v: want a time above zero, such as 60s", o.Net.SyncInterval)
	case o.Lameduck < 0:
		return fmt.Errorf("-lameduck=%v: %w", o.Lameduck, cli.ErrNegative)
	case f.set.NArg() > 0:
		return fmt.Errorf("extra command line arguments: %q (a boolean flag needs = before its value)",
			f.set.Args())
	}
	return nil
}

// parseAddrs parses the value of -localip.
func parseAddrs(list string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for text := range strings.SplitSeq(list, ",") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return nil, fmt.Errorf("-localip=%s: %q is not an IP address; want addresses separated by commas, without "+
				"blanks, such as 169.254.20.10,10.96.0.10", list, text)
		}
		if addr = addr.Unmap(); !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	return addrs, nil
}

// parseServices parses the value of -upstreamsvc.
func parseServices(list string) ([]string, error) {
	services := strings.Split(list, ",")
	for _, name := range services {
		if !serviceName.MatchString(name) {
			return nil, fmt.Errorf("-upstreamsvc=%s: %q is not the name of a Service; want names separated by commas, "+
				"without blanks, such as kube-dns-upstream", list, name)
		}
	}
	return services, nil
}

func parsePort(name, text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("-%s=%s: want a port from 1 to 65535", name, text)
	}
	return uint16(n), nil
}

// String implements flag.Value.
func (r *Rules) String() string { return string(*r) }

// Set implements flag.Value.
func (r *Rules) Set(text string) error {
	if !slices.Contains([]Rules{RulesAuto, RulesNFT, RulesIPTables, RulesNone}, Rules(text)) {
		return errors.New("want auto, nft, iptables or none")
	}
	*r = Rules(text)
	return nil
}

// An interval is the value of -syncinterval.
//
// Compat: the original multiplies the duration by a second, so its manifests have 60ns for a
// minute.
type interval time.Duration

// String implements flag.Value.
func (i *interval) String() string { return time.Duration(*i).String() }

// Set implements flag.Value.
func (i *interval) Set(text string) error {
	d, err := time.ParseDuration(text)
	if n, atoi := strconv.ParseInt(text, 10, 64); atoi == nil {
		d, err = time.Duration(n), nil
		if n >= int64(time.Millisecond) {
			d, err = 0, errors.New("want less than a million seconds")
		}
	}
	if err != nil {
		return err
	}
	if d > 0 && d < time.Millisecond {
		d *= time.Second
	}
	*i = interval(d)
	return nil
}
