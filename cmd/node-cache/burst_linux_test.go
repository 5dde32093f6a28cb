package main

import (
	"fmt"
	"net"
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
			Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 30}, A: net.IPv4(10, 1, 2, 3),
		}}
		_ = w.WriteMsg(m)
	})}).ActivateAndServe()
}

// burst asks for 400 new names within 100 ms, and prints how many got no answer.
func burst() error {
	fmt.Println("ready")
	var lost atomic.Int64
	var asking sync.WaitGroup
	client := &dns.Client{Timeout: 10 * time.Second}
	for i := range 400 {
		asking.Go(func() {
			q := new(dns.Msg).SetQuestion(fmt.Sprintf("new%d.prod.svc.cluster.local.", i), dns.TypeA)
			if m, _, err := client.Exchange(q, localAddr+":53"); err != nil || len(m.Answer) == 0 {
				lost.Add(1)
			}
		})
		time.Sleep(250 * time.Microsecond)
	}
	asking.Wait()
	fmt.Println(lost.Load(), 0, 0, 0, 0, 0, 0)
	return nil
}

// A burst of new names reaches dnsmasq, which accepts few TCP clients, although the
// Corefile demands TCP.
func TestBurst(t *testing.T) {
	n := newNetwork(t)
	n.start(n.kube, "PLAY=slow 127.0.0.1")
	const dnsmasqAddr = "10.50.1.3"
	n.in(n.kube, "ip addr add "+dnsmasqAddr+"/24 dev eth0")
	dnsmasq := exec.Command("ip", "netns", "exec", n.kube, "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-hosts",
		"--no-resolv", "--server=127.0.0.1#5353", "--listen-address="+dnsmasqAddr, "--bind-interfaces", "--dns-forward-max=1500",
		"--pid-file=", "--user=root")
	if err := dnsmasq.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dnsmasq.Process.Kill(); _ = dnsmasq.Wait() })
	agent := n.agentAt(dnsmasqAddr)
	if r := n.start(n.pod, "PLAY=burst").result(t); r[0] != 0 {
		t.Errorf("%d of 400 new names got no answer\n%s", r[0], agent.readLog())
	}
}
