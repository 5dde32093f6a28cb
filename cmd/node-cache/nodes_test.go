package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
)

// eventually waits until f returns "" instead of an error.
func eventually(t *testing.T, f func() string) {
	t.Helper()
	last := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if last = f(); last == "" {
			return
		}
	}
	t.Error(last)
}

// eventuallyFrom waits until a server replies over UDP.
func eventuallyFrom(t *testing.T, want string, from world.Namespace, at netip.Addr) {
	t.Helper()
	eventually(t, func() string {
		if got, err := world.Ask(from, "udp", at); got != want {
			return fmt.Sprintf("%s: got a reply of %q (%v), want %q", at, got, err, want)
		}
		return ""
	})
}

// TestNodeBothUpstreams forwards to a Service of each family. Each answers without the other.
func TestNodeBothUpstreams(t *testing.T) {
	for name, families := range map[string][]string{
		"list of Services":    {"-upstreamsvc=up,up6", "UP_SERVICE_HOST=10.0.2.2", "UP6_SERVICE_HOST=fd00:2::2"},
		"list in a variable":  {"-upstreamsvc=up", "UP_SERVICE_HOST=10.0.2.2,fd00:2::2"},
		"IPv6 Service before": {"-upstreamsvc=up6,up", "UP_SERVICE_HOST=10.0.2.2", "UP6_SERVICE_HOST=fd00:2::2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			text := "example. {\n bind __PILLAR__LOCAL__DNS__\n forward . __PILLAR__CLUSTER__DNS__\n}\n"
			n := newNodeCache(t, w.Node, t.TempDir(), text, families[0])
			n.cmd.Env = append(n.cmd.Env, families[1:]...)
			n.start(t)
			n.waitReady(t)
			addrs := []netip.Addr{world.LinkLocal, world.ClusterIP, world.LinkLocal6, world.ClusterIP6}
			world.WantServer(t, "kube-dns", w.Pod, addrs...)
			for _, family := range []struct{ remove, restore string }{
				{"10.0.2.1/24", "10.0.2.1/24"}, {"fd00:2::1/64", ""},
			} {
				changeAddr(t, w.Node, family.remove, netlink.AddrDel)
				for _, at := range addrs {
					eventuallyFrom(t, "kube-dns", w.Pod, at)
				}
				if family.restore != "" {
					changeAddr(t, w.Node, family.restore, netlink.AddrAdd)
				}
			}
		})
	}
}

// changeAddr adds or removes an address of the node on its link to kube-dns.
func changeAddr(t *testing.T, node world.Namespace, text string, change func(netlink.Link, *netlink.Addr) error) {
	t.Helper()
	node.Do(func() {
		link, err := netlink.LinkByName("kubedns")
		if err != nil {
			t.Error(err)
			return
		}
		addr, err := netlink.ParseAddr(text)
		if err == nil {
			err = change(link, addr)
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// TestNodeHangs stops the agent with SIGSTOP: its rules expire, kube-dns answers. After SIGCONT the
// agent serves again.
func TestNodeHangs(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	world.Proxies["nftables"](t, w.Node)
	n := startNodeCache(t, w.Node)
	l := world.StartLoad(t, w.Pod, world.ClusterIP)
	l.WaitFor("agent", 250)
	if err := n.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string { // the kernel has dropped expired elements
		if rules, err := w.Node.Try("", "nft", "list", "ruleset"); err != nil || strings.Contains(rules, "expires") {
			return fmt.Sprintf("the rules are still in place: %v\n%s", err, rules)
		}
		return ""
	})
	ended := l.Abandon()
	l.WaitFor("kube-dns", 500)
	continued := l.Now()
	if err := n.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	l.WaitFor("agent", 500)
	queries := l.Stop()
	t.Logf("lost %d queries before the end of the rules", world.Lost(world.Between(queries, 0, ended)))
	if lost := world.Lost(world.Between(queries, ended, continued)); lost > 0 {
		t.Errorf("lost %d queries after the end of the rules", lost)
	}
}

// TestNodeFullDisk changes the template when the Corefile cannot be written: the change is used,
// and the file is not truncated.
func TestNodeFullDisk(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=16k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	conf := filepath.Join(disk, "Corefile")
	n := startNodeCache(t, w.Node, "-conf="+conf)
	before, err := os.ReadFile(conf)
	if err != nil || len(before) == 0 {
		t.Fatalf("the Corefile: %q %v", before, err)
	}
	if err := os.WriteFile(filepath.Join(disk, "fill"), make([]byte, 1<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk is not full: %v", err)
	}
	n.change(t, "second")
	eventuallyFrom(t, "second", w.Pod, world.LinkLocal)
	if after, _ := os.ReadFile(conf); string(after) != string(before) {
		t.Errorf("the file changed: %q", after)
	}
	eventually(t, func() string {
		if log := n.log.String(); !strings.Contains(log, "cannot write the Corefile, it runs nevertheless") ||
			!strings.Contains(log, "no space left on device") {
			return "the log lacks the full disk"
		}
		return ""
	})
	if err := os.Remove(filepath.Join(disk, "fill")); err != nil {
		t.Fatal(err)
	}
	n.change(t, "third")
	eventuallyFrom(t, "third", w.Pod, world.LinkLocal)
	eventually(t, func() string {
		if after, _ := os.ReadFile(conf); !strings.Contains(string(after), "third") {
			return "the file did not change"
		}
		return ""
	})
}

// change changes the name that the agent answers with.
func (n nodeCache) change(t *testing.T, name string) {
	t.Helper()
	base := filepath.Join(n.dir, "Corefile.base")
	if err := os.WriteFile(base, []byte(strings.ReplaceAll(corefile, "TXT agent", "TXT "+name)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestNodeIPVS has ipvs mode: the ClusterIP is on a link of kube-proxy. The agent has only the
// link-local address, and removes only that.
func TestNodeIPVS(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	w.Node.Do(func() {
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "kube-ipvs0"}}); err != nil {
			t.Error(err)
		}
	})
	world.Up(t, w.Node, "kube-ipvs0", world.ClusterIP.String()+"/32")
	w.Node.Do(func() { // stands for IPVS
		if err := world.Serve(netip.AddrPortFrom(world.ClusterIP, 53), "kube-dns"); err != nil {
			t.Error(err)
		}
	})
	n := startNodeCache(t, w.Node, "-localip=169.254.20.10,fd00:20::10")
	world.WantServer(t, "agent", w.Pod, world.LinkLocal, world.LinkLocal6)
	world.WantServer(t, "kube-dns", w.Pod, world.ClusterIP)
	n.end(t)
	world.WantServer(t, "kube-dns", w.Pod, world.ClusterIP)
	if addrs := w.Node.Run(t, "ip", "-br", "address"); !strings.Contains(addrs, "10.96.0.10") ||
		strings.Contains(addrs, "169.254") {
		t.Errorf("addresses after the end:\n%s", addrs)
	}
}

// end sends SIGTERM and expects exit code 0.
func (n nodeCache) end(t *testing.T) {
	t.Helper()
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Wait(); err != nil {
		t.Errorf("the agent ended with %v", err)
	}
}

// original sets up a node like the original program: its link, rules in iptables, and the second
// listener for metrics, which is not shared.
func original(t *testing.T, node world.Namespace) (removeAll func()) {
	t.Helper()
	node.Do(func() {
		if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "nodelocaldns"}}); err != nil {
			t.Error(err)
		}
	})
	world.Up(t, node, "nodelocaldns", "169.254.20.10/32", "10.96.0.10/32")
	rules := func(action string) {
		for _, addr := range []string{"169.254.20.10", "10.96.0.10"} {
			for _, proto := range []string{"udp", "tcp"} {
				for _, rule := range [][]string{{"PREROUTING", "-d", "--dport"}, {"OUTPUT", "-s", "--sport"},
					{"OUTPUT", "-d", "--dport"}} {
					node.Run(t, "iptables-nft", "-w", "-t", "raw", action, rule[0], rule[1], addr, "-p", proto, rule[2],
						"53", "-m", "comment", "--comment", "NodeLocal DNS Cache: skip conntrack", "-j", "NOTRACK")
				}
			}
		}
	}
	rules("-I")
	return func() {
		// The agent might have removed some.
		for _, addr := range []string{"169.254.20.10", "10.96.0.10"} {
			_, _ = node.Try("", "iptables-nft", "-w", "-t", "raw", "-D", "PREROUTING", "-d", addr, "-p", "udp",
				"--dport", "53", "-m", "comment", "--comment", "NodeLocal DNS Cache: skip conntrack", "-j", "NOTRACK")
		}
		node.Do(func() {
			link, err := netlink.LinkByName("nodelocaldns")
			if err == nil {
				err = netlink.LinkDel(link)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNodeAfterOriginal replaces an agent of the original: it shares port 53, not 9353, has rules
// in iptables, and removes its link when it exits.
func TestNodeAfterOriginal(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	world.Proxies["iptables-nft"](t, w.Node)
	removeAll := original(t, w.Node)
	w.Node.Do(func() {
		for _, addr := range []netip.Addr{world.LinkLocal, world.ClusterIP} {
			if err := world.Serve(netip.AddrPortFrom(addr, 53), "original"); err != nil {
				t.Error(err)
			}
		}
	})
	taken := listen(t, w.Node, "0.0.0.0:9353")
	world.WantServer(t, "original", w.Pod, world.LinkLocal, world.ClusterIP)
	n := startNodeCache(t, w.Node, "-localip=169.254.20.10,10.96.0.10")
	world.WantServer(t, "agent", w.Pod, world.LinkLocal, world.ClusterIP)
	if !strings.Contains(n.log.String(), "Failed to start metrics handler") {
		t.Error("the log lacks the listener that is taken")
	}
	_ = taken.Close()
	removeAll()
	world.WantServer(t, "agent", w.Pod, world.LinkLocal, world.ClusterIP)
	n.end(t)
	if links := w.Node.Run(t, "ip", "-br", "link"); strings.Contains(links, "nodelocaldns") {
		t.Errorf("links after the end:\n%s", links)
	}
}

func listen(t *testing.T, in world.Namespace, addr string) net.Listener {
	t.Helper()
	var ln net.Listener
	var err error
	in.Do(func() { ln, err = net.Listen("tcp", addr) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

// TestNodePortTaken starts next to a server that does not share port 53: one line, exit code 1, and
// the server is not affected.
func TestNodePortTaken(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	original(t, w.Node)
	listen(t, w.Node, "169.254.20.10:53")
	before := nodeState(t, w.Node)
	n := newNodeCache(t, w.Node, t.TempDir(), corefile, "-localip=169.254.20.10,10.96.0.10")
	n.start(t)
	err := n.cmd.Wait()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 1 {
		t.Errorf("the agent ended with %v, want exit code 1", err)
	}
	if after := nodeState(t, w.Node); after != before {
		t.Errorf("the node has\n%s\nwant\n%s", after, before)
	}
	if last := lastLine(n.log.String()); !strings.Contains(last, "-localip=169.254.20.10,10.96.0.10 -dns.port=53: ") ||
		!strings.Contains(last, "address already in use") {
		t.Errorf("the last line is %s", last)
	}
}

func nodeState(t *testing.T, node world.Namespace) string {
	t.Helper()
	return node.Run(t, "ip", "-br", "address") + node.Run(t, "iptables-nft", "-w", "-t", "raw", "-S") +
		node.Run(t, "nft", "list", "tables")
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
