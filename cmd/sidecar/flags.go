package main

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kube-dns/kube-dns/internal/cli"
)

const about = `The sidecar of a kube-dns pod. It asks DNS servers a question every few seconds
and serves the outcome at /healthcheck/<label>, as JSON: status 200 while the
server answers or says that it waits for its data, 503 when it fails. It polls
the counters of dnsmasq, and exports all of it as Prometheus metrics.

Usage:
  sidecar [flags]

A probe is
  <label>,[tcp://]<server>,<name>[,<interval in seconds>[,<type>]]
with the port 53, the interval 5 and the type ANY unless given. The types are A,
AAAA, SRV and ANY; kube-dns refuses ANY, so name a type for it.

Examples:
  The two probes of the usual pod:
    sidecar --v=2 \
      --probe=kubedns,127.0.0.1:10053,kubernetes.default.svc.cluster.local,5,SRV \
      --probe=dnsmasq,127.0.0.1:53,kubernetes.default.svc.cluster.local,5,SRV
  One over TCP, every half minute, to be read at /healthcheck/kubedns_tcp:
    sidecar --probe=kubedns_tcp,tcp://[::1]:10053,kubernetes.default.svc.cluster.local,30,SRV
  Does the DNS of a cluster answer? The exit code is 0 if it does:
    sidecar --once --probe=service,10.96.0.10,kubernetes.default.svc.cluster.local,5,A
  dnsmasq at another port and metrics on one address only:
    sidecar --dnsmasq-port=5353 --prometheus-addr=127.0.0.1`

// flags are the values of the command line.
type flags struct {
	dnsmasqAddr string
	dnsmasqPort int
	pollMillis  int

	probes probeFlag
	once   bool

	prometheusAddr      string
	prometheusPort      int
	prometheusPath      string
	prometheusNamespace string

	lameduck time.Duration
	version  *cli.VersionFlag
}

// newFlags returns the flags of the sidecar with their defaults, and the set
// that parses them.
func newFlags() (*flags, *pflag.FlagSet) {
	fs := pflag.NewFlagSet("sidecar", pflag.ContinueOnError)
	fs.SortFlags = false
	f := &flags{}
	fs.Var(&f.probes, "probe", "what to probe, as `label,server,name[,interval[,type]]`; give the flag once for each "+
		"probe")
	fs.BoolVar(
		&f.once,
		"once",
		false,
		"ask each probe once, print what comes out, and exit: with 0 when all have an answer",
	)

	fs.StringVar(&f.dnsmasqAddr, "dnsmasq-addr", "127.0.0.1", "`host` of the dnsmasq whose counters are exported")
	fs.IntVar(&f.dnsmasqPort, "dnsmasq-port", 53, "`port` of that dnsmasq; 0: there is none")
	fs.IntVar(&f.pollMillis, "dnsmasq-poll-interval-ms", 5000, "pause between two polls of dnsmasq, in `milliseconds`")

	fs.StringVar(&f.prometheusAddr, "prometheus-addr", "0.0.0.0", "`address` to serve HTTP on: metrics, "+
		"/healthcheck/<label> and /healthz")
	fs.IntVar(&f.prometheusPort, "prometheus-port", 10054, "`port` to serve HTTP on")
	fs.StringVar(&f.prometheusPath, "prometheus-path", "/metrics", "HTTP `path` of the metrics")
	fs.StringVar(&f.prometheusNamespace, "prometheus-namespace", "kubedns", "`prefix` of the names of the metrics")

	fs.DurationVar(&f.lameduck, "lameduck", 28*time.Second, "`time` from SIGTERM to the stop, in which everything goes "+
		"on; a second SIGTERM, or SIGINT, stops at once")
	f.version = cli.AddVersionFlag(fs)
	cli.AddGNUFlags(fs)

	check(fs, "dnsmasq-addr", func() error { return checkHost(f.dnsmasqAddr) })
	check(fs, "dnsmasq-port", func() error { return between(f.dnsmasqPort, 0, 65535) })
	check(fs, "dnsmasq-poll-interval-ms", func() error { return atLeast(f.pollMillis, 1) })
	check(fs, "prometheus-addr", func() error { return cli.CheckHost(f.prometheusAddr) })
	check(fs, "prometheus-port", func() error { return between(f.prometheusPort, 0, 65535) })
	check(fs, "prometheus-path", func() error { return checkPath(f.prometheusPath) })
	check(fs, "prometheus-namespace", func() error { return checkNamespace(f.prometheusNamespace) })
	return f, fs
}

// pollInterval is the pause between two polls of dnsmasq.
func (f *flags) pollInterval() time.Duration {
	return time.Duration(f.pollMillis) * time.Millisecond
}

// checkedValue is a flag's value that is looked at after it has been set.
type checkedValue struct {
	pflag.Value
	check func() error
}

// check makes a value that ok objects to a flag error.
func check(fs *pflag.FlagSet, name string, ok func() error) {
	f := fs.Lookup(name)
	f.Value = checkedValue{f.Value, ok}
}

// Set sets the value and returns the error of check.
func (v checkedValue) Set(text string) error {
	if err := v.Value.Set(text); err != nil {
		return err
	}
	return v.check()
}

func between(n, low, high int) error {
	if n < low || n > high {
		return fmt.Errorf("must be from %d to %d", low, high)
	}
	return nil
}

func atLeast(n, low int) error {
	if n < low {
		return fmt.Errorf("must be %v or more", low)
	}
	return nil
}

// checkPath refuses paths at which the metrics could not be read.
func checkPath(path string) error {
	switch {
	case !strings.HasPrefix(path, "/"):
		return errors.New("must begin with /")
	case strings.ContainsAny(path, "?# \t"):
		return errors.New("must be a path alone, such as /metrics, without ?, # and blanks")
	case path == "/healthz", strings.HasPrefix(path, "/healthcheck/"):
		return errors.New("the sidecar answers something else there")
	}
	return nil
}

// hostPattern is a host name (RFC 1123 section 2.1).
var hostPattern = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9.-]*[a-zA-Z0-9])?\.?$`)

// checkHost refuses what is neither an address nor a host name.
func checkHost(host string) error {
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err != nil && !hostPattern.MatchString(host) {
		return errors.New("must be an address or a host name without a port, such as 127.0.0.1; --dnsmasq-port has the port")
	}
	return cli.CheckHost(host)
}

// namespacePattern is the beginning of a metric name; it may be absent.
var namespacePattern = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)?$`)

func checkNamespace(namespace string) error {
	if !namespacePattern.MatchString(namespace) {
		return errors.New("only letters, digits and _ may be used, and no digit first")
	}
	return nil
}
