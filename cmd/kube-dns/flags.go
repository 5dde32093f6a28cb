package main

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kube-dns/kube-dns/internal/cgroup"
	"github.com/kube-dns/kube-dns/internal/cli"
	"github.com/kube-dns/kube-dns/pkg/config"
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

// options are the parsed command line and environment. It has more than 20 fields: one per flag.
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
	direct             bool
	cacheSize          int
	autopath           bool
	fastPath           bool
	queryLog           queryLogFlags

	search    []string            // search domains of the node, with trailing dot
	upstreams []config.Nameserver // of nameservers, if they are used
	version   *cli.VersionFlag
	flags     *pflag.FlagSet
}

func newFlags() (*pflag.FlagSet, *options) {
	fs := pflag.NewFlagSet("kube-dns", pflag.ContinueOnError)
	o := &options{
		flags: fs, domain: "cluster.local.", healthzPort: 8081, port: 53,
		bindAddress: "0.0.0.0", configMapNamespace: "kube-system", configPeriod: 10 * time.Second,
		syncTimeout: time.Minute, snapshotMaxAge: 24 * time.Hour, lameduck: 28 * time.Second,
	}
	o.addSourceFlags(fs)
	o.addConfigFlags(fs)
	fs.Var(cli.Parsed(&o.domain, "domain", parseDomain), "domain",
		"cluster domain, as the name of a `zone`; the trailing dot is optional")
	fs.Var(cli.Parsed(&o.bindAddress, "string", cli.ParseHost), "dns-bind-address",
		"`address` to answer queries on, over UDP and TCP; 0.0.0.0 means all addresses, IPv6 included")
	fs.Var(cli.Parsed(&o.port, "int", cli.ParsePort), "dns-port", "`port` to answer queries on")
	fs.Var(cli.Parsed(&o.healthzPort, "int", cli.ParsePort), "healthz-port",
		"`port` of the status page, /readiness, /healthz and /cache")
	fs.Var(cli.Parsed(&o.httpBindAddress, "string", cli.ParseHost), "http-bind-address",
		"`address` of the HTTP ports for status and metrics. Empty: all addresses, "+
			"which kubelet's probes and Prometheus need")
	fs.BoolVar(&o.profiling, "profiling", false, "serve profiles on http://localhost:6060/debug/pprof/")
	fs.Var(cli.Duration(&o.lameduck), "lameduck",
		"`time` to keep answering after SIGTERM while clients move to other replicas; less than the pod's grace period")
	o.addForwardFlags(fs)
	fs.BoolVar(&o.fastPath, "fast-path", true,
		"answer common queries without building a message; false is only for debugging")
	o.queryLog.add(fs)
	cli.AddGNUFlags(fs)
	o.version = cli.AddVersionFlag(fs)
	return fs, o
}

// addSourceFlags registers the flags that choose the source of objects.
func (o *options) addSourceFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.kubeconfig, "kubecfg-file", "", "kubeconfig `file`; default: the pod's service account")
	fs.Var(cli.Parsed(&o.masterURL, "url", parseURL), "kube-master-url",
		"`URL` of the API server, in place of the one in the kubeconfig; $VARIABLES are expanded")
	fs.Var(cli.Duration(&o.syncTimeout), "initial-sync-timeout",
		"`time` after which a warning is logged if the first list of Services and endpoints "+
			"is not complete; kube-dns keeps trying")
	fs.StringVar(&o.manifests, "manifests", "",
		"`directory` of Kubernetes manifests (YAML or JSON) to read the objects from, in place of an API server")
	fs.StringVar(&o.snapshot, "snapshot", "",
		"`file` to save the objects in, so that kube-dns can answer after a restart without "+
			"an API server. The last valid configuration is saved in FILE.config. Empty: none")
	fs.Var(cli.Duration(&o.snapshotMaxAge), "snapshot-max-age", "`age` from which a --snapshot is ignored")
}

// addConfigFlags registers the flags that choose the source of the configuration.
func (o *options) addConfigFlags(fs *pflag.FlagSet) {
	fs.StringVar(&o.nameservers, "nameservers", "",
		"upstreams, as `ip[:port],...`, if neither --config-dir nor --config-map is given. "+
			"Empty: the nameservers of /etc/resolv.conf")
	fs.Var(cli.Parsed(&o.configMap, "string", parseObjectName), "config-map",
		"`name` of a ConfigMap to watch through the API; excludes --config-dir")
	fs.Var(cli.Parsed(&o.configMapNamespace, "string", parseObjectName), "config-map-namespace",
		"`namespace` of the --config-map")
	fs.StringVar(&o.configDir, "config-dir", "",
		"`directory` with one file for each key of the configuration, such as a mounted ConfigMap")
	fs.Var(cli.Duration(&o.configPeriod), "config-period",
		"`time` between two reads of --config-dir; 0: read it once")
	fs.Var(cli.Parsed(&o.federations, "federations", config.ParseFederations), "federations",
		"federations as `name=domain,...`")
	_ = fs.MarkHidden("federations")
}

// addForwardFlags registers the flags for queries outside the cluster domain.
func (o *options) addForwardFlags(fs *pflag.FlagSet) {
	fs.Var(cli.Parsed(&o.forward, "ip:port", parseForward), "forward",
		"`ip[:port]` of the only upstream for queries outside the cluster domain, "+
			"single-label names and *.bind included. With it kube-dns can listen on port 53, in front of dnsmasq")
	fs.BoolVar(&o.direct, "direct", false,
		"forward queries outside the cluster domain to the stub domains and upstreams of the configuration, "+
			"single-label names included. With it kube-dns can listen on port 53 without dnsmasq")
	fs.BoolVar(&o.autopath, "autopath", false,
		"reply to the first name of a pod's search list with the first name of the rest of the list that exists. "+
			"The node's search domains come from /etc/resolv.conf. docs/autopath.md lists where it must stay off")
	fs.Var(cli.Parsed(&o.cacheSize, "size", parseSize), "cache-size",
		"`bytes` of memory for replies of upstreams, such as 8Mi. 0: no cache")
}

func parseFlags(args []string, stdout io.Writer) (*options, error) {
	fs, o := newFlags()
	if err := cli.ParseGNU(fs, args, about, stdout); err != nil {
		return nil, err
	}
	return o, nil
}

// check returns an error if flags contradict each other, and parses --nameservers.
func (o *options) check() error {
	switch {
	case o.configMap != "" && o.configDir != "":
		return fmt.Errorf("--config-map=%s and --config-dir=%s exclude each other: give one of them",
			o.configMap, o.configDir)
	case o.manifests != "" && (o.kubeconfig != "" || o.masterURL != ""):
		return fmt.Errorf("--manifests=%s excludes --kubecfg-file and --kube-master-url: "+
			"the objects come from the directory or from an API server", o.manifests)
	case o.manifests != "" && o.snapshot != "":
		return fmt.Errorf("--snapshot=%s is for objects of an API server, and --manifests=%s are on disk already: "+
			"leave one of them out", o.snapshot, o.manifests)
	case o.manifests != "" && o.configMap != "":
		return fmt.Errorf("--config-map=%s needs an API server, and --manifests=%s means that there is none: "+
			"use --config-dir", o.configMap, o.manifests)
	}
	if err := o.checkForwarding(); err != nil {
		return err
	}
	// Compat: with another source of configuration the flag is not even parsed.
	if o.configMap == "" && o.configDir == "" {
		var err error
		if o.upstreams, err = config.ParseNameserverList(o.nameservers); err != nil {
			return fmt.Errorf("--nameservers=%s: %w", o.nameservers, err)
		}
	}
	return nil
}

// checkForwarding returns an error if the flags for queries outside the cluster domain
// contradict each other or the container's memory limit.
func (o *options) checkForwarding() error {
	if o.direct && o.forward.IsValid() {
		return fmt.Errorf("--direct and --forward=%s exclude each other: "+
			"queries go to the servers of the configuration, or to one server", o.forward)
	}
	if o.autopath {
		if err := o.readSearch(resolvConf); err != nil {
			return fmt.Errorf("--autopath=true needs the search domains of the node: %w", err)
		}
	}
	return o.checkCache(cgroup.MemoryLimit(cgroup.Root))
}

// readSearch reads the search domains of the node from a resolv.conf(5).
func (o *options) readSearch(path string) error {
	domains, err := config.ReadSearchDomains(path)
	if err != nil {
		return err
	}
	o.search = nil
	for _, domain := range domains {
		if strings.HasSuffix("."+domain+".", "."+o.domain) {
			return fmt.Errorf("%s has the search domain %s of the cluster, so it is not that of the node: "+
				"give the pod dnsPolicy: Default", path, domain)
		}
		o.search = append(o.search, domain+".")
	}
	return nil
}

// checkCache returns an error if the cache does not fit the memory limit in a file.
func (o *options) checkCache(limit int64, file string, limited bool) error {
	if most := limit / cacheShare; limited && int64(o.cacheSize) > most {
		return fmt.Errorf("--cache-size=%s does not fit the memory limit of %d bytes in %s: give at most %d, "+
			"or raise the limit", o.flags.Lookup("cache-size").Value, limit, file, most)
	}
	return nil
}

// cacheShare limits the cache to 1/cacheShare of the memory limit.
const cacheShare = 4

// warn logs flags without effect. Compat: add-on manifests set them along with a source of
// configuration, and kube-dns has always started.
func (o *options) warn(log *slog.Logger) {
	from := ""
	switch {
	case o.configMap != "":
		from = "--config-map=" + o.configMap
	case o.configDir != "":
		from = "--config-dir=" + o.configDir
	}
	for _, name := range []string{"federations", "nameservers"} {
		if f := o.flags.Lookup(name); f.Changed && from != "" {
			log.Warn("ignoring a flag: the configuration has another source",
				"flag", "--"+name, "value", f.Value.String(), "source", from)
		}
	}
	if o.flags.Changed("federations") && from == "" {
		log.Warn("--federations is deprecated: cluster federation is")
	}
}

// httpAddr is the address of an HTTP port.
func (o *options) httpAddr(port int) string {
	return net.JoinHostPort(o.httpBindAddress, strconv.Itoa(port))
}
