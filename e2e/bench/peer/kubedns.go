package peer

import (
	"os"
	"path/filepath"
	"slices"
)

// kubeDNS is only kube-dns, with the manifest's flags, metrics on.
func kubeDNS(flags ...string) func(*Site) ([]command, error) {
	return func(s *Site) ([]command, error) {
		p, err := ports(3)
		if err != nil {
			return nil, err
		}
		s.at(p[0])
		c, err := kubeDNSCommand(s, p, flags...)
		return []command{c}, err
	}
}

func kubeDNSCommand(s *Site, p []string, flags ...string) (command, error) {
	config := filepath.Join(s.Dir, "config")
	if err := os.MkdirAll(config, 0o755); err != nil {
		return command{}, err
	}
	s.MetricsPort = p[2]
	args := []string{
		s.Bin["kube-dns"], "--domain=cluster.local.", "--dns-bind-address=127.0.0.1", "--dns-port=" + p[0],
		"--healthz-port=" + p[1], "--config-dir=" + config, "--kubecfg-file=" + s.Kubeconfig, "--v=2",
	}
	return command{label: "kube-dns", args: append(args, flags...), env: []string{"PROMETHEUS_PORT=" + p[2]}}, nil
}

// stock are dnsmasq's arguments in the manifest, and one that keeps queries on the machine.
func stock(port, backend string) []string {
	return []string{
		"-k", "--cache-size=1000", "--no-negcache", "--dns-loop-detect", "--log-facility=-",
		"--server=/cluster.local/127.0.0.1#" + backend, "--server=/in-addr.arpa/127.0.0.1#" + backend,
		"--server=/ip6.arpa/127.0.0.1#" + backend,
		"--port=" + port, "--listen-address=127.0.0.1", "--bind-interfaces", "--conf-file=/dev/null", "--pid-file=",
		"--no-resolv", "--dns-forward-max=1500",
	}
}

func nanny(s *Site, backend string, dnsmasq []string) command {
	args := []string{
		s.Bin["dnsmasq-nanny"], "-v=2", "-logtostderr", "-dnsmasqExec=" + s.Bin["dnsmasq"], "-restartDnsmasq=true",
		"-configDir=" + filepath.Join(s.Dir, "config"), "-kubednsServer=127.0.0.1:" + backend,
		"-stateDir=" + filepath.Join(s.Dir, "nanny"), "--",
	}
	return command{label: "dnsmasq", args: append(args, dnsmasq...)}
}

// dropIn is the pod of the base manifest: dnsmasq gets the queries. It omits the arguments in
// without.
func dropIn(without ...string) func(*Site) ([]command, error) {
	return func(s *Site) ([]command, error) {
		p, err := ports(4)
		if err != nil {
			return nil, err
		}
		c, err := kubeDNSCommand(s, p, "--snapshot="+filepath.Join(s.Dir, "snapshot"))
		if err != nil {
			return nil, err
		}
		s.at(p[3])
		args := slices.DeleteFunc(stock(p[3], p[0]), func(arg string) bool { return slices.Contains(without, arg) })
		return []command{c, nanny(s, p[0], args)}, nil
	}
}

// clusterFirst is the other order: kube-dns gets the queries and forwards those for outside
// names to dnsmasq.
func clusterFirst(s *Site) ([]command, error) {
	p, err := ports(4)
	if err != nil {
		return nil, err
	}
	s.at(p[0])
	c, err := kubeDNSCommand(s, p, "--snapshot="+filepath.Join(s.Dir, "snapshot"), "--forward=127.0.0.1:"+p[3])
	if err != nil {
		return nil, err
	}
	return []command{c, nanny(s, p[0], stock(p[3], p[0]))}, nil
}
