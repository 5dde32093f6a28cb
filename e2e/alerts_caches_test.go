//go:build chaos

package e2e

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// startLoneCache starts a node cache in its own network, where it adds its rules. Its metrics can
// be scraped from here.
func startLoneCache(t *testing.T, upstreamDNS string, config *configDir) *nodeCache {
	t.Helper()
	const program = "lone.node-cache"
	file := filepath.Join(rig.dir, "bin", program)
	for path, text := range map[string]string{
		file:            "#!/bin/sh -e\nexec unshare --net \"$0.inner\" \"$@\"\n",
		file + ".inner": "#!/bin/sh -e\nip link set lo up\nexec \"$(dirname \"$0\")/node-cache\" \"$@\"\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	n := runNodeCache(t, program, upstreamDNS, config, "-setupiptables=true")
	n.metrics = "http://" + forward(t, n.cmd.Process.Pid, strings.TrimPrefix(n.metrics, "http://"))
	return n
}

// forward returns an address that forwards connections to an address in the network of a process.
func forward(t *testing.T, pid int, to string) string {
	t.Helper()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", freePort(t)))
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { pass(conn, pid, to) })
		}
	})
	t.Cleanup(func() { listener.Close(); running.Wait() })
	return listener.Addr().String()
}

// pass copies data between conn and the other end, until one of them closes or the time is up.
func pass(conn net.Conn, pid int, to string) {
	defer conn.Close()
	other, err := dialIn(pid, to)
	if err != nil {
		return // the scrape fails
	}
	defer other.Close()
	const limit = 2 * time.Second // longer than a scrape
	_ = conn.SetDeadline(time.Now().Add(limit))
	_ = other.SetDeadline(time.Now().Add(limit))
	var copying sync.WaitGroup
	copying.Go(func() {
		_, _ = io.Copy(other, conn)
		other.Close()
	})
	_, _ = io.Copy(conn, other)
	conn.Close()
	copying.Wait()
}

// dialIn opens a TCP connection in the network of a process.
func dialIn(pid int, to string) (net.Conn, error) {
	var conn net.Conn
	var err error
	var dialing sync.WaitGroup
	dialing.Go(func() {
		runtime.LockOSThread() // never unlocked: the thread exits with the goroutine
		var network *os.File
		if network, err = os.Open(fmt.Sprintf("/proc/%d/ns/net", pid)); err != nil {
			return
		}
		defer network.Close()
		if err = unix.Setns(int(network.Fd()), unix.CLONE_NEWNET); err == nil {
			conn, err = net.DialTimeout("tcp", to, time.Second)
		}
	})
	dialing.Wait()
	return conn, err
}

// breakCaches makes a node cache its own upstream, with an invalid Corefile and more TCP
// connections than it accepts. It stops the second cache with SIGSTOP, and drops the replies of the
// third.
func (l *lastingRun) breakCaches(t *testing.T) {
	t.Helper()
	t.Cleanup(connect(t, l.looping.dns, 2100)) // they close after some seconds
	signalAll(t, syscall.SIGSTOP, l.hung.cmd.Process.Pid)
	t.Cleanup(func() { _ = l.hung.cmd.Process.Signal(syscall.SIGCONT) }) // it might have exited
	_, port, _ := strings.Cut(l.lone.dns, ":")
	l.netfilter(t, "table inet harm { chain output { type filter hook output priority 0; udp sport "+port+" drop; }; }")

	l.configureCache(t, map[string]string{"upstreamNameservers": "[" + strconv.Quote(l.looping.dns) + "]"})
	load := startLoad(t, loadOptions{server: l.looping.dns, rate: 20, mix: []share{{weight: 1, list: l.outside}}})
	t.Cleanup(load.stop)
	eventually(t, 30*time.Second, func() error {
		text, err := get(l.looping.metrics+"/metrics", 200)
		if err == nil && !strings.Contains(text, `nodecache_upstream_loop{zone="."} 1`) {
			err = fmt.Errorf("the loop is not found")
		}
		return err
	})
	l.editCorefile(t, "errors", "mistakes")
}

func (l *lastingRun) configureCache(t *testing.T, files map[string]string) {
	t.Helper()
	if err := l.loopConfig.set(files); err != nil {
		t.Fatal(err)
	}
}

// editCorefile replaces the first word of this kind in the template of a node cache.
func (l *lastingRun) editCorefile(t *testing.T, old, word string) {
	t.Helper()
	text, err := os.ReadFile(l.looping.base)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.looping.base, []byte(strings.Replace(string(text), old, word, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// netfilter adds rules in the network of the node cache that has its own.
func (l *lastingRun) netfilter(t *testing.T, rules string) {
	t.Helper()
	nft := exec.Command("nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", l.lone.cmd.Process.Pid), "nft", "-f", "-")
	nft.Stdin = strings.NewReader(rules)
	if out, err := nft.CombinedOutput(); err != nil {
		t.Errorf("make rules of netfilter: %v\n%s", err, out)
	}
}

// mendCaches reverts breakCaches.
func (l *lastingRun) mendCaches(t *testing.T) {
	t.Helper()
	signalAll(t, syscall.SIGCONT, l.hung.cmd.Process.Pid)
	l.netfilter(t, "delete table inet harm")
	l.editCorefile(t, "mistakes", "errors")
	l.configureCache(t, l.config)
}
