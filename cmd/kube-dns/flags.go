package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/skydns"
)

const about = `kube-dns answers DNS queries for the Services, endpoints and pods of a Kubernetes
cluster, and forwards all others.

Usage:
  kube-dns [flags]

In a pod, as the cluster add-on runs it:
  kube-dns --domain=cluster.local. --dns-port=10053 --config-dir=/kube-dns-config --v=2

Outside a cluster, with the credentials of kubectl:
  kube-dns --kubecfg-file=$HOME/.kube/config --dns-bind-address=127.0.0.1 --dns-port=10053

Without a cluster, from a directory of manifests:
  kube-dns --manifests=examples/cluster --dns-bind-address=127.0.0.1 --dns-port=10053 \
    --http-bind-address=127.0.0.1
  dig -p 10053 @127.0.0.1 shop.default.svc.cluster.local

Metrics are served when the environment names a port: PROMETHEUS_PORT, with
PROMETHEUS_PATH (/metrics), PROMETHEUS_NAMESPACE and PROMETHEUS_SUBSYSTEM (skydns).`

// options are the command line and the environment, parsed.
type options struct {
	domain             string
	nameservers        string
	kubeconfig         string
	masterURL          string
	healthzPort        int
	httpBindAddress    string
	bindAddress        string
	port               int
	configMap          string
	configMapNamespace string
	configDir          string
	configPeriod       time.Duration
	federations        map[string]string
	syncTimeout        time.Duration
	profiling          bool
	manifests          string
	snapshot           string
	snapshotMaxAge     time.Duration
	lameduck           time.Duration
	forward            netip.AddrPort
	fastPath           bool

	upstreams []config.Nameserver // of nameservers, when they count
	version   *cli.VersionFlag
	flags     *pflag.FlagSet
}

func newFlags() (*pflag.FlagSet, *options) {
	fs := pflag.NewFlagSet("kube-dns", pflag.ContinueOnError)
	o := &options{
		flags: fs, domain: "cluster.local.", healthzPort: 8081, port: 53,
		lameduck: 28 * time.Second, snapshotMaxAge: 24 * time.Hour,
	}
	fs.Var(parsed(&o.domain, parseDomain, "domain"), "domain", "`zone` of the cluster; a trailing dot is optional")
	fs.StringVar(&o.nameservers, "nameservers", "", "other name servers, as `ip[:port],...`; used when neither --config-dir nor --config-map is given. Empty: those of /etc/resolv.conf")
	fs.StringVar(&o.kubeconfig, "kubecfg-file", "", "kubeconfig `file`; default: the pod's service account")
	fs.Var(parsed(&o.masterURL, parseURL, "url"), "kube-master-url", "`URL` of the API server, instead of the kubeconfig's; $VARIABLES are expanded")
	fs.Var(parsed(&o.healthzPort, parsePort, "int"), "healthz-port", "`port` of /readiness, /healthz and /cache")
	fs.StringVar(&o.httpBindAddress, "http-bind-address", "", "`address` of the HTTP ports, status and metrics. Empty: all addresses, which the kubelet's probes and Prometheus need")
	fs.StringVar(&o.bindAddress, "dns-bind-address", "0.0.0.0", "`address` to answer at, over UDP and TCP; 0.0.0.0 means all, IPv6 included")
	fs.Var(parsed(&o.port, parsePort, "int"), "dns-port", "`port` to answer at")
	fs.StringVar(&o.configMap, "config-map", "", "`name` of a ConfigMap to follow through the API; excludes --config-dir")
	fs.StringVar(&o.configMapNamespace, "config-map-namespace", "kube-system", "`namespace` of the --config-map")
	fs.StringVar(&o.configDir, "config-dir", "", "`directory` with a file for each key of the configuration, such as a mounted ConfigMap")
	fs.DurationVar(&o.configPeriod, "config-period", 10*time.Second, "`time` between two looks at --config-dir; 0: read it once")
	fs.Var(parsed(&o.federations, parseFederations, "federations"), "federations", "federations as `name=domain,...`")
	_ = fs.MarkHidden("federations")
	fs.DurationVar(&o.syncTimeout, "initial-sync-timeout", time.Minute, "`time` after which a missing first list of Services and endpoints is warned about; kube-dns goes on trying")
	fs.BoolVar(&o.profiling, "profiling", false, "serve profiles on http://localhost:6060/debug/pprof/")
	fs.StringVar(&o.manifests, "manifests", "", "`directory` of Kubernetes manifests (YAML or JSON) to take the objects from, instead of an API server")
	fs.StringVar(&o.snapshot, "snapshot", "", "`file` to keep the objects in, so that a restart without API server answers from it; beside it, as FILE.config, the last valid configuration. Empty: none")
	fs.Var(parsed(&o.snapshotMaxAge, parseDuration, "duration"), "snapshot-max-age", "`age` beyond which a --snapshot is not used")
	fs.Var(parsed(&o.lameduck, parseDuration, "duration"), "lameduck", "`time` to go on answering after SIGTERM, while clients are led elsewhere; less than the pod's grace period")
	fs.Var(parsed(&o.forward, parseForward, "ip:port"), "forward", "`ip[:port]` of the one server for everything that is not the cluster's, one-label names and *.bind included; with it kube-dns can stand on port 53, in front of dnsmasq")
	fs.BoolVar(&o.fastPath, "fast-path", true, "answer common questions without building a message; false only helps to find faults")
	cli.AddGNUFlags(fs)
	o.version = cli.AddVersionFlag(fs)
	return fs, o
}

func parseFlags(args []string, stdout, stderr io.Writer) (*options, error) {
	fs, o := newFlags()
	if err := cli.ParseGNU(fs, args, about, stdout, stderr); err != nil {
		return nil, err
	}
	return o, nil
}

// check refuses flags that contradict each other.
func (o *options) check() error {
	switch {
	case o.configMap != "" && o.configDir != "":
		return fmt.Errorf("--config-map=%s and --config-dir=%s exclude each other: give one of them", o.configMap, o.configDir)
	case o.manifests != "" && (o.kubeconfig != "" || o.masterURL != ""):
		return fmt.Errorf("--manifests=%s excludes --kubecfg-file and --kube-master-url: the objects come from the directory or from an API server", o.manifests)
	case o.manifests != "" && o.snapshot != "":
		return fmt.Errorf("--snapshot=%s is for objects of an API server, and --manifests=%s are on disk already: leave one of them out", o.snapshot, o.manifests)
	case o.manifests != "" && o.configMap != "":
		return fmt.Errorf("--config-map=%s needs an API server, and --manifests=%s means that there is none: use --config-dir", o.configMap, o.manifests)
	}
	// Compat: with another source of configuration the flag is not looked at.
	if o.configMap == "" && o.configDir == "" {
		var err error
		if o.upstreams, err = config.ParseNameserverList(o.nameservers); err != nil {
			return fmt.Errorf("--nameservers=%s: %w", o.nameservers, err)
		}
	}
	return nil
}

// warn logs which flags have no effect. Compat: add-on manifests give them together
// with a source of configuration, and kube-dns has always started.
func (o *options) warn(log *slog.Logger) {
	source := ""
	switch {
	case o.configMap != "":
		source = "--config-map=" + o.configMap
	case o.configDir != "":
		source = "--config-dir=" + o.configDir
	}
	for _, name := range []string{"federations", "nameservers"} {
		if f := o.flags.Lookup(name); f.Changed && source != "" {
			log.Warn("ignoring a flag: the configuration has another source", "flag", "--"+name, "value", f.Value.String(), "source", source)
		}
	}
	if o.flags.Changed("federations") && source == "" {
		log.Warn("--federations is deprecated: cluster federation is")
	}
}

// httpAddr is the address of an HTTP port.
func (o *options) httpAddr(port int) string {
	return net.JoinHostPort(trimBrackets(o.httpBindAddress), strconv.Itoa(port))
}

// A parsedFlag is a flag whose text becomes a value once, when it is read.
type parsedFlag[T any] struct {
	to    *T
	text  string
	parse func(string) (T, error)
	name  string
}

func parsed[T any](to *T, parse func(string) (T, error), name string) pflag.Value {
	p := &parsedFlag[T]{to: to, parse: parse, name: name}
	switch v := any(*to).(type) {
	case string:
		p.text = v
	case int, time.Duration:
		p.text = fmt.Sprint(v)
	}
	return p
}

func (p *parsedFlag[T]) Set(text string) error {
	v, err := p.parse(text)
	if err == nil {
		*p.to, p.text = v, text
	}
	return err
}

func (p *parsedFlag[T]) String() string { return p.text }
func (p *parsedFlag[T]) Type() string   { return p.name }

var domainLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// parseDomain returns the zone with its trailing dot.
func parseDomain(text string) (string, error) {
	name := strings.TrimSuffix(text, ".")
	for label := range strings.SplitSeq(name, ".") {
		if !domainLabel.MatchString(label) {
			return "", fmt.Errorf("the label %q is not a DNS label: lower-case letters, digits and inner dashes, at most 63", label)
		}
	}
	if len(name) > skydns.MaxDomain {
		return "", fmt.Errorf("a zone of %d characters leaves no room for names below it: at most %d", len(name), skydns.MaxDomain)
	}
	return name + ".", nil
}

// parseURL expands variables, and checks what comes out of it.
func parseURL(text string) (string, error) {
	expanded := os.ExpandEnv(text)
	u, err := url.Parse(expanded)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Host == ":" {
		return "", fmt.Errorf("%q needs a scheme and a host, such as https://10.0.0.1:6443", expanded)
	}
	return expanded, nil
}

// parseDuration accepts a duration that is not negative.
func parseDuration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d < 0 {
		err = errors.New("want a duration of 0 or more, such as 28s")
	}
	return d, err
}

func parsePort(text string) (int, error) {
	port, err := strconv.ParseUint(text, 0, 16)
	if err != nil {
		return 0, errors.New("a port is a number from 0 to 65535")
	}
	return int(port), nil
}

func parseFederations(text string) (map[string]string, error) { return config.ParseFederations(text) }

func parseForward(text string) (netip.AddrPort, error) {
	if text == "" {
		return netip.AddrPort{}, nil
	}
	ns, err := config.ParseNameserver(text)
	return ns.AddrPort, err
}

// metricsOptions come from the environment, as they always have.
type metricsOptions struct {
	port                       int // 0: off
	path, namespace, subsystem string
}

func metricsFromEnv(getenv func(string) string) (metricsOptions, error) {
	m := metricsOptions{
		path:      cmp.Or(getenv("PROMETHEUS_PATH"), "/metrics"),
		namespace: cmp.Or(getenv("PROMETHEUS_NAMESPACE"), "skydns"),
		subsystem: cmp.Or(getenv("PROMETHEUS_SUBSYSTEM"), "skydns"),
	}
	text := getenv("PROMETHEUS_PORT")
	if text == "" {
		return m, nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return m, fmt.Errorf("PROMETHEUS_PORT=%s: a port is a number from 1 to 65535", text)
	}
	if !strings.HasPrefix(m.path, "/") {
		m.path = "/" + m.path
	}
	m.port = int(port)
	return m, nil
}
