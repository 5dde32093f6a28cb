package main

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
)

// TestNodeLingers stops an agent while another has started and does not serve yet: the agent
// answers until the other has exited too.
func TestNodeLingers(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	world.Proxies["nftables"](t, w.Node)
	n := startNodeCache(t, w.Node)
	var starting net.Conn
	eventually(t, func() string {
		var err error
		w.Node.Do(func() { starting, err = net.Dial("unix", "@kube-dns/node-cache/nodelocaldns") })
		if err != nil {
			return err.Error()
		}
		return ""
	})
	l := world.StartLoad(t, w.Pod, world.LinkLocal)
	l.WaitFor("agent", 50)
	if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if n.get("http://127.0.0.1:8081/ready") == "ok" {
			return "the agent is still ready"
		}
		return ""
	})
	l.WaitFor("agent", 50)
	if lost := world.Lost(l.Stop()); lost > 0 {
		t.Errorf("lost %d queries", lost)
	}
	_ = starting.Close()
	if err := n.cmd.Wait(); err != nil {
		t.Errorf("the agent ended with %v", err)
	}
	if !strings.Contains(n.log.String(), "SIGTERM: Shutting down servers then terminating") {
		t.Error("the log lacks the line of the original for SIGTERM")
	}
	world.WantServer(t, "kube-dns", w.Pod, world.ClusterIP)
}

// TestNodeSecondSignal stops an agent that waits for a starting agent: the second signal ends the
// wait, the third the process.
func TestNodeSecondSignal(t *testing.T) {
	for _, second := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(second.String(), func(t *testing.T) {
			t.Parallel()
			w := world.New(t)
			n := startNodeCache(t, w.Node)
			var starting net.Conn
			eventually(t, func() string {
				var err error
				w.Node.Do(func() { starting, err = net.Dial("unix", "@kube-dns/node-cache/nodelocaldns") })
				if err != nil {
					return err.Error()
				}
				return ""
			})
			defer starting.Close()
			if err := n.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := n.cmd.Process.Signal(second); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() string {
				if !strings.Contains(n.log.String(), "Tearing down") {
					return "the agent still waits"
				}
				return ""
			})
			n.endAtOnce(t, second)
		})
	}
}

// endAtOnce sends a signal until the process has exited.
func (n nodeCache) endAtOnce(t *testing.T, signal syscall.Signal) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = n.cmd.Wait()
	}()
	for running := true; running; {
		_ = n.cmd.Process.Signal(signal)
		select {
		case <-ended:
			running = false
		case <-time.After(20 * time.Millisecond):
		}
	}
	status := n.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !status.Signaled() && status.ExitStatus() != 0 || status.Signaled() && status.Signal() != signal {
		t.Errorf("the agent ended with %v", n.cmd.ProcessState)
	}
}

// TestNodeInterruptedTwice stops an agent with plugins that take an hour to stop: the second SIGINT
// does not wait for them, and kube-dns answers.
func TestNodeInterruptedTwice(t *testing.T) {
	t.Parallel()
	w := world.New(t)
	world.Proxies["nftables"](t, w.Node)
	text := strings.Replace(corefile, "{\n", "{\n    health 127.0.0.1:8082 {\n        lameduck 1h\n    }\n", 1)
	n := newNodeCache(t, w.Node, t.TempDir(), text)
	n.start(t)
	n.waitReady(t)
	n.endAtOnce(t, os.Interrupt.(syscall.Signal))
	if status := n.cmd.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() {
		t.Errorf("the agent ended with %v, want the signal to end it", n.cmd.ProcessState)
	}
	world.WantServer(t, "kube-dns", w.Pod, world.ClusterIP)
}
