package clients

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

const (
	pod     = "127.0.0.1:53"    // dnsmasq under its nanny
	kubeDNS = "127.0.0.1:10053" // kube-dns itself
	outside = "127.0.0.1:5301"  // the name server of the world
	webAddr = "10.96.0.20"
)

// A name is looked up by every client, as a pod of namespace default writes it.
type name struct {
	asked string
	// full is the name for clients without a search list.
	full  string
	addrs []string // sorted; empty: the name does not exist
	// large marks a reply that does not fit into a UDP message.
	large bool
}

var names = []name{
	{asked: "web", full: "web.default.svc.cluster.local", addrs: []string{webAddr}},
	{asked: "dual", full: "dual.default.svc.cluster.local", addrs: []string{"10.96.0.30", "fd00:10:96::30"}},
	{asked: "db.data", full: "db.data.svc.cluster.local", addrs: []string{"10.244.1.10", "10.244.2.10", "10.244.3.10"}},
	{asked: "db-1.db.data", full: "db-1.db.data.svc.cluster.local", addrs: []string{"10.244.2.10"}},
	{asked: "many.data", full: "many.data.svc.cluster.local", addrs: numbered("10.245.0.%d", 60), large: true},
	{asked: "small", full: "small.default.svc.cluster.local", addrs: []string{"2001:db8::80", "203.0.113.80"}},
	{
		asked: "big", full: "big.default.svc.cluster.local", large: true,
		addrs: sorted(append(numbered("198.51.100.%d", 60), "2001:db8::1")),
	},
	{asked: "small.outside.example", full: "small.outside.example", addrs: []string{"2001:db8::80", "203.0.113.80"}},
	{asked: "absent", full: "absent.default.svc.cluster.local"},
}

func numbered(format string, n int) []string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(format, i+1))
	}
	return sorted(list)
}

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

// A world is the pod and the name server of the names outside.
type world struct {
	dir      string
	outsider string // log of the outside name server
}

// startWorld runs the three containers as in the manifest, and waits until cluster names and
// outside names are answered on port 53.
func startWorld(t *testing.T) *world {
	t.Helper()
	w := &world{dir: os.Getenv(insideVariable), outsider: filepath.Join(t.TempDir(), "outside.log")}
	write(t, filepath.Join(w.dir, "config", "upstreamNameservers"), `["`+outside+`"]`)
	write(t, filepath.Join(w.dir, "manifests", "objects.yaml"), objects())
	var hosts strings.Builder
	for _, addr := range names[6].addrs {
		fmt.Fprintf(&hosts, "%s big.outside.example\n", addr)
	}
	hosts.WriteString("203.0.113.80 small.outside.example\n2001:db8::80 small.outside.example\n")
	write(t, filepath.Join(w.dir, "outside.hosts"), hosts.String())

	run(t, "dnsmasq", "-k", "-C", "/dev/null", "--no-hosts", "--no-resolv", "--pid-file=", "--user=root", "--port=5301",
		"--listen-address=127.0.0.1", "--bind-interfaces", "--addn-hosts="+filepath.Join(w.dir, "outside.hosts"),
		"--local=/#/", "--log-queries", "--log-facility="+w.outsider)
	run(t, filepath.Join(w.dir, "bin", "kube-dns"), "--manifests="+filepath.Join(w.dir, "manifests"), "--dns-port=10053",
		"--config-dir="+filepath.Join(w.dir, "config"), "--v=2")
	run(t, filepath.Join(w.dir, "bin", "dnsmasq-nanny"), "-v=2", "-configDir="+filepath.Join(w.dir, "config"),
		"-restartDnsmasq=true", "--", "-k", "--cache-size=1000", "--no-negcache", "--dns-loop-detect", "--log-facility=-",
		"--server=/cluster.local/127.0.0.1#10053", "--server=/in-addr.arpa/127.0.0.1#10053",
		"--server=/ip6.arpa/127.0.0.1#10053", "--user=root", "--no-hosts", "--pid-file=")
	waitAnswer(t, pod, "web.default.svc.cluster.local")
	waitAnswer(t, pod, "small.outside.example")
	return w
}

// objects are the Services for names.
func objects() string {
	var b strings.Builder
	b.WriteString(`{apiVersion: v1, kind: Service, metadata: {name: kubernetes, namespace: default},
 spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443, protocol: TCP}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default},
 spec: {clusterIP: ` + webAddr + `, ports: [{name: http, port: 80, protocol: TCP}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: dual, namespace: default},
 spec: {clusterIP: 10.96.0.30, clusterIPs: [10.96.0.30, "fd00:10:96::30"],
  ipFamilies: [IPv4, IPv6], ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: small, namespace: default},
 spec: {type: ExternalName, externalName: small.outside.example}}
---
{apiVersion: v1, kind: Service, metadata: {name: big, namespace: default},
 spec: {type: ExternalName, externalName: big.outside.example}}
`)
	headless(&b, "db", []string{"10.244.1.10", "10.244.2.10", "10.244.3.10"})
	headless(&b, "many", numbered("10.245.0.%d", 60))
	return b.String()
}

// headless adds a headless Service of namespace data and its endpoints.
func headless(b *strings.Builder, service string, addrs []string) {
	fmt.Fprintf(b, `---
{apiVersion: v1, kind: Service, metadata: {name: %[1]s, namespace: data},
 spec: {clusterIP: None, ports: [{name: psql, port: 5432, protocol: TCP}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-1, namespace: data, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{name: psql, port: 5432, protocol: TCP}]
endpoints:
`, service)
	for i, addr := range addrs {
		fmt.Fprintf(b, "- {addresses: [%s], hostname: %s-%d, conditions: {ready: true}}\n", addr, service, i)
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// run runs a program for the duration of the test and returns its process ID. If the test fails,
// its output is shown.
func run(t *testing.T, program string, args ...string) int {
	t.Helper()
	return runCommand(t, command(t, program, args...))
}

func command(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := lookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(path, args...)
}

// runCommand is run for a command.
func runCommand(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	log, err := os.CreateTemp(os.Getenv(insideVariable), filepath.Base(cmd.Path)+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", cmd.Path, err)
	}
	var wait sync.WaitGroup
	ended := make(chan struct{}) // closed by the goroutine that waits
	wait.Go(func() {
		_ = cmd.Wait() // killed below
		close(ended)
	})
	t.Cleanup(func() {
		select {
		case <-ended:
			t.Errorf("%s ended before the test: %v", cmd.Path, cmd.ProcessState)
		default:
		}
		// Our programs stop at once at SIGINT, the rest at SIGTERM.
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			_ = cmd.Process.Kill()
		}
		wait.Wait()
		if b, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("%s:\n%s", cmd.Path, b[max(0, len(b)-6000):])
		}
	})
	return cmd.Process.Pid
}

// eventually calls check until it returns nil. The limit only stops a test that cannot succeed.
func eventually(t *testing.T, check func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still wrong: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func waitAnswer(t *testing.T, server, name string) {
	t.Helper()
	eventually(t, func() error {
		reply, err := dnstest.TryExchange(t.Context(), server, dnstest.Query(name, dns.TypeA), false)
		if err == nil && len(reply.Answer) == 0 {
			err = fmt.Errorf("%s: no addresses of %s: %s", server, name, dns.RcodeToString[reply.Rcode])
		}
		return err
	})
}

// wantNoLeak checks that no name of the cluster reached the outside name
// server.
func (w *world) wantNoLeak(t *testing.T) {
	t.Helper()
	b, err := os.ReadFile(w.outsider)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "small.outside.example") {
		t.Errorf("the outside server's log has no outside name: it cannot show a leak either")
	}
	var leaked []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "query[") && strings.Contains(line, "cluster.local ") {
			leaked = append(leaked, strings.TrimSpace(line))
		}
	}
	if len(leaked) > 0 {
		t.Errorf("names of the cluster reached the outside server: %d, such as %s", len(leaked), leaked[0])
	}
}
