package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
)

// series are the metrics in dashboards of the original.
var series = []string{
	"coredns_dns_requests_total{", "coredns_dns_responses_total{", "coredns_dns_request_duration_seconds_bucket{",
	"coredns_dns_request_size_bytes_bucket{", "coredns_dns_response_size_bytes_bucket{", "coredns_cache_entries{",
	"coredns_cache_requests_total{", "coredns_cache_hits_total{", "coredns_cache_misses_total{",
	"coredns_proxy_request_duration_seconds_bucket{", "coredns_forward_max_concurrent_rejects_total ",
	"coredns_forward_requests_total{", "coredns_forward_responses_total{",
	"coredns_forward_request_duration_seconds_bucket{",
	"coredns_panics_total ", "coredns_plugin_enabled{", "coredns_build_info{", "coredns_reload_version_info{",
	`coredns_nodecache_setup_errors_total{errortype="iptables"} 0`,
	`coredns_nodecache_setup_errors_total{errortype="iptables_lock"} 0`,
	`coredns_nodecache_setup_errors_total{errortype="interface_add"} 0`,
	`coredns_nodecache_setup_errors_total{errortype="interface_check"} 0`,
	`coredns_nodecache_setup_errors_total{errortype="configmap"} `, // kubespray has no template
}

// TestNodeInstallers runs the DaemonSets of the Kubernetes documentation and of kubespray with
// their arguments, variables and Corefiles: only the image differs.
func TestNodeInstallers(t *testing.T) {
	installers := map[string]struct {
		corefile string // in corefile/testdata
		args     func(dir string) []string
		env      []string
		at       []netip.Addr
		health   string
		lines    []string
	}{
		"kubernetes": {
			corefile: "standard.base",
			args: func(dir string) []string {
				return []string{
					"-localip", "169.254.20.10,10.96.0.10", "-conf", filepath.Join(dir, "Corefile"), "-upstreamsvc",
					"kube-dns-upstream",
					"-pidfile", filepath.Join(dir, "node-cache.pid"), "-basecorefile",
					filepath.Join(dir, "Corefile.base"),
				}
			},
			env:    []string{"KUBE_DNS_UPSTREAM_SERVICE_HOST=" + world.KubeDNS.String()},
			at:     []netip.Addr{world.LinkLocal, world.ClusterIP},
			health: "http://169.254.20.10:8080/health",
			lines: []string{
				"waiting for coredns pidfile", "Updated Corefile with 0 custom stubdomains and upstream servers",
				"Using config file:",
			},
		},
		"kubespray": {
			corefile: "kubespray.base",
			args: func(dir string) []string {
				return []string{"-localip", "169.254.25.10", "-conf", filepath.Join(dir, "Corefile"), "-upstreamsvc",
					"coredns"}
			},
			env:    []string{"COREDNS_SERVICE_HOST=" + world.KubeDNS.String(), "MY_HOST_IP=10.0.1.1"},
			at:     []netip.Addr{netip.MustParseAddr("169.254.25.10")},
			health: "http://10.0.1.1:9254/health",
		},
	}
	for name, tt := range installers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			world.Proxies["iptables-nft"](t, w.Node)
			text, err := os.ReadFile(filepath.Join("corefile/testdata", tt.corefile))
			if err != nil {
				t.Fatal(err)
			}
			mounted := strings.ReplaceAll(string(text), "10.96.0.3", world.KubeDNS.String())
			dir := t.TempDir()
			n := newNodeCache(t, w.Node, dir, mounted)
			n.cmd.Args = append([]string{"node-cache"}, tt.args(dir)...)
			n.cmd.Env = append(os.Environ(), tt.env...)
			if name == "kubespray" { // its Corefile is mounted as the loaded Corefile
				if err := os.Rename(filepath.Join(dir, "Corefile.base"), filepath.Join(dir, "Corefile")); err != nil {
					t.Fatal(err)
				}
			}
			n.start(t)
			for _, at := range tt.at {
				for range 2 { // the second reply is from the cache
					eventually(t, func() string { return askCluster(w.Pod, at) })
				}
			}
			for _, port := range []string{"9253", "9353"} {
				eventually(t, func() string {
					metrics := n.get("http://10.0.1.1:" + port + "/metrics")
					for _, want := range series {
						if !strings.Contains(metrics, "\n"+want) {
							return fmt.Sprintf("port %s lacks %s", port, want)
						}
					}
					return ""
				})
			}
			eventually(t, func() string {
				if got := n.get(tt.health); got != "OK" {
					return fmt.Sprintf("%s: got %q, want OK", tt.health, got)
				}
				return ""
			})
			n.end(t)
			for _, line := range append(tt.lines, "Starting node-cache image:",
				"Using Corefile "+filepath.Join(dir, "Corefile"),
				"SIGTERM: Shutting down servers then terminating", "Tearing down",
				"Exiting iptables/interface check goroutine") {
				if !strings.Contains(n.log.String(), line) {
					t.Errorf("the log lacks %q", line)
				}
			}
			if after, _ := os.ReadFile(filepath.Join(dir, "Corefile")); name == "kubespray" &&
				string(after) != mounted {
				t.Errorf("the Corefile that was mounted is now\n%s", after)
			}
		})
	}
}

// askCluster queries a cluster name, and returns an error about the reply, or "".
func askCluster(from world.Namespace, at netip.Addr) string {
	var conn net.Conn
	var err error
	from.Do(func() { conn, err = net.Dial("udp", netip.AddrPortFrom(at, 53).String()) })
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	client := dns.Client{Timeout: 5 * time.Second}
	reply, _, err := client.ExchangeWithConn(new(dns.Msg).SetQuestion("a.cluster.local.", dns.TypeTXT),
		&dns.Conn{Conn: conn})
	if err != nil || len(reply.Answer) != 1 {
		return fmt.Sprintf("%s: %v %v", at, reply, err)
	}
	return ""
}
