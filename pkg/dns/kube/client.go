package kube

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/features"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/flowcontrol"

	"github.com/kube-dns/kube-dns/pkg/dns/kube/listwatch"
)

// A DNS server makes few calls: some lists at startup, and an occasional watch later. The limit
// covers unforeseen cases.
const (
	callsPerSecond = 50
	callsAtOnce    = 100
)

// ClientOptions select the API server and the credentials. The zero value is the cluster of the
// process and its pod's service account.
type ClientOptions struct {
	// Kubeconfig is the path of a kubeconfig file (--kubecfg-file).
	Kubeconfig string
	// MasterURL is the URL of the API server (--kube-master-url). It overrides
	// the one in Kubeconfig.
	MasterURL string
	// Version is the version of kube-dns, for the user agent.
	Version string
	// Log receives the API server's deprecation warnings, each text once. Nil discards them.
	Log *slog.Logger
}

// A Client talks to one API server. It is safe for concurrent use.
//
// All requests share one HTTP/2 connection. client-go pings it after 30 s without traffic, and
// drops it after 15 s without a reply (HTTP2_READ_IDLE_TIMEOUT_SECONDS and
// HTTP2_PING_TIMEOUT_SECONDS change this).
type Client struct {
	api  rest.Interface
	http *http.Client
}

// CloseIdleConnections closes the idle connections.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// NewClient reads the credentials but does not contact the server. Its errors are permanent.
func NewClient(opts ClientOptions) (*Client, error) {
	if err := quietGates(); err != nil {
		return nil, err
	}
	cfg, err := restConfig(opts)
	if err != nil {
		return nil, err
	}
	cfg.UserAgent = fmt.Sprintf("kube-dns/%s (%s/%s)", opts.Version, runtime.GOOS, runtime.GOARCH)
	to, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("API client for %s: %w", cfg.Host, err)
	}
	return newClient(cfg, to, opts.Log)
}

// gates are client-go's features, all at their defaults.
type gates map[features.Feature]bool

// Enabled implements features.Gates.
func (g gates) Enabled(f features.Feature) bool { return g[f] }

// Add implements features.Registry.
func (g gates) Add(specs map[features.Feature]features.FeatureSpec) error {
	for f, spec := range specs {
		g[f] = spec.Default
	}
	return nil
}

// quietGates replaces client-go's own gates, which log a line about each feature at the usual
// verbosity.
func quietGates() error {
	g := gates{}
	if err := features.AddFeaturesToExistingFeatureGates(g); err != nil {
		return fmt.Errorf("features of client-go: %w", err)
	}
	features.ReplaceFeatureGates(g)
	return nil
}

func restConfig(opts ClientOptions) (*rest.Config, error) {
	if opts.Kubeconfig == "" && opts.MasterURL == "" {
		cfg, err := rest.InClusterConfig()
		if errors.Is(err, rest.ErrNotInCluster) {
			return nil, errors.New("not in a cluster (KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set): " +
				"name the API server with --kubecfg-file=FILE or --kube-master-url=URL")
		}
		if err != nil {
			return nil, fmt.Errorf("credentials of the pod's service account: %w", err)
		}
		return cfg, nil
	}
	if opts.Kubeconfig != "" {
		if _, err := os.ReadFile(opts.Kubeconfig); err != nil {
			return nil, fmt.Errorf("--kubecfg-file=%s: %w: name a kubeconfig file that can be read, "+
				"or leave the flag out in a pod", opts.Kubeconfig, err)
		}
	}
	cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		&clientcmd.ClientConfigLoadingRules{ExplicitPath: opts.Kubeconfig},
		&clientcmd.ConfigOverrides{ClusterInfo: clientcmdapi.Cluster{Server: opts.MasterURL}},
	).ClientConfig()
	switch {
	case err == nil:
		return cfg, nil
	case opts.Kubeconfig != "":
		return nil, fmt.Errorf("--kubecfg-file=%s: %w", opts.Kubeconfig, err)
	default:
		return nil, fmt.Errorf("--kube-master-url=%s: %w", opts.MasterURL, err)
	}
}

// newClient returns the REST client of cfg over HTTP. client-go's clientset would link and register
// all of Kubernetes.
func newClient(cfg *rest.Config, over *http.Client, log *slog.Logger) (*Client, error) {
	scheme := kruntime.NewScheme() // for the types that client-go decodes: errors
	metav1.AddToGroupVersion(scheme, corev1.SchemeGroupVersion)
	cfg = rest.CopyConfig(cfg)
	cfg.ContentType = listwatch.Protobuf
	// Protobuf uses a quarter of the CPU time of JSON. A server, or a proxy, that cannot send it
	// replies in JSON.
	cfg.AcceptContentTypes = listwatch.Protobuf + ",application/json"
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	cfg.RateLimiter = flowcontrol.NewTokenBucketRateLimiter(callsPerSecond, callsAtOnce)
	cfg.WarningHandler = newWarnings(log)

	cfg.GroupVersion, cfg.APIPath = &corev1.SchemeGroupVersion, "/api" // each resource sets its own path
	api, err := rest.RESTClientForConfigAndClient(cfg, over)
	if err != nil {
		return nil, fmt.Errorf("API client for %s: %w", cfg.Host, err)
	}
	return &Client{api: api, http: over}, nil
}

// newWarnings logs each warning of the API server once. Servers repeat them with every request.
func newWarnings(log *slog.Logger) rest.WarningHandler {
	if log == nil {
		return rest.NoWarnings{}
	}
	lines := slog.NewLogLogger(log.With("from", "API server").Handler(), slog.LevelInfo).Writer()
	return rest.NewWarningWriter(lines, rest.WarningWriterOptions{Deduplicate: true})
}
