package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq"
)

const about = `Runs dnsmasq for a kube-dns pod and keeps it running. The stub domains and
upstream nameservers in the configuration directory become dnsmasq's servers;
when they change, dnsmasq reads them again without losing a query.

Usage:
  dnsmasq-nanny [flags] -- [dnsmasq's arguments]

Everything after the first -- goes to dnsmasq. A flag has one dash or two, and
a boolean flag needs = before its value: -restartDnsmasq=true.

The configuration directory has one file for each key of the ConfigMap kube-dns:
  stubDomains           {"acme.example": ["192.0.2.1", "192.0.2.2:5353"]}
  upstreamNameservers   ["192.0.2.3", "[2001:db8::3]:53"]

Signals: SIGTERM makes /readiness return 503 at once and ends dnsmasq after the
time of -lameduck; SIGINT or a second SIGTERM ends it at once.

Exit codes: 0 after a stop, 2 for a bad flag, 255 when dnsmasq cannot run.

Examples:
  The usual pod:
    dnsmasq-nanny -v=2 -configDir=/etc/k8s/dns/dnsmasq-nanny -restartDnsmasq=true -- \
      -k --cache-size=1000 --no-negcache --dns-loop-detect --log-facility=- \
      --server=/cluster.local/127.0.0.1#10053 \
      --server=/in-addr.arpa/127.0.0.1#10053 --server=/ip6.arpa/127.0.0.1#10053
  On a workstation, with metrics at http://127.0.0.1:8080/metrics:
    dnsmasq-nanny -v=1 -configDir=./config -restartDnsmasq=true -lameduck=0s \
      -httpAddr=127.0.0.1:8080 -- -k --port=5353 --log-facility=- --pid-file=`

// flags are the values of the command line. dnsmasq.Options without a flag are empty.
type flags struct {
	dnsmasq.Options
	configDir    string
	syncInterval time.Duration
	httpAddr     string // host:port; empty: none
	lameduck     time.Duration
	version      bool
}

// newFlags returns the flags with their defaults, and the set that parses them.
func newFlags() (*flags, *flag.FlagSet) {
	f := &flags{syncInterval: 10 * time.Second, lameduck: 25 * time.Second}
	f.KubeDNS = "127.0.0.1:10053"
	fs := flag.NewFlagSet("dnsmasq-nanny", flag.ContinueOnError)
	fs.StringVar(&f.Exec, "dnsmasqExec", "/usr/sbin/dnsmasq", "`path` of dnsmasq")
	fs.BoolVar(&f.Restart, "restartDnsmasq", false, "apply changes of the configuration to the running dnsmasq, with a "+
		"reload or, where a reload cannot work, a restart. false: changes are only logged")
	fs.StringVar(&f.configDir, "configDir", "/etc/k8s/dns/dnsmasq-nanny", "`directory` with the configuration, one file "+
		"for each key")
	fs.Var(cli.Duration(&f.syncInterval), "syncInterval",
		"`time` between two reads of the configuration; 0: read it once")
	fs.Var(cli.Parsed(&f.KubeDNS, "string", parseServer), "kubednsServer",
		"`address:port` of kube-dns, which resolves stub servers that are given by a name in the cluster")
	fs.Var(cli.Duration(&f.LogInterval), "logInterval",
		"`time` between two requests to dnsmasq to log its statistics; 0: never")
	fs.StringVar(&f.StateDir, "stateDir", "", "`directory` for the last valid configuration, and for the file with "+
		"dnsmasq's servers where /dev/shm cannot be used for it. dnsmasq's user must then be able to enter it (default a "+
		"directory below the system's temporary directory)")
	fs.Var(cli.Parsed(&f.httpAddr, "string", parseListener), "httpAddr",
		"`address:port` to serve /readiness, /healthz and /metrics on, for example :8080 (default none)")
	fs.Var(cli.Duration(&f.lameduck), "lameduck",
		"`time` that dnsmasq keeps answering after SIGTERM")
	fs.BoolVar(&f.version, "version", false, "print the version and exit")
	cli.AddGoFlags(fs)
	return f, fs
}

// split splits args at the first "--".
func split(args []string) (own, dnsmasq []string) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], args[i+1:]
	}
	return args, nil
}

// parseListener parses host:port. Empty parts are chosen by the system.
func parseListener(text string) (string, error) { return parseHostPort(text, 0) }

// parseServer parses host:port of a server, or a host with the port 53.
func parseServer(text string) (string, error) {
	if _, _, err := net.SplitHostPort(text); err != nil && text != "" {
		text = net.JoinHostPort(strings.Trim(text, "[]"), "53")
	}
	return parseHostPort(text, 1)
}

// parseHostPort parses host:port, with a minimum port. A lowest above 0 requires a host.
func parseHostPort(text string, lowest int) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return "", errors.New("want an address and a port, such as 127.0.0.1:10053 or [::1]:10053")
	}
	if host == "" && lowest > 0 {
		return "", errors.New("the host is missing: want an address and a port, such as 127.0.0.1:10053 or [::1]:10053")
	}
	if n, err := strconv.Atoi(port); err != nil || n < lowest || n > 65535 {
		return "", fmt.Errorf("the port %q is not a number from %d to 65535", port, lowest)
	}
	if err := cli.CheckHost(host); err != nil {
		return "", fmt.Errorf("host %q: want an IP address, such as in 127.0.0.1:10053 or [::1]:10053, "+
			"or the name of a host", host)
	}
	return text, nil
}
