// Package options parses the command line of node-cache. It is pure: it opens nothing.
package options

import (
	"flag"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Options are the checked command line. They are not modified after Parse.
type Options struct {
	LocalIPs       []netip.Addr
	SetupInterface bool
	InterfaceName  string
	SetupRules     bool
	Rules          Rules
	Tracked        bool
	SyncInterval   time.Duration
	SkipTeardown   bool

	Port                    uint16 // of DNS
	HealthPort              uint16 // for the rules
	MetricsAddr             string
	PrometheusAddr          string // of the placeholder
	HealthAddr              string // "": only the one of the Corefile
	BaseCorefile, Corefile  string
	KubeDNSDir              string // "": /etc/kube-dns if it exists
	UpstreamService         string
	ReloadWithSignal        bool
	Handover                bool
	Lameduck                time.Duration
	PIDFile                 string
	Quiet, Version, Plugins bool
}

// Rules is the way packet rules are made.
type Rules string

// Ways to make packet rules.
const (
	RulesAuto     Rules = "auto"
	RulesNFT      Rules = "nft"
	RulesIPTables Rules = "iptables"
	RulesNone     Rules = "none"
)

// raw are the flags as they are given.
type raw struct {
	o                       Options
	localIPs, port, health  string
	interval, rules, corefl string
}

func newFlags() (*raw, *flag.FlagSet) {
	r := &raw{}
	fs := flag.NewFlagSet("node-cache", flag.ContinueOnError)
	fs.StringVar(&r.localIPs, "localip", "", "`addresses` to listen on, separated by commas. Required")
	fs.BoolVar(&r.o.SetupInterface, "setupinterface", true, "make the link and its addresses")
	fs.StringVar(&r.o.InterfaceName, "interfacename", "nodelocaldns", "`name` of the link")
	fs.BoolVar(&r.o.SetupRules, "setupiptables", true, "make packet rules")
	fs.StringVar(&r.interval, "syncinterval", "60ns", "`duration` between two checks of link and rules")
	fs.StringVar(&r.health, "health-port", "8080", "`port` of health, for the rules")
	fs.StringVar(&r.o.MetricsAddr, "metrics-listen-address", "0.0.0.0:9353", "`address` of metrics")
	fs.StringVar(&r.o.PrometheusAddr, "prometheus-listen-address", ":9253", "`address` for __PROMETHEUS__ENDPOINT__")
	fs.StringVar(&r.o.BaseCorefile, "basecorefile", "/etc/coredns/Corefile.base", "`file` with the template")
	fs.StringVar(&r.corefl, "corefile", "/etc/Corefile", "without effect: use -conf")
	fs.StringVar(&r.o.KubeDNSDir, "kubednscm", "", "`directory` of the ConfigMap kube-dns")
	fs.StringVar(&r.o.UpstreamService, "upstreamsvc", "kube-dns", "`name` of the Service of the cluster upstream")
	fs.BoolVar(&r.o.SkipTeardown, "skipteardown", false, "leave link and rules at exit")
	fs.BoolVar(&r.o.ReloadWithSignal, "reloadwithsignal", false, "reload as soon as the Corefile is written")
	fs.BoolVar(&r.o.Handover, "handover", true, "take over from an agent that runs")
	fs.DurationVar(&r.o.Lameduck, "lameduck", 0, "`duration` between SIGTERM and the end")
	fs.StringVar(&r.rules, "rules", "auto", "auto, nft, iptables or none")
	fs.BoolVar(&r.o.Tracked, "tracked", false, "let conntrack follow queries of pods")
	fs.StringVar(&r.o.HealthAddr, "health-listen-address", "", "`address` of a health listener of its own")
	fs.StringVar(&r.o.Corefile, "conf", "", "`file` to write the Corefile to, and to load (default /etc/Corefile)")
	fs.StringVar(&r.port, "dns.port", "53", "`port` of DNS")
	fs.StringVar(&r.port, "p", "53", "`port` of DNS")
	fs.StringVar(&r.o.PIDFile, "pidfile", "", "`file` for the process ID")
	fs.BoolVar(&r.o.Quiet, "quiet", false, "do not print version and zones")
	fs.BoolVar(&r.o.Version, "version", false, "print the version and exit")
	fs.BoolVar(&r.o.Plugins, "plugins", false, "print the plugins and exit")
	return r, fs
}

// Parse parses and checks args. The usage goes to stderr.
func Parse(args []string, stderr io.Writer) (Options, error) {
	r, fs := newFlags()
	fs.SetOutput(stderr)
	if err := fs.Parse(args); err != nil {
		return Options{}, err
	}
	return r.check()
}

func (r *raw) check() (Options, error) {
	o := r.o
	for text := range strings.SplitSeq(r.localIPs, ",") {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return Options{}, fmt.Errorf("-localip=%s: %q is not an IP address", r.localIPs, text)
		}
		o.LocalIPs = append(o.LocalIPs, addr)
	}
	for _, p := range []struct {
		flag, text string
		to         *uint16
	}{{"dns.port", r.port, &o.Port}, {"health-port", r.health, &o.HealthPort}} {
		n, err := strconv.ParseUint(p.text, 10, 16)
		if err != nil {
			return Options{}, fmt.Errorf("-%s=%s: want a port, such as 53", p.flag, p.text)
		}
		*p.to = uint16(n)
	}
	o.Rules = Rules(r.rules)
	o.SyncInterval = time.Minute
	if o.Corefile == "" {
		o.Corefile = "/etc/Corefile"
	}
	return o, nil
}
