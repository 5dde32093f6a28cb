package agent_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kube-dns/kube-dns/cmd/node-cache/agent"
	"github.com/kube-dns/kube-dns/cmd/node-cache/hostnet"
	"github.com/kube-dns/kube-dns/cmd/node-cache/options"
	"github.com/kube-dns/kube-dns/internal/dnstest"
)

// A node is an agent under test with its files and upstreams.
type node struct {
	t          *testing.T
	dir        string
	addr       netip.AddrPort
	kubeDNS    *dnstest.Server // every A record is 192.0.2.1
	other      *dnstest.Server // every A record is 192.0.2.2
	log        *buffer
	registry   *prometheus.Registry
	stop       context.CancelFunc
	done       chan error
	parts      agent.Parts
	opts       options.Options
	stopped    bool
	lastResult error
}

// buffer is a log that can be read during writes.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func answering(t *testing.T, ip string) *dnstest.Server {
	t.Helper()
	return dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = dnstest.Records(t, q.Question[0].Name+" 30 A "+ip)
		}
		_ = w.WriteMsg(m)
	}))
}

const base = `cluster.local {
    errors
    cache 30
    reload
    bind __PILLAR__LOCAL__DNS__
    forward . KUBEDNS {
        force_tcp
    }
    prometheus __PROMETHEUS__ENDPOINT__
}
. {
    errors
    cache 30
    bind __PILLAR__LOCAL__DNS__
    forward . __PILLAR__UPSTREAM__SERVERS__
}
`

func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{
		t: t, dir: t.TempDir(), addr: dnstest.FreeAddr(t), log: &buffer{}, registry: prometheus.NewRegistry(),
		kubeDNS: answering(t, "192.0.2.1"), other: answering(t, "192.0.2.2"), done: make(chan error, 1),
	}
	t.Setenv("KUBE_DNS_SERVICE_HOST", "127.0.0.1")
	n.write("base", strings.ReplaceAll(base, "KUBEDNS", n.kubeDNS.Addr()))
	n.write("map/upstreamNameservers", fmt.Sprintf("[%q]", n.other.Addr()))
	n.opts = options.Options{
		Net: options.Net{LocalIPs: []netip.Addr{n.addr.Addr()}, SyncInterval: time.Minute},
		Listen: options.Listen{DNSPort: n.addr.Port(), HealthPort: dnstest.FreeAddr(t).Port(),
			Prometheus: "127.0.0.1:0"},
		Config: options.Config{
			Base: n.path("base"), Corefile: n.path("Corefile"), KubeDNSDir: n.path("map"),
			UpstreamServices: []string{"kube-dns"},
		},
		Quiet: true,
	}
	n.parts = agent.Parts{
		Log: slog.New(slog.NewTextHandler(n.log, nil)), Version: "v1", Metrics: agent.NewMetrics(n.registry),
		Network:  hostnet.New(hostnet.Config{Rules: options.RulesNone}),
		Gatherer: n.registry, Period: 20 * time.Millisecond,
	}
	return n
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }

// write replaces a file atomically, like the kubelet.
func (n *node) write(name, text string) {
	n.t.Helper()
	path := n.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		n.t.Fatal(err)
	}
	hidden := filepath.Join(filepath.Dir(path), "."+filepath.Base(path))
	if err := os.WriteFile(hidden, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Rename(hidden, path); err != nil {
		n.t.Fatal(err)
	}
}

// start runs the agent for the duration of the test.
func (n *node) start() {
	n.t.Helper()
	ctx, stop := context.WithCancel(n.t.Context())
	n.stop = stop
	go func() { n.done <- agent.Run(ctx, n.opts, n.parts) }()
	n.t.Cleanup(func() {
		if err := n.end(); err != nil {
			n.t.Errorf("Run: %v", err)
		}
		if n.t.Failed() {
			n.t.Log(n.log.String())
		}
	})
}

// end stops the agent and returns its error.
func (n *node) end() error {
	if !n.stopped {
		n.stopped = true
		n.stop()
		n.lastResult = <-n.done
	}
	return n.lastResult
}

// ask returns the first record of the reply, or its rcode and error.
func (n *node) ask(name string) string {
	query := dnstest.Query(name, dns.TypeA)
	query.SetEdns0(1232, false)
	ctx, cancel := context.WithTimeout(n.t.Context(), 10*time.Second)
	defer cancel()
	reply, err := dnstest.TryExchange(ctx, n.addr.String(), query, false)
	switch {
	case err != nil:
		return err.Error()
	case len(reply.Answer) == 0:
		return dnstest.MessageText(reply)
	}
	return reply.Answer[0].(*dns.A).A.String()
}

// until waits for a reply.
func (n *node) until(name, want string) {
	n.t.Helper()
	n.eventually(func() string {
		if got := n.ask(name); !strings.Contains(got, want) {
			return fmt.Sprintf("%s: got %s, want %s", name, got, want)
		}
		return ""
	})
}

func (n *node) eventually(f func() string) {
	n.t.Helper()
	last := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if last = f(); last == "" {
			return
		}
	}
	n.t.Fatal(last)
}

// logs waits for a line.
func (n *node) logs(text string) {
	n.t.Helper()
	n.eventually(func() string {
		if !strings.Contains(n.log.String(), text) {
			return "the log lacks " + text
		}
		return ""
	})
}

// count returns the value of a series.
func (n *node) count(name, label string) float64 {
	n.t.Helper()
	families, err := n.registry.Gather()
	if err != nil {
		n.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return -1
}

func (n *node) configErrors() float64 {
	return n.count("coredns_nodecache_setup_errors_total", "configmap")
}

// Invalid input while the agent runs: the running configuration remains, one line has the reason,
// it is counted, and the correction is used.
func TestInvalidInputLater(t *testing.T) {
	tests := map[string]struct{ file, text, line string }{
		"JSON":            {"map/stubDomains", `{"a.example"`, "Invalid config:"},
		"tls server":      {"map/upstreamNameservers", `["tls://192.0.2.1"]`, "Invalid config:"},
		"unknown plugin":  {"base", ". {\n acl\n}\n", "Corefile refused"},
		"wrong argument":  {"base", ". {\n cache 30 {\n  success many\n }\n}\n", "Corefile refused"},
		"open brace":      {"base", ". {\n errors\n", "Corefile refused"},
		"address of none": {"base", ". {\n bind 203.0.113.1\n}\n", "Corefile refused"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.write("map/stubDomains", fmt.Sprintf(`{"good.example": [%q]}`, n.kubeDNS.Addr()))
			n.start()
			n.until("a.good.example.", "192.0.2.1")
			n.write(tt.file, tt.text)
			n.logs(tt.line)
			for name, want := range map[string]string{
				"a.good.example.": "192.0.2.1", "b.good.example.": "192.0.2.1", "a.example.": "192.0.2.2",
				"a.cluster.local.": "192.0.2.1",
			} {
				if got := n.ask(name); got != want {
					t.Errorf("%s: got %s, want %s", name, got, want)
				}
			}
			if got := n.configErrors(); got != 1 {
				t.Errorf("%v errors are counted, want 1", got)
			}
			if got := strings.Count(n.log.String(), tt.line); got != 1 {
				t.Errorf("%d lines, want 1", got)
			}
			n.write("base", strings.ReplaceAll(base, "KUBEDNS", n.kubeDNS.Addr()))
			n.write("map/upstreamNameservers", fmt.Sprintf("[%q]", n.other.Addr()))
			n.write("map/stubDomains", fmt.Sprintf(`{"better.example": [%q]}`, n.kubeDNS.Addr()))
			n.until("a.better.example.", "192.0.2.1")
		})
	}
}

// The same at startup.
func TestInvalidInputAtStart(t *testing.T) {
	tests := map[string]struct {
		file, text, line string
		cluster          string // the reply for a cluster name until the correction
	}{
		"JSON":             {"map/stubDomains", `{"a.example"`, "Invalid config:", "192.0.2.1"},
		"unknown plugin":   {"base", ". {\n acl\n}\n", "Corefile refused at the start", "SERVFAIL"},
		"blank base":       {"base", "", "cannot read the Corefile", "SERVFAIL"},
		"zone of the base": {"map/stubDomains", `{"cluster.local": ["192.0.2.1"]}`, "left out", "192.0.2.1"},
		"no servers":       {"map/stubDomains", `{"none.example": []}`, "left out", "192.0.2.1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.write(tt.file, tt.text)
			n.start()
			n.until("a.cluster.local.", tt.cluster)
			n.logs(tt.line)
			n.write("base", strings.ReplaceAll(base, "KUBEDNS", n.kubeDNS.Addr()))
			n.write("map/stubDomains", fmt.Sprintf(`{"better.example": [%q]}`, n.kubeDNS.Addr()))
			n.until("a.better.example.", "192.0.2.1")
			if got := strings.Count(n.log.String(), tt.line); got != 1 {
				t.Errorf("%d lines with %q, want 1", got, tt.line)
			}
		})
	}
}

// Stub servers given by name are looked up at the cluster upstream. A server without an address
// refuses nothing.
func TestStubServerWithoutAddress(t *testing.T) {
	n := newNode(t)
	n.write("map/stubDomains", fmt.Sprintf(`{"named.example": ["ns.example"], "good.example": [%q]}`, n.kubeDNS.Addr()))
	n.start()
	n.until("a.good.example.", "192.0.2.1")
	n.until("a.named.example.", "the stub servers have no address: ns.example")
}

// A Corefile written by another program is loaded and not overwritten. Its imported files are
// watched.
func TestForeignCorefile(t *testing.T) {
	n := newNode(t)
	if err := os.Remove(n.path("base")); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("import parts/*\n. {\n bind 127.0.0.1\n forward . %s\n}\n", n.other.Addr())
	n.write("Corefile", text)
	part := "part.example {\n bind 127.0.0.1\n hosts {\n  %s a.part.example\n }\n}\n"
	n.write("parts/one", fmt.Sprintf(part, "192.0.2.3"))
	n.start()
	n.until("a.part.example.", "192.0.2.3")
	n.write("parts/one", fmt.Sprintf(part, "192.0.2.4"))
	n.until("a.part.example.", "192.0.2.4")
	if got, _ := os.ReadFile(n.path("Corefile")); string(got) != text {
		t.Errorf("the Corefile was written: %s", got)
	}
}

// A port in use stops the agent.
func TestTakenPort(t *testing.T) {
	n := newNode(t)
	dnstest.NewServerAt(t, n.addr, dns.HandlerFunc(func(dns.ResponseWriter, *dns.Msg) {}))
	if err := agent.Run(t.Context(), n.opts, n.parts); !strings.Contains(fmt.Sprint(err), "address already in use") {
		t.Errorf("Run: %v", err)
	}
}

// The pidfile exists while DNS is served.
func TestPIDFile(t *testing.T) {
	n := newNode(t)
	n.opts.PIDFile = n.path("pid")
	n.start()
	n.eventually(func() string {
		if text, _ := os.ReadFile(n.opts.PIDFile); string(text) != fmt.Sprintln(os.Getpid()) {
			return "pidfile: " + string(text)
		}
		return ""
	})
	if err := n.end(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(n.opts.PIDFile); !os.IsNotExist(err) {
		t.Errorf("after the end: %v", err)
	}
}

// After a refused Corefile, health and metrics of the old Corefile are still served.
func TestListenersAfterRefusal(t *testing.T) {
	n := newNode(t)
	health, metrics := dnstest.FreeAddr(t), dnstest.FreeAddr(t)
	reload := "reload\n    health " + health.String() + "\n"
	n.opts.Listen.Prometheus = metrics.String()
	n.write("base", strings.NewReplacer("KUBEDNS", n.kubeDNS.Addr(), "reload\n", reload).Replace(base))
	n.start()
	n.until("a.cluster.local.", "192.0.2.1")
	for i, bad := range []string{". {\n acl\n}\n", ". {\n bind 203.0.113.1\n}\n"} {
		n.write("base", bad)
		n.eventually(func() string {
			if got := n.configErrors(); got < float64(i+1) {
				return fmt.Sprintf("%v errors", got)
			}
			return ""
		})
		for _, url := range []string{health.String() + "/health", metrics.String() + "/metrics"} {
			n.eventually(func() string { return get(t, "http://"+url) })
		}
	}
}

// get returns an error about the reply to a request, or "".
func get(t *testing.T, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return url + ": " + resp.Status
	}
	return ""
}
