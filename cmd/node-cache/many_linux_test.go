package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Caches in front of one kube-dns, and their clients.
const (
	manyCaches = 50
	manyKept   = 1000 // persistent connections of clients
	manyRounds = 3
	startFiles = 5 // files that a cache can open once it listens
)

func manyAddr(i int) string { return fmt.Sprintf("10.60.0.%d", i%manyCaches+1) }

// askMany prints the number of clients with a persistent connection but no reply, and the number of
// unanswered new names.
func askMany() error {
	fmt.Println("ready")
	var stuck atomic.Int64
	var lost int64
	clients := make([]keeper, manyKept)
	askKept := func() {
		var asking sync.WaitGroup
		for i := range clients {
			asking.Go(func() {
				if err := clients[i].ask(manyAddr(i)); err != nil {
					stuck.Add(1)
					fmt.Fprintln(os.Stderr, "stuck:", manyAddr(i), err)
				}
			})
		}
		asking.Wait()
	}
	askKept()
	for round := range manyRounds {
		wait := askNew(fmt.Sprintf("new%d-", round), manyAddr)
		askKept()
		lost += wait()
	}
	fmt.Println(lost, stuck.Load(), 0, 0, 0, 0, 0)
	for i := range clients {
		clients[i].close()
	}
	return nil
}

// A keeper is a client with a persistent connection. A server can close it between two queries.
type keeper struct{ conn *dns.Conn }

func (k *keeper) ask(addr string) error {
	var err error
	for range 2 {
		if k.conn == nil {
			if k.conn, err = dns.DialTimeout("tcp", net.JoinHostPort(addr, "53"), patience); err != nil {
				return err
			}
		}
		_ = k.conn.SetDeadline(time.Now().Add(patience))
		if err = k.conn.WriteMsg(new(dns.Msg).SetQuestion("kept.prod.svc.cluster.local.", dns.TypeA)); err == nil {
			var reply *dns.Msg
			if reply, err = k.conn.ReadMsg(); err == nil && len(reply.Answer) == 0 {
				return fmt.Errorf("%s", dns.RcodeToString[reply.Rcode])
			}
		}
		if err == nil {
			return nil
		}
		k.close()
	}
	return err
}

func (k *keeper) close() {
	if k.conn != nil {
		_ = k.conn.Close()
		k.conn = nil
	}
}

// Fifty caches send bursts of new names to one dnsmasq, while clients keep a thousand connections.
// Each query is answered, dnsmasq gets few TCP connections, and the caches close those they opened.
func TestManyCaches(t *testing.T) {
	n := newNetwork(t)
	dnsmasqAddr := n.dnsmasq()
	program := filepath.Join(t.TempDir(), "node-cache") // without the race detector, which takes memory
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	caches := make([]*exec.Cmd, manyCaches)
	for i := range caches {
		n.in(n.node, "ip addr add "+manyAddr(i)+"/32 dev lo")
		caches[i] = n.cache(program, manyAddr(i), dnsmasqAddr)
	}
	for i := range caches {
		eventually(t, func() string {
			list := exec.Command("ip", "netns", "exec", n.node, "ss", "-Hltun", "src", manyAddr(i)+":53")
			out, err := list.CombinedOutput()
			if err != nil || strings.Count(string(out), "\n") < 2 {
				return fmt.Sprintf("%s does not listen: %v", manyAddr(i), err)
			}
			return ""
		})
	}
	before := make([]int, manyCaches)
	for i, c := range caches {
		before[i] = descriptors(c)
	}
	load := n.start(n.pod, "PLAY=many")
	if r := load.result(t); r[0]+r[1] > 0 {
		t.Errorf("%d of %d new names and %d of %d queries over kept connections got no answer\n%s",
			r[0], newNames*manyRounds, r[1], manyKept*(manyRounds+1), load.readLog())
	}
	if open := strings.Count(n.in(n.kube, "ss -Htn state established sport = :53"), "\n"); open > 2*manyCaches {
		t.Errorf("dnsmasq has %d TCP connections, want 2 for each cache at most", open)
	}
	for i, c := range caches {
		eventually(t, func() string {
			if now := descriptors(c); now > before[i]+startFiles {
				return fmt.Sprintf("cache %d has %d descriptors, had %d before", i, now, before[i])
			}
			return ""
		})
	}
}

// cache starts a cache without link and rules.
func (n *network) cache(program, addr, upstream string) *exec.Cmd {
	n.t.Helper()
	dir := n.t.TempDir()
	base := filepath.Join(dir, "Corefile.base")
	text := "cluster.local {\n errors\n cache 30\n bind __PILLAR__LOCAL__DNS__\n forward . __PILLAR__CLUSTER__DNS__ " +
		"{\n  force_tcp\n }\n}\n"
	if err := os.WriteFile(base, []byte(text), 0o600); err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", n.node, program, "-localip="+addr, "-setupinterface=false",
		"-setupiptables=false",
		"-handover=false", "-metrics-listen-address=0", "-basecorefile="+base, "-conf="+filepath.Join(dir, "Corefile"),
		"-kubednscm="+dir, "-upstreamsvc=up")
	cmd.Env = append(os.Environ(), "UP_SERVICE_HOST="+upstream)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// descriptors returns the number of descriptors of a process.
func descriptors(c *exec.Cmd) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", c.Process.Pid))
	return len(entries)
}
