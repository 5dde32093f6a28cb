package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// slowUpstream answers every query after 300 ms, until its input ends.
func slowUpstream(addr string) error {
	conn, err := net.ListenPacket("udp", net.JoinHostPort(addr, "5353"))
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return (&dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		time.Sleep(300 * time.Millisecond)
		m := new(dns.Msg).SetReply(q)
		m.Answer = []dns.RR{&dns.A{
			Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 30},
			A:   net.IPv4(10, 1, 2, 3),
		}}
		_ = w.WriteMsg(m)
	})}).ActivateAndServe()
}

// newNames is the number of names that askNew queries.
const newNames = 400

// askNew queries servers in turn for new names, all of them within 100 ms on an idle machine. The
// returned function waits for the replies and returns the number of names without one.
func askNew(prefix string, server func(i int) string) (lost func() int64) {
	var count atomic.Int64
	var asking sync.WaitGroup
	client := &dns.Client{Timeout: patience}
	for i := range newNames {
		asking.Go(func() {
			q := new(dns.Msg).SetQuestion(fmt.Sprintf("%s%d.prod.svc.cluster.local.", prefix, i), dns.TypeA)
			if m, _, err := client.Exchange(q, net.JoinHostPort(server(i), "53")); err != nil || len(m.Answer) == 0 {
				count.Add(1)
				fmt.Fprintln(os.Stderr, "lost:", server(i), err)
			}
		})
		time.Sleep(250 * time.Microsecond)
	}
	return func() int64 {
		asking.Wait()
		return count.Load()
	}
}

// burst prints the number of new names without a reply.
func burst() error {
	fmt.Println("ready")
	lost := askNew("new", func(int) string { return localAddr })
	fmt.Println(lost(), 0, 0, 0, 0, 0, 0)
	return nil
}

// dnsmasq starts a dnsmasq in front of a slow upstream, and returns its address.
func (n *network) dnsmasq() string {
	n.t.Helper()
	n.start(n.kube, "PLAY=slow 127.0.0.1")
	const addr = "10.50.1.3"
	n.in(n.kube, "ip addr add "+addr+"/24 dev eth0")
	cmd := exec.Command("ip", "netns", "exec", n.kube, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null",
		"--no-hosts", "--no-resolv", "--server=127.0.0.1#5353", "--listen-address="+addr, "--bind-interfaces",
		"--dns-forward-max=1500",
		"--pid-file=", "--user=root")
	if err := cmd.Start(); err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return addr
}

// A burst of new names reaches dnsmasq, which accepts few TCP clients, although the Corefile
// requires TCP.
func TestBurst(t *testing.T) {
	n := newNetwork(t)
	agent := n.agentAt(n.dnsmasq())
	load := n.start(n.pod, "PLAY=burst")
	if r := load.result(t); r[0] != 0 {
		t.Errorf("%d of %d new names got no answer\n%s%s", r[0], newNames, load.readLog(), agent.readLog())
	}
}
