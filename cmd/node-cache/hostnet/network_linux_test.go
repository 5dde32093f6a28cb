package hostnet_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/cmd/node-cache/hostnet"
)

// The test binary plays the processes of the network: see helper.
func TestMain(m *testing.M) {
	if args := os.Getenv("HOSTNET_HELPER"); args != "" {
		if err := helper(strings.Fields(args)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const (
	linkName = "nodelocaldns"
	port     = 53
)

// Addresses of the Service and of the agent alone, in both families.
var (
	service4, local4 = netip.MustParseAddr("10.96.0.10"), netip.MustParseAddr("169.254.20.10")
	service6, local6 = netip.MustParseAddr("fd96::a"), netip.MustParseAddr("fd20::a")
	all              = []netip.Addr{service4, local4, service6, local6}
)

// helper is one process: "agent MODE TRACKED", "server NAME ADDR...", or
// "client ADDR COUNT MICROSECONDS", which prints how many replies came from whom.
func helper(args []string) error {
	switch args[0] {
	case "agent":
		return playAgent(args[1], args[2])
	case "server":
		if err := serve(args[1], args[2:]); err != nil {
			return err
		}
		fmt.Println("ready")
		select {}
	case "client":
		count, _ := strconv.Atoi(args[3])
		pause, _ := strconv.Atoi(args[4])
		return ask(args[1], args[2], count, time.Duration(pause)*time.Microsecond)
	}
	return fmt.Errorf("unknown helper %q", args[0])
}

func playAgent(mode, tracked string) error {
	n, err := hostnet.New(hostnet.Config{
		Interface: linkName, Addrs: all, Port: port, HealthPort: 8080, SetupInterface: true,
		Rules: hostnet.Mode(mode), Tracked: tracked == "tracked",
	})
	if err != nil {
		return err
	}
	if _, err := n.EnsureAddresses(); err != nil {
		return err
	}
	var addrs []string
	for _, addr := range all {
		addrs = append(addrs, addr.String())
	}
	if err := serve("agent", addrs); err != nil {
		return err
	}
	if err := n.Serve(); err != nil {
		return err
	}
	fmt.Println("ready")
	stop := make(chan string)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			stop <- lines.Text()
		}
	}()
	tick := time.NewTicker(time.Second)
	for {
		select {
		case <-tick.C:
			if _, err := n.EnsureAddresses(); err != nil {
				return err
			}
			if err := n.Serve(); err != nil {
				return err
			}
		case word := <-stop:
			err := n.Close(word == "leave")
			fmt.Println("closed")
			return err
		}
	}
}

// serve answers every question at addresses with its name.
func serve(name string, addrs []string) error {
	answer := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{&dns.TXT{
			Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeTXT, Class: dns.ClassINET}, Txt: []string{name},
		}}
		_ = w.WriteMsg(m)
	})
	for _, addr := range addrs {
		at := net.JoinHostPort(addr, strconv.Itoa(port))
		conn, err := net.ListenPacket("udp", at)
		if err != nil {
			return err
		}
		ln, err := net.Listen("tcp", at)
		if err != nil {
			return err
		}
		go func() { _ = (&dns.Server{PacketConn: conn, Handler: answer}).ActivateAndServe() }()
		go func() { _ = (&dns.Server{Listener: ln, Handler: answer}).ActivateAndServe() }()
	}
	return nil
}

// ask asks count times, each from a port of its own, and prints who replied.
func ask(protocol, addr string, count int, pause time.Duration) error {
	results := make(chan string, count)
	client := &dns.Client{Net: protocol, Timeout: time.Second}
	for i := range count {
		go func() {
			q := new(dns.Msg).SetQuestion(fmt.Sprintf("q%d.example.", i), dns.TypeTXT)
			m, _, err := client.Exchange(q, net.JoinHostPort(addr, strconv.Itoa(port)))
			if err != nil || len(m.Answer) == 0 {
				results <- "lost"
				return
			}
			results <- m.Answer[0].(*dns.TXT).Txt[0]
		}()
		time.Sleep(pause)
	}
	counts := map[string]int{}
	for range count {
		counts[<-results]++
	}
	for who, n := range counts {
		fmt.Println(who, n)
	}
	return nil
}

// A world is three network namespaces: a node between a pod and the pod of kube-dns.
type world struct {
	t               *testing.T
	node, pod, kube string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("network namespaces take root: run the tests as root")
	}
	id := fmt.Sprintf("hn%d", os.Getpid()%10000) + strconv.Itoa(int(time.Now().UnixNano()%100000))
	w := &world{t: t, node: id + "n", pod: id + "p", kube: id + "k"}
	for _, name := range []string{w.node, w.pod, w.kube} {
		w.sh("ip netns add " + name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
		w.in(name, "ip link set lo up")
	}
	w.in(w.node, "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")
	for i, peer := range []string{w.pod, w.kube} {
		w.in(w.node, fmt.Sprintf("ip link add v%d type veth peer name eth0 netns %s", i, peer))
		w.in(w.node, fmt.Sprintf("ip addr add 10.50.%d.1/24 dev v%d && ip addr add fd50:%d::1/64 dev v%d nodad && ip link set v%d up", i, i, i, i, i))
		w.in(peer, fmt.Sprintf("ip addr add 10.50.%d.2/24 dev eth0 && ip addr add fd50:%d::2/64 dev eth0 nodad && ip link set eth0 up", i, i))
		w.in(peer, fmt.Sprintf("ip route add default via 10.50.%d.1 && ip -6 route add default via fd50:%d::1", i, i))
	}
	w.start(w.kube, "server kube-dns 10.50.1.2 fd50:1::2")
	return w
}

func (w *world) sh(command string) string {
	w.t.Helper()
	out, err := exec.Command("sh", "-c", command).CombinedOutput()
	if err != nil {
		w.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

func (w *world) in(ns, command string) string {
	w.t.Helper()
	return w.sh("ip netns exec " + ns + " sh -c '" + command + "'")
}

// A proc is a helper that runs.
type proc struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
	in    *os.File
}

// start starts a helper in a namespace and waits until it is ready.
func (w *world) start(ns, args string) *proc {
	w.t.Helper()
	r, in, err := os.Pipe()
	if err != nil {
		w.t.Fatal(err)
	}
	cmd := exec.Command("ip", "netns", "exec", ns, os.Args[0])
	cmd.Env = append(os.Environ(), "HOSTNET_HELPER="+args)
	cmd.Stdin, cmd.Stderr = r, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	p := &proc{cmd: cmd, lines: bufio.NewScanner(out), in: in}
	w.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); _ = r.Close(); _ = in.Close() })
	if !p.lines.Scan() || p.lines.Text() != "ready" {
		w.t.Fatalf("%s did not start", args)
	}
	return p
}

func (p *proc) say(t *testing.T, word string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.in, word); err != nil || !p.lines.Scan() {
		t.Fatalf("the agent did not close: %v", err)
	}
	_ = p.cmd.Wait()
}

// ask returns who answered how many of count queries from a namespace.
func (w *world) ask(ns, protocol string, addr netip.Addr, count int, pause time.Duration) map[string]int {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "ip", "netns", "exec", ns, os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("HOSTNET_HELPER=client %s %s %d %d", protocol, addr, count, pause.Microseconds()))
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("ask %s: %v", addr, err)
	}
	counts := map[string]int{}
	for line := range strings.Lines(string(out)) {
		var who string
		var n int
		if _, err := fmt.Sscan(line, &who, &n); err == nil {
			counts[who] = n
		}
	}
	return counts
}

// want asks over both protocols and checks who answers.
func (w *world) want(ns string, addr netip.Addr, who string) {
	w.t.Helper()
	for _, protocol := range []string{"udp", "tcp"} {
		if got := w.ask(ns, protocol, addr, 5, time.Millisecond); got[who] != 5 {
			w.t.Errorf("%s to %s from %s: got %v, want 5 replies of %s", protocol, addr, ns, got, who)
		}
	}
}

// kubeProxy translates the Service's address as kube-proxy does, by one program.
func (w *world) kubeProxy(how string) {
	w.t.Helper()
	switch how {
	case "nft":
		rules := "table inet kube { chain pre { type nat hook prerouting priority -100; jump svc; }; " +
			"chain out { type nat hook output priority -100; jump svc; }; " +
			"chain post { type nat hook postrouting priority 100; ct status dnat masquerade; }; chain svc { " +
			"ip daddr 10.96.0.10 udp dport 53 dnat ip to 10.50.1.2; ip daddr 10.96.0.10 tcp dport 53 dnat ip to 10.50.1.2; " +
			"ip6 daddr fd96::a udp dport 53 dnat ip6 to fd50:1::2; ip6 daddr fd96::a tcp dport 53 dnat ip6 to fd50:1::2; }; }"
		w.in(w.node, `echo "`+rules+`" | nft -f -`)
	default: // legacy and iptables-nft
		for _, f := range []struct{ program, service, to string }{
			{"iptables-" + how, "10.96.0.10", "10.50.1.2:53"}, {"ip6tables-" + how, "fd96::a", "[fd50:1::2]:53"},
		} {
			for _, protocol := range []string{"udp", "tcp"} {
				for _, chain := range []string{"PREROUTING", "OUTPUT"} {
					w.in(w.node, fmt.Sprintf("%s -w 5 -t nat -A %s -d %s -p %s --dport 53 -j DNAT --to-destination %s",
						f.program, chain, f.service, protocol, f.to))
				}
			}
			w.in(w.node, f.program+" -w 5 -t nat -A POSTROUTING -m conntrack --ctstate DNAT -j MASQUERADE")
		}
	}
}

// Queries reach the agent next to each kind of kube-proxy, from pods and from the node,
// and kube-dns after the agent has closed. Nothing is left then.
func TestBesideKubeProxy(t *testing.T) {
	for _, how := range []string{"nft-proxy nft", "iptables-nft nft", "iptables-legacy nft", "iptables-legacy iptables", "nft-proxy iptables"} {
		for _, tracked := range []string{"untracked", "tracked"} {
			proxy, mode, _ := strings.Cut(how, " ")
			if tracked == "tracked" && mode == "iptables" {
				continue
			}
			t.Run(strings.ReplaceAll(how, " ", ",")+","+tracked, func(t *testing.T) {
				w := newWorld(t)
				w.kubeProxy(strings.TrimSuffix(strings.TrimPrefix(proxy, "iptables-"), "-proxy"))
				before := w.ruleset()
				w.want(w.pod, service4, "kube-dns")
				w.want(w.pod, service6, "kube-dns")
				agent := w.start(w.node, "agent "+mode+" "+tracked)
				for _, addr := range all {
					w.want(w.pod, addr, "agent")
					w.want(w.node, addr, "agent")
				}
				agent.say(t, "close")
				w.want(w.pod, service4, "kube-dns")
				w.want(w.pod, service6, "kube-dns")
				if after := w.ruleset(); after != before {
					t.Errorf("left behind: got\n%s\nwant\n%s", after, before)
				}
			})
		}
	}
}

// ruleset is all rules and links of the node, without counters. Programs of iptables leave
// empty tables.
func (w *world) ruleset() string {
	return w.in(w.node, "nft -s list ruleset | grep -Ev \"table|chain|type|}|^$\"; iptables-legacy-save | grep ^-; ip -br link | cut -d\" \" -f1; ip -br addr")
}

// After SIGKILL the kernel takes the rules away at once: a few queries are lost. A
// stopped agent loses those of a few seconds.
func TestAgentDies(t *testing.T) {
	for _, tt := range []struct {
		signal syscall.Signal
		most   int // lost of 5000 in 10 s
	}{{syscall.SIGKILL, 5}, {syscall.SIGSTOP, 3500}} {
		t.Run(tt.signal.String(), func(t *testing.T) {
			w := newWorld(t)
			w.kubeProxy("nft")
			agent := w.start(w.node, "agent nft untracked")
			timer := time.AfterFunc(3*time.Second, func() { _ = agent.signal(tt.signal) })
			defer timer.Stop()
			got := w.ask(w.pod, "udp", service4, 5000, 2*time.Millisecond)
			if got["lost"] > tt.most || got["agent"] == 0 || got["kube-dns"] == 0 {
				t.Errorf("got %v, want at most %d lost, and replies of agent and kube-dns", got, tt.most)
			}
			t.Logf("%v: %v", tt.signal, got)
			w.want(w.pod, service4, "kube-dns")
		})
	}
}

// signal signals the agent, which has replaced the program ip in its process.
func (p *proc) signal(s syscall.Signal) error { return p.cmd.Process.Signal(s) }

// What others remove comes back, and they cannot remove the table.
func TestPutBack(t *testing.T) {
	w := newWorld(t)
	w.kubeProxy("nft")
	w.start(w.node, "agent nft untracked")
	w.in(w.node, "nft flush ruleset")
	w.kubeProxy("nft")
	for _, harm := range []string{
		"iptables-legacy -F; iptables-legacy -t raw -F", "ip link del " + linkName, "ip addr flush dev " + linkName,
	} {
		w.in(w.node, harm)
		waitFor(t, harm, func() bool { return w.ask(w.pod, "udp", local4, 1, 0)["agent"] == 1 })
		w.want(w.pod, service4, "agent")
	}
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so within 30 s: %s", what)
		}
	}
}

// A firewall that drops what no one accepts does not stop queries, and has its rules
// back at the end.
func TestPolicyDrop(t *testing.T) {
	for _, backend := range []string{"legacy", "nft"} {
		t.Run(backend, func(t *testing.T) {
			w := newWorld(t)
			for _, program := range []string{"iptables-" + backend, "ip6tables-" + backend} {
				w.in(w.node, program+" -w 5 -P INPUT DROP")
			}
			before := w.in(w.node, "iptables-"+backend+" -S; ip6tables-"+backend+" -S")
			agent := w.start(w.node, "agent nft untracked")
			w.want(w.pod, local4, "agent")
			w.want(w.node, service4, "agent")
			agent.say(t, "close")
			if after := w.in(w.node, "iptables-"+backend+" -S; ip6tables-"+backend+" -S"); after != before {
				t.Errorf("left behind: got\n%s\nwant\n%s", after, before)
			}
		})
	}
}

// A firewall of the pod that wants replies of known connections gets them with Tracked.
func TestTrackedFirewall(t *testing.T) {
	w := newWorld(t)
	w.kubeProxy("nft")
	w.in(w.node, `echo "table inet fw { chain out { type filter hook output priority 0; oifname v0 ct state established accept; oifname v0 udp sport 53 drop; oifname v0 tcp sport 53 drop; }; }" | nft -f -`)
	w.start(w.node, "agent nft tracked")
	w.want(w.pod, service4, "agent")
	w.want(w.pod, service6, "agent")
	w.want(w.node, service4, "agent")
}

// A successor goes on with the link of its predecessor.
func TestLeaveLink(t *testing.T) {
	w := newWorld(t)
	agent := w.start(w.node, "agent nft untracked")
	agent.say(t, "leave")
	if links := w.in(w.node, "ip -br addr show "+linkName); !strings.Contains(links, local4.String()) {
		t.Errorf("got %q, want the link with %s", links, local4)
	}
	if tables := w.in(w.node, "nft list tables"); tables != "" {
		t.Errorf("got tables %q, want none", tables)
	}
}

// An interface of others stays; it gets the addresses for a while.
func TestForeignInterface(t *testing.T) {
	w := newWorld(t)
	w.in(w.node, "ip link add "+linkName+" type bridge && ip addr add 192.0.2.1/32 dev "+linkName)
	agent := w.start(w.node, "agent nft untracked")
	w.want(w.pod, local4, "agent")
	agent.say(t, "close")
	if got := w.in(w.node, "ip -br addr show "+linkName); !strings.Contains(got, "192.0.2.1") || strings.Contains(got, local4.String()) {
		t.Errorf("got %q, want the interface as it was", got)
	}
}

// Without the right to change the network the error names it, and nothing is left.
func TestNoRight(t *testing.T) {
	w := newWorld(t)
	cmd := exec.Command("ip", "netns", "exec", w.node, "setpriv", "--bounding-set=-net_admin", os.Args[0])
	cmd.Env = append(os.Environ(), "HOSTNET_HELPER=agent nft untracked")
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 || !slices.Contains(strings.Fields(string(out)), "permitted") {
		t.Errorf("got %v, %q, want an error that says what is not permitted", err, out)
	}
	if links := w.in(w.node, "ip -br link"); strings.Contains(links, linkName) {
		t.Errorf("got %q, want no link", links)
	}
}
