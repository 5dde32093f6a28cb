package main

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kube-dns/kube-dns/internal/cli"
)

const about = `The sidecar of a kube-dns pod. It sends DNS servers a query every few seconds
and serves the outcome at /healthcheck/<label>, as JSON: status 200 while the
server answers or reports that it waits for its data, 503 when it fails. It polls
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

// newFlags returns the flags of the sidecar with their defaults, and the set that parses them.
func newFlags() (*flags, *pflag.FlagSet) {
	fs := pflag.NewFlagSet("sidecar", pflag.ContinueOnError)
	fs.SortFlags = false
	f := &flags{
		dnsmasqAddr: "127.0.0.1", dnsmasqPort: 53, pollMillis: 5000, prometheusAddr: "0.0.0.0", prometheusPort: 10054,
		prometheusPath: "/metrics", prometheusNamespace: "kubedns", lameduck: 28 * time.Second,
	}
	fs.Var(&f.probes, "probe", "what to probe, as `label,server,name[,interval[,type]]`; give the flag once for each "+
		"probe")
	fs.BoolVar(&f.once, "once", false,
		"run each probe once, print the results, and exit: with 0 when all got an answer")

	fs.Var(cli.Parsed(&f.dnsmasqAddr, "string", cli.ParseHost), "dnsmasq-addr",
		"`host` of the dnsmasq whose counters are exported")
	fs.Var(cli.Parsed(&f.dnsmasqPort, "int", cli.ParsePort), "dnsmasq-port", "`port` of that dnsmasq; 0: there is none")
	fs.Var(cli.Parsed(&f.pollMillis, "int", parsePositive), "dnsmasq-poll-interval-ms",
		"pause between two polls of dnsmasq, in `milliseconds`")

	fs.Var(cli.Parsed(&f.prometheusAddr, "string", cli.ParseHost), "prometheus-addr",
		"`address` to serve HTTP on: metrics, /healthcheck/<label> and /healthz")
	fs.Var(cli.Parsed(&f.prometheusPort, "int", cli.ParsePort), "prometheus-port", "`port` to serve HTTP on")
	fs.Var(cli.Parsed(&f.prometheusPath, "string", parsePath), "prometheus-path", "HTTP `path` of the metrics")
	fs.Var(cli.Parsed(&f.prometheusNamespace, "string", parseNamespace), "prometheus-namespace",
		"`prefix` of the names of the metrics")

	fs.Var(cli.Duration(&f.lameduck), "lameduck",
		"`time` to keep running after SIGTERM; a second SIGTERM, or SIGINT, stops at once")
	f.version = cli.AddVersionFlag(fs)
	cli.AddGNUFlags(fs)
	return f, fs
}

func parsePositive(text string) (int, error) {
	n, err := strconv.ParseInt(text, 0, 32)
	if err != nil || n < 1 {
		return 0, errors.New("must be a whole number, 1 or more")
	}
	return int(n), nil
}

// parsePath refuses paths at which the metrics would be unreachable.
func parsePath(path string) (string, error) {
	switch {
	case !strings.HasPrefix(path, "/"):
		return "", errors.New("must begin with /")
	case strings.ContainsAny(path, "?# \t"):
		return "", errors.New("must be only a path, such as /metrics, without ?, # and blanks")
	case path == "/healthz", strings.HasPrefix(path, "/healthcheck/"):
		return "", errors.New("the sidecar serves another page there")
	}
	return path, nil
}

// namespacePattern matches the prefix of a metric name, or an empty string.
var namespacePattern = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)?$`)

func parseNamespace(text string) (string, error) {
	if !namespacePattern.MatchString(text) {
		return "", errors.New("only letters, digits and _ may be used, and no digit first")
	}
	return text, nil
}
