package e2e

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/internal/conformance"
)

// A kubeDNS is a running kube-dns.
type kubeDNS struct {
	*process
	// dns is its address; status and metrics are URLs without a path.
	dns, status, metrics string
	config               *configDir
}

// startKubeDNS runs kube-dns with the arguments of the manifests, on loopback ports, with a
// kubeconfig instead of the pod's token. It does not wait for its data. A nil config means no
// configuration directory. The last value of a flag counts, so more can replace any flag.
func startKubeDNS(t *testing.T, kubeconfig string, config map[string]string, more ...string) *kubeDNS {
	t.Helper()
	dnsPort, statusPort, metricsPort := freePort(t), freePort(t), freePort(t)
	k := &kubeDNS{
		dns:     fmt.Sprintf("127.0.0.1:%d", dnsPort),
		status:  fmt.Sprintf("http://127.0.0.1:%d", statusPort),
		metrics: fmt.Sprintf("http://127.0.0.1:%d", metricsPort),
		config:  newConfigDir(t, config),
	}
	configDir := k.config.dir
	if config == nil {
		configDir = ""
	}
	args := manifestArgs(t, "kubedns",
		"--dns-port=10053", "--dns-port="+strconv.Itoa(dnsPort),
		"--config-dir=/kube-dns-config", "--config-dir="+configDir,
		"=/var/lib/kube-dns", "="+stateDir(t))
	args = append(args, "--dns-bind-address=127.0.0.1", "--healthz-port="+strconv.Itoa(statusPort),
		"--kubecfg-file="+kubeconfig, "--config-period=200ms")
	k.process = start(t, "kube-dns", []string{"PROMETHEUS_PORT=" + strconv.Itoa(metricsPort)}, append(args, more...)...)
	return k
}

// waitReady waits until kube-dns has its data.
func (k *kubeDNS) waitReady(t *testing.T, limit time.Duration) {
	t.Helper()
	eventually(t, limit, func() error {
		if err := k.running(); err != nil {
			return err
		}
		_, err := get(k.status+"/readiness", 200)
		return err
	})
}

// A front is dnsmasq with its nanny, and the sidecar that probes dnsmasq and kube-dns.
type front struct {
	nanny, sidecar *process
	// dns is dnsmasq's address; status is the sidecar's URL without a path.
	dns, status string
}

// startFront runs the containers in front of kube-dns in the pod, with the arguments of the
// manifests, on unprivileged loopback ports.
func startFront(t *testing.T, k *kubeDNS) *front {
	t.Helper()
	port, statusPort := freePort(t), freePort(t)
	f := &front{
		dns:    fmt.Sprintf("127.0.0.1:%d", port),
		status: fmt.Sprintf("http://127.0.0.1:%d", statusPort),
	}
	nanny := manifestArgs(t, "dnsmasq",
		"=/etc/k8s/dns/dnsmasq-nanny", "="+k.config.dir,
		"=/var/lib/dnsmasq-nanny", "="+stateDir(t),
		"-httpAddr=:10056", "-httpAddr=127.0.0.1:"+strconv.Itoa(freePort(t)),
		"/127.0.0.1#10053", "/"+strings.Replace(k.dns, ":", "#", 1))
	end := slices.Index(nanny, "--")
	own, dnsmasq := slices.Clone(nanny[:end]), nanny[end+1:]
	own = append(own, "-syncInterval=200ms", "-kubednsServer="+k.dns, "--")
	// Differences from the pod: an unprivileged port on loopback, and no files of this machine.
	dnsmasq = append(dnsmasq, "--port="+strconv.Itoa(port), "--listen-address=127.0.0.1", "--bind-interfaces",
		"--user="+userName(), "--pid-file=", "--no-hosts")
	f.nanny = start(t, "dnsmasq-nanny", nil, append(own, dnsmasq...)...)
	sidecar := manifestArgs(t, "sidecar", ",127.0.0.1:10053,", ","+k.dns+",", ",127.0.0.1:53,", ","+f.dns+",", ",5,",
		",1,")
	f.sidecar = start(t, "sidecar", nil, append(sidecar,
		"--prometheus-addr=127.0.0.1", "--prometheus-port="+strconv.Itoa(statusPort),
		"--dnsmasq-port="+strconv.Itoa(port), "--dnsmasq-poll-interval-ms=500")...)
	return f
}

// userName prevents dnsmasq from changing to a user that this machine might not have.
func userName() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return ""
}

// stateDir is a directory that every user can enter.
func stateDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(rig.dir, "state-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// A configDir is a directory with one file per key that changes like a ConfigMap volume. The files
// are links into a directory that a link names, and one rename changes all files.
type configDir struct{ dir string }

func newConfigDir(t *testing.T, config map[string]string) *configDir {
	t.Helper()
	c := &configDir{dir: t.TempDir()}
	if err := c.set(config); err != nil {
		t.Fatal(err)
	}
	return c
}

// set makes config the only content of the directory.
func (c *configDir) set(config map[string]string) error {
	return conformance.WriteConfigDir(c.dir, config)
}
