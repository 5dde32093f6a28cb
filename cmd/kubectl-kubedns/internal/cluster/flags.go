package cluster

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// DefaultNamespace is the namespace of kube-dns.
const DefaultNamespace = "kube-system"

// DefaultSelector selects the pods of kube-dns, and those of CoreDNS in kubeadm's clusters.
const DefaultSelector = "k8s-app=kube-dns"

// Flags select a cluster and namespace, like kubectl's flags of the same names.
type Flags struct {
	kubeconfig string
	overrides  clientcmd.ConfigOverrides
	selector   string
}

// Bind registers the flags.
func (f *Flags) Bind(fs *pflag.FlagSet) {
	fs.StringVar(&f.kubeconfig, "kubeconfig", "",
		"`file` with the connection to the cluster (default $KUBECONFIG, ~/.kube/config)")
	names := clientcmd.RecommendedConfigOverrideFlags("")
	names.ContextOverrideFlags.Namespace.ShortName = "n"
	names.ContextOverrideFlags.Namespace.Default = DefaultNamespace
	names.ContextOverrideFlags.Namespace.Description = "The namespace that kube-dns runs in"
	names.ClusterOverrideFlags.APIServer.ShortName = "s"
	clientcmd.BindOverrideFlags(&f.overrides, fs, names)
	fs.StringVarP(&f.selector, "selector", "l", DefaultSelector, "`label` selector of the DNS pods")
	for _, rare := range rareFlags {
		if flag := fs.Lookup(rare); flag != nil {
			flag.Hidden = true
		}
	}
}

// rareFlags work as in kubectl, and are hidden from help.
var rareFlags = []string{
	"as", "as-group", "as-uid", "certificate-authority", "client-certificate", "client-key", "cluster",
	"disable-compression", "insecure-skip-tls-verify", "password", "proxy-url", "request-timeout", "server",
	"tls-server-name", "token", "user", "username",
}

// Namespace returns the namespace of kube-dns.
func (f *Flags) Namespace() string { return f.overrides.Context.Namespace }

// Connect returns a client of the cluster. It sends no request yet. warnings receives the warnings
// of the API server.
func (f *Flags) Connect(warnings io.Writer) (*Client, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	where := f.kubeconfig
	if where == "" {
		where = strings.Join(rules.GetLoadingPrecedence(), ", ")
	}
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &f.overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("the connection to the cluster (%s): %w", where, plain(err))
	}
	cfg.UserAgent = rest.DefaultKubernetesUserAgent() + " kubectl-kubedns"
	cfg.QPS, cfg.Burst = 50, 100
	cfg.WarningHandler = rest.NewWarningWriter(warnings, rest.WarningWriterOptions{Deduplicate: true})
	c, err := newClient(cfg, f.overrides.Context.Namespace, f.selector)
	if err != nil {
		return nil, fmt.Errorf("the connection to the cluster (%s): server %q: %w", where, cfg.Host, err)
	}
	return c, nil
}

// plain returns an error of clientcmd in one line.
func plain(err error) error {
	if clientcmd.IsEmptyConfig(err) {
		return errors.New("no such file, or it is empty: set --kubeconfig or KUBECONFIG")
	}
	text := strings.Join(strings.Fields(err.Error()), " ")
	if rest, ok := strings.CutPrefix(text, "error loading config file "); ok {
		file, _, _ := strings.Cut(rest, ": ")
		return fmt.Errorf("%s is not a kubeconfig: compare `kubectl config view`", file)
	}
	return errors.New(text)
}

// unreachable returns the cause of a request that did not reach the API server, or nil.
func unreachable(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return nil
}
