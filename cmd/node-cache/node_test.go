package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
	"github.com/kube-dns/kube-dns/internal/docs"
)

// corefile answers every query as the agent.
const corefile = `. {
    bind __PILLAR__LOCAL__DNS__
    template IN TXT {
        answer "{{ .Name }} 60 IN TXT agent"
    }
}
`

// A nodeCache is the command on the node of a world.
type nodeCache struct {
	cmd *exec.Cmd
	log *lockedBuffer
	in  world.Namespace
	dir string // has Corefile.base and Corefile
}

// lockedBuffer is a log that can be read during writes.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// startNodeCache returns when the agent is ready.
func startNodeCache(t *testing.T, in world.Namespace, flags ...string) nodeCache {
	t.Helper()
	text := corefile
	if slices.Contains(flags, "-setupinterface=false") {
		text = strings.ReplaceAll(text, "__PILLAR__LOCAL__DNS__", "::")
	}
	n := newNodeCache(t, in, t.TempDir(), text, flags...)
	n.start(t)
	n.waitReady(t)
	return n
}

// newNodeCache returns an unstarted command.
func newNodeCache(t *testing.T, in world.Namespace, dir, text string, flags ...string) nodeCache {
	t.Helper()
	base := filepath.Join(dir, "Corefile.base")
	if err := os.WriteFile(base, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	n := nodeCache{cmd: exec.Command(self), log: &lockedBuffer{}, in: in, dir: dir}
	n.cmd.Args = append([]string{
		"node-cache", "-localip=169.254.20.10,10.96.0.10,fd00:20::10,fd00:96::10", "-basecorefile=" + base,
		"-conf=" + filepath.Join(dir, "Corefile"), "-kubednscm=" + dir, "-health-listen-address=127.0.0.1:8081",
	}, flags...)
	n.cmd.Env = append(os.Environ(), "KUBE_DNS_SERVICE_HOST="+world.ClusterIP.String())
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	return n
}

// start runs the command for the duration of the test.
func (n nodeCache) start(t *testing.T) {
	t.Helper()
	var err error
	n.in.Do(func() { err = n.cmd.Start() })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
		if t.Failed() {
			t.Log(n.log)
		}
	})
}

// waitReady returns when the agent is ready.
func (n nodeCache) waitReady(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patience); n.get("http://127.0.0.1:8081/ready") != "ok"; {
		if time.Now().After(deadline) {
			t.Fatal("the agent is not ready")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// get returns the body of a reply with status 200.
func (n nodeCache) get(url string) string {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
			n.in.Do(func() { conn, err = new(net.Dialer).DialContext(ctx, network, addr) })
			return conn, err
		},
	}}
	reply, err := client.Get(url)
	if err != nil || reply.StatusCode != http.StatusOK {
		return ""
	}
	defer reply.Body.Close()
	body, err := io.ReadAll(reply.Body)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(body))
}

// TestNode has a node with each mode of kube-proxy, from the start of the agent to its exit.
func TestNode(t *testing.T) {
	for proxy, install := range world.Proxies {
		t.Run(proxy, func(t *testing.T) {
			t.Parallel()
			startAndStop(t, install)
		})
	}
}

// startAndStop stops the agent under load: afterwards kube-dns answers all queries.
func startAndStop(t *testing.T, install func(*testing.T, world.Namespace)) {
	t.Helper()
	w := world.New(t)
	install(t, w.Node)
	n := startNodeCache(t, w.Node)
	world.WantServer(t, "agent", w.Pod, world.LinkLocal, world.ClusterIP, world.LinkLocal6, world.ClusterIP6)
	world.WantServer(t, "agent", w.Node, world.LinkLocal, world.ClusterIP, world.LinkLocal6, world.ClusterIP6)
	metrics := n.get("http://127.0.0.1:9353/metrics")
	if err := docs.CompareStartValues("node-cache", metrics+"\n"); err != nil {
		t.Error(err)
	}
	for _, labels := range []string{
		`address="169.254.20.10",family="1"`, `address="10.96.0.10",family="1"`,
		`address="fd00:20::10",family="2"`, `address="fd00:96::10",family="2"`,
	} {
		if !strings.Contains(metrics, "nodecache_serving{"+labels+"} 1\n") {
			t.Errorf("the metric nodecache_serving of %s is not 1", labels)
		}
	}

	l := world.StartLoad(t, w.Pod, world.ClusterIP)
	l.WaitFor("agent", 100)
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	l.WaitFor("kube-dns", 100)
	if err := n.cmd.Wait(); err != nil {
		t.Errorf("the agent ended with %v", err)
	}
	ended := l.Abandon()
	l.WaitFor("kube-dns", 100)
	if links := w.Node.Run(t, "ls", "/proc/thread-self/net/dev_snmp6"); strings.Contains(links, "nodelocaldns") {
		t.Error("the link is left")
	}
	world.WantNoneLostSince(t, l.Stop(), ended)
}

// TestNodeInPod has an agent in a pod network, with a proxy that directs queries to it.
func TestNodeInPod(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	n := startNodeCache(t, w.Pod, "-setupinterface=false", "-setupiptables=false")
	if strings.Contains(n.log.String(), "cannot take over") {
		t.Error("the agent warns of another one that is not there")
	}
	world.WantServer(t, "agent", w.Node, netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("fd00:1::2"))
}

// TestNodeKilled kills the agent under load.
func TestNodeKilled(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	world.Proxies["nftables"](t, w.Node)
	n := startNodeCache(t, w.Node)
	l := world.StartLoad(t, w.Pod, world.ClusterIP)
	l.WaitFor("agent", 250)
	if err := n.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = n.cmd.Wait()
	ended := l.Abandon()
	l.WaitFor("kube-dns", 250)
	world.WantNoneLostSince(t, l.Stop(), ended)
}

// TestNodeAlone starts the agent while kube-dns is away. Its own queries do not depend on kube-dns.
func TestNodeAlone(t *testing.T) {
	for _, rules := range []string{"nft", "iptables"} {
		t.Run(rules, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			world.Proxies["iptables-nft"](t, w.Node)
			w.Node.Do(func() {
				link, err := netlink.LinkByName("kubedns")
				if err == nil {
					err = netlink.LinkSetDown(link)
				}
				if err != nil {
					t.Error(err)
				}
			})
			startNodeCache(t, w.Node, "-rules="+rules)
			world.WantServer(t, "agent", w.Pod, world.LinkLocal, world.ClusterIP, world.LinkLocal6, world.ClusterIP6)
		})
	}
}
