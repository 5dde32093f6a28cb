package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Addresses of the node: the Service of kube-dns, and the agent's own.
const (
	serviceAddr = "10.96.0.10"
	localAddr   = "169.254.20.10"
	kubeAddr    = "10.50.1.2"
)

const baseCorefile = `cluster.local:53 {
    errors
    cache {
        success 9984 3600
        denial 9984 5
    }
    bind __PILLAR__LOCAL__DNS__
    forward . __PILLAR__CLUSTER__DNS__ {
        force_tcp
    }
    prometheus __PROMETHEUS__ENDPOINT__
    health 169.254.20.10:8080
}
.:53 {
    errors
    cache 30
    bind __PILLAR__LOCAL__DNS__
    forward . __PILLAR__CLUSTER__DNS__
    prometheus __PROMETHEUS__ENDPOINT__
}
`

// play runs one process of the test network: "kube-dns ADDR", "load", "slow ADDR", "burst",
// "names", "counting-kube-dns ADDR", or "foreign". The last is a server at the agents' addresses
// that shares the port and has no handover.
func play(args []string) error {
	switch args[0] {
	case "kube-dns":
		return serveAt(args[1:], "10.1.2.3")
	case "foreign":
		return serveAt([]string{serviceAddr, localAddr}, "10.1.2.3")
	case "load":
		return load()
	case "slow":
		return slowUpstream(args[1])
	case "burst":
		return burst()
	case "names":
		return askNames()
	case "counting-kube-dns":
		return countingKubeDNS(args[1])
	}
	return fmt.Errorf("unknown part %q", args[0])
}

// serveAt answers every A query until its input ends.
func serveAt(addrs []string, answer string) error {
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1},
			A:   net.ParseIP(answer),
		}}
		_ = w.WriteMsg(m)
	})
	var servers []*dns.Server
	for _, addr := range addrs {
		for _, protocol := range []string{"udp", "tcp"} {
			started := make(chan error, 1)
			s := &dns.Server{
				Addr: net.JoinHostPort(addr, "53"), Net: protocol, Handler: handler, ReusePort: true, MaxTCPQueries: -1,
				NotifyStartedFunc: func() { started <- nil },
			}
			go func() { started <- s.ListenAndServe() }()
			if err := <-started; err != nil {
				return err
			}
			servers = append(servers, s)
		}
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	for _, s := range servers {
		_ = s.Shutdown()
	}
	return nil
}

// A tally counts queries by result.
type tally struct{ udp, udpLost, tcp, tcpLost, kept, keptLost, keptClosed atomic.Int64 }

// load sends queries until its input ends, and prints their results: over UDP and TCP from a new
// port each, and over persistent connections.
func load() error {
	ctx, stop := context.WithCancel(context.Background())
	var t tally
	var running sync.WaitGroup
	ask := func(protocol string, pause time.Duration, asked, lost *atomic.Int64) {
		client := &dns.Client{Net: protocol, Timeout: patience}
		pending := make(chan struct{}, mostPending)
		for i := 0; ctx.Err() == nil; i++ {
			pending <- struct{}{}
			addr := []string{serviceAddr, localAddr}[i%2]
			name := fmt.Sprintf("web%d.prod.svc.cluster.local.", i%400) // hits and misses of the cache
			running.Go(func() {
				defer func() { <-pending }()
				asked.Add(1)
				sent := time.Now()
				m, _, err := client.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), net.JoinHostPort(addr, "53"))
				if err != nil || m.Rcode != dns.RcodeSuccess || len(m.Answer) == 0 {
					lost.Add(1)
					fmt.Fprintln(os.Stderr, lostMark, sent.UnixNano(), protocol, addr, err)
				}
			})
			time.Sleep(pause)
		}
	}
	running.Go(func() { ask("udp", udpPause, &t.udp, &t.udpLost) })
	running.Go(func() { ask("tcp", tcpPause, &t.tcp, &t.tcpLost) })
	for i := range 4 {
		running.Go(func() { keepAsking(ctx, []string{serviceAddr, localAddr}[i%2], &t) })
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	running.Wait()
	fmt.Println(t.udp.Load(), t.udpLost.Load(), t.tcp.Load(), t.tcpLost.Load(), t.kept.Load(), t.keptLost.Load(),
		t.keptClosed.Load())
	return nil
}

// lostMark starts the line of a lost query, before its send time.
const lostMark = "lost:"

// lostSince returns the lines of lost queries that were sent at or after a time.
func (p *process) lostSince(t *testing.T, since time.Time) (lines []string) {
	t.Helper()
	for line := range strings.Lines(p.readLog()) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != lostMark {
			continue
		}
		sent, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if sent >= since.UnixNano() {
			lines = append(lines, line)
		}
	}
	return lines
}

// The pauses between two queries, and the limits of pending queries for each protocol. A busy
// machine gets fewer queries: no queue of the kernel overflows.
const (
	udpPause    = time.Millisecond
	tcpPause    = 10 * time.Millisecond
	mostPending = 20
)

// patience is longer than a reply or a change takes on a busy machine.
const patience = time.Minute

// keepAsking queries over one connection. It reopens a connection closed between two queries, which
// a server can do (RFC 7766 section 6.2.3).
func keepAsking(ctx context.Context, addr string, t *tally) {
	var conn *dns.Conn
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if conn == nil {
			var err error
			if conn, err = dns.DialTimeout("tcp", net.JoinHostPort(addr, "53"), patience); err != nil {
				t.kept.Add(1)
				t.keptLost.Add(1)
				continue
			}
		}
		t.kept.Add(1)
		_ = conn.SetDeadline(time.Now().Add(patience))
		if err := conn.WriteMsg(new(dns.Msg).SetQuestion("kept.prod.svc.cluster.local.", dns.TypeA)); err == nil {
			if _, err = conn.ReadMsg(); err == nil {
				continue
			}
			if !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
				t.keptLost.Add(1)
			}
		}
		t.keptClosed.Add(1)
		_ = conn.Close()
		conn = nil
	}
	if conn != nil {
		_ = conn.Close()
	}
}

// A network is a node between a pod and the pod of kube-dns, each a namespace.
type network struct {
	t               *testing.T
	node, pod, kube string
	agents          int
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("network namespaces take root: run the tests as root")
	}
	id := fmt.Sprintf("nc%d-", time.Now().UnixNano()%1e8)
	n := &network{t: t, node: id + "n", pod: id + "p", kube: id + "k"}
	for _, name := range []string{n.node, n.pod, n.kube} {
		n.sh("ip netns add " + name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
		n.in(name, "ip link set lo up")
	}
	n.in(n.node, "echo 1 >/proc/sys/net/ipv4/ip_forward")
	for i, peer := range []string{n.pod, n.kube} {
		n.in(n.node, fmt.Sprintf("ip link add v%d type veth peer name eth0 netns %s && ip addr add 10.50.%d.1/24 dev "+
			"v%d && ip link set v%d up", i, peer, i, i, i))
		n.in(peer, fmt.Sprintf("ip addr add 10.50.%d.2/24 dev eth0 && ip link set eth0 up && ip route add default via "+
			"10.50.%d.1", i, i))
	}
	n.in(n.node, `echo "table ip kube {
		chain pre {
			type nat hook prerouting priority -100
			ip daddr 10.96.0.10 udp dport 53 dnat to 10.50.1.2
			ip daddr 10.96.0.10 tcp dport 53 dnat to 10.50.1.2
		}
		chain post {
			type nat hook postrouting priority 100
			ct status dnat masquerade
		}
	}" | nft -f -`)
	n.start(n.kube, "PLAY=kube-dns "+kubeAddr)
	return n
}

func (n *network) sh(command string) string {
	n.t.Helper()
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	if err != nil {
		n.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

func (n *network) in(ns, command string) string {
	n.t.Helper()
	return n.sh("ip netns exec " + ns + " sh -c '" + command + "'")
}

// A process is the test binary in another part.
type process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
	out   io.Reader
	log   string
}

// start starts a part, and waits until it is ready.
func (n *network) start(ns, part string) *process {
	n.t.Helper()
	p := n.exec(ns, nil, part)
	if !p.lines.Scan() {
		n.t.Fatalf("%s: not ready: %s", part, p.readLog())
	}
	return p
}

func (n *network) exec(ns string, args []string, environment ...string) *process {
	n.t.Helper()
	n.agents++
	p := &process{
		cmd: exec.Command("ip", append([]string{"netns", "exec", ns, os.Args[0]}, args...)...),
		log: filepath.Join(n.t.TempDir(), fmt.Sprintf("log%d", n.agents)),
	}
	log, err := os.Create(p.log)
	if err != nil {
		n.t.Fatal(err)
	}
	defer log.Close()
	p.cmd.Env, p.cmd.Stderr = append(os.Environ(), environment...), log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		n.t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		n.t.Fatal(err)
	}
	p.lines, p.out = bufio.NewScanner(out), out
	if err := p.cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = p.cmd.Process.Kill(); _ = p.cmd.Wait() })
	return p
}

func (p *process) readLog() string {
	text, _ := os.ReadFile(p.log)
	return string(text)
}

// agent starts an agent, and waits until it is ready.
func (n *network) agent() *process { n.t.Helper(); return n.agentAt(kubeAddr) }

// agentAt starts an agent in front of an upstream, and waits until it is ready.
func (n *network) agentAt(upstream string) *process {
	n.t.Helper()
	n.agents++
	dir := filepath.Join(n.t.TempDir(), fmt.Sprintf("agent%d", n.agents))
	if err := os.Mkdir(dir, 0o755); err != nil {
		n.t.Fatal(err)
	}
	base := filepath.Join(dir, "Corefile.base")
	if err := os.WriteFile(base, []byte(baseCorefile), 0o644); err != nil {
		n.t.Fatal(err)
	}
	p := n.exec(n.node, []string{
		"-localip=" + localAddr + "," + serviceAddr, "-conf=" + filepath.Join(dir, "Corefile"), "-basecorefile=" + base,
		"-kubednscm=" + filepath.Join(dir, "kube-dns"), "-upstreamsvc=kube-dns-upstream",
		"-health-listen-address=" + localAddr + ":8181", "-syncinterval=1s",
	}, "PLAY=agent", "KUBE_DNS_UPSTREAM_SERVICE_HOST="+upstream)
	go func() { _, _ = io.Copy(io.Discard, p.out) }() // CoreDNS prints its zones
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if strings.Contains(p.readLog(), "this agent is ready") {
			return p
		}
		if time.Now().After(end) {
			n.t.Fatalf("the agent is not ready:\n%s", p.readLog())
		}
	}
}

// result stops a load, and returns its counters.
func (p *process) result(t *testing.T) (r [7]int64) {
	t.Helper()
	_ = p.in.Close()
	if !p.lines.Scan() {
		t.Fatalf("the load has no result: %s", p.readLog())
	}
	line := p.lines.Text()
	if _, err := fmt.Sscan(line, &r[0], &r[1], &r[2], &r[3], &r[4], &r[5], &r[6]); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return r
}

func (p *process) terminate(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: got %v, want exit code 0\n%s", err, p.readLog())
	}
}
