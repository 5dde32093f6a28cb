package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
)

// TestNodeMemory sends queries for new names, one after the other, to an upstream that is
// silent. The memory of the agent is bounded, and it answers when the upstream is back.
func TestNodeMemory(t *testing.T) {
	w := world.New(t)
	silent := netip.MustParseAddr("10.0.2.9")
	world.Up(t, w.KubeDNS, "eth0", silent.String()+"/24")
	w.KubeDNS.Do(func() {
		if err := world.Serve(netip.AddrPortFrom(silent, 53), "kube-dns"); err != nil {
			t.Error(err)
		}
	})
	w.KubeDNS.Run(t, "nft", "add table ip silent")
	w.KubeDNS.Run(t, "nft", "add chain ip silent in { type filter hook input priority 0; }")
	w.KubeDNS.Run(t, "nft", "add rule ip silent in ip daddr "+silent.String()+" drop")
	text := "example. {\n bind __PILLAR__LOCAL__DNS__\n cache 30\n forward . __PILLAR__CLUSTER__DNS__\n}\n"
	n := newNodeCache(t, w.Node, t.TempDir(), text, "-upstreamsvc=up", "-rules=none")
	n.cmd.Env = append(n.cmd.Env, "UP_SERVICE_HOST="+silent.String())
	n.cmd.Path = filepath.Join(t.TempDir(), "node-cache") // without the race detector, which takes memory
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", n.cmd.Path, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	n.start(t)
	n.waitReady(t)
	before := n.memory(t)
	var conn net.Conn
	var err error
	w.Pod.Do(func() { conn, err = net.Dial("udp", "169.254.20.10:53") })
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	start := time.Now()
	const rate, period = 5000, 8 * time.Second
	i := 0
	for ; time.Since(start) < period; i++ {
		query, err := new(dns.Msg).SetQuestion(fmt.Sprintf("n%d.example.", i), dns.TypeA).Pack()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write(query)
		time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / rate)))
	}
	after := n.memory(t)
	t.Logf("%d queries in %v: %d MiB before, %d MiB at most", i, time.Since(start), before>>10, after>>10)
	// Without a limit of pending queries it is twice as much, and grows with their rate.
	if most := 128 << 10; after > most {
		t.Errorf("the agent had %d KiB, want at most %d", after, most)
	}
	w.KubeDNS.Run(t, "nft", "delete table ip silent")
	eventuallyFrom(t, "kube-dns", w.Pod, world.LinkLocal)
}

// memory returns the most memory that the agent had, in KiB.
func (n nodeCache) memory(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", n.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	kib := 0
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			_, _ = fmt.Sscan(rest, &kib)
		}
	}
	return kib
}
