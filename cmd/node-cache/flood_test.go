package main

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/cmd/node-cache/internal/world"
)

// TestNodeFlood sends queries for new names to a silent upstream, until the agent has refused many.
// The pod uses no more than its part, and other clients have theirs. The agent answers when the
// upstream is back. The log shows its memory.
func TestNodeFlood(t *testing.T) {
	t.Parallel()
	const limit = 20
	w := world.New(t)
	addr, speak := silentUpstream(t, w)
	text := fmt.Sprintf(
		"example. {\n bind __PILLAR__LOCAL__DNS__\n cache 30\n forward . __PILLAR__CLUSTER__DNS__ {\n  max_concurrent "+
			"%d\n }\n}\n", limit)
	n := newNodeCache(t, w.Node, t.TempDir(), text, "-upstreamsvc=up", "-rules=none")
	n.cmd.Env = append(n.cmd.Env, "UP_SERVICE_HOST="+addr.String())
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
	sent, sockets := 0, 0
	eventually(t, func() string {
		for range limit {
			sent++
			query, err := new(dns.Msg).SetQuestion(fmt.Sprintf("n%d.example.", sent), dns.TypeA).Pack()
			if err != nil {
				t.Fatal(err)
			}
			_, _ = conn.Write(query)
			time.Sleep(200 * time.Microsecond) // for the queue of the socket
		}
		sockets = max(sockets, strings.Count(w.Node.Run(t, "ss", "-Hun", "dst", addr.String()), "\n"))
		if refused := n.counter("nodecache_overload_total"); refused < limit {
			return fmt.Sprintf("%v of %d queries are refused", refused, sent)
		}
		return ""
	})
	t.Logf("%d queries, %d sockets at most, %d MiB before, %d MiB at most", sent, sockets, before>>10, n.memory(t)>>10)
	// The part is half of it. A list of sockets can have a closed socket and its successor.
	if sockets == 0 || sockets > limit {
		t.Errorf("the agent had %d sockets for %d queries, want %d at most", sockets, sent, limit)
	}
	if refused := n.counter("coredns_forward_max_concurrent_rejects_total"); refused > 0 {
		t.Errorf("a pod took all queries that may be pending: %v refused", refused)
	}
	speak()
	eventuallyFrom(t, "kube-dns", w.Pod, world.LinkLocal)
}

// counter returns the value of a counter without labels.
func (n nodeCache) counter(name string) (count float64) {
	_, rest, _ := strings.Cut(n.get("http://127.0.0.1:9353/metrics"), "\n"+name+" ")
	_, _ = fmt.Sscan(rest, &count)
	return count
}

// memory returns the peak memory of the agent, in KiB.
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
