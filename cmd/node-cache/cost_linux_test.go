package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// The part "names" queries that number of names, which start with costPrefix.
const (
	costNames  = 100
	costPrefix = "cost"
)

// countingKubeDNS answers every A query. For each line of its input it prints the number of queries
// for those names, and the number of distinct names.
func countingKubeDNS(addr string) error {
	conn, err := net.ListenPacket("udp", net.JoinHostPort(addr, "53"))
	if err != nil {
		return err
	}
	arrived := make(chan string)
	go func() {
		for buf := make([]byte, dns.MaxMsgSize); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			q := new(dns.Msg)
			if q.Unpack(buf[:n]) != nil || len(q.Question) != 1 || q.Question[0].Qtype != dns.TypeA {
				continue
			}
			arrived <- q.Question[0].Name
			m := new(dns.Msg).SetReply(q)
			m.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 3600},
				A:   net.IPv4(10, 1, 2, 3),
			}}
			if reply, err := m.Pack(); err == nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
	fmt.Println("ready")
	lines := make(chan string)
	go func() {
		defer close(lines)
		for input := bufio.NewScanner(os.Stdin); input.Scan(); {
			lines <- input.Text()
		}
	}()
	queries, names := 0, map[string]bool{}
	for {
		select {
		case name := <-arrived:
			if strings.HasPrefix(name, costPrefix) { // otherwise the agent's own query
				queries++
				names[name] = true
			}
		case _, ok := <-lines:
			if !ok {
				return nil
			}
			fmt.Println(queries, len(names))
			queries, names = 0, map[string]bool{}
		}
	}
}

// askNames queries each name once, in sequence, and prints the number without a reply.
func askNames() error {
	fmt.Println("ready")
	lost := 0
	client := &dns.Client{Timeout: patience}
	for i := range costNames {
		q := new(dns.Msg).SetQuestion(fmt.Sprintf("%s%d.prod.svc.cluster.local.", costPrefix, i), dns.TypeA)
		if m, _, err := client.Exchange(q, net.JoinHostPort(serviceAddr, "53")); err != nil || len(m.Answer) == 0 {
			lost++
			fmt.Fprintln(os.Stderr, "lost:", q.Question[0].Name, err)
		}
	}
	fmt.Println(lost, 0, 0, 0, 0, 0, 0)
	return nil
}

// The cache of a new agent is empty: kube-dns receives each name once more, and not again.
func TestHandoverCost(t *testing.T) {
	n := newNetwork(t)
	const addr = "10.50.1.4"
	n.in(n.kube, "ip addr add "+addr+"/24 dev eth0")
	kubeDNS := n.start(n.kube, "PLAY=counting-kube-dns "+addr)
	current := n.agentAt(addr)
	ask := func(when string, want int) {
		t.Helper()
		load := n.start(n.pod, "PLAY=names")
		if r := load.result(t); r[0] > 0 {
			t.Errorf("%s: %d of %d names got no answer\n%s", when, r[0], costNames, load.readLog())
		}
		_, _ = fmt.Fprintln(kubeDNS.in)
		if !kubeDNS.lines.Scan() {
			t.Fatal(kubeDNS.readLog())
		}
		var queries, names int
		if _, err := fmt.Sscan(kubeDNS.lines.Text(), &queries, &names); err != nil {
			t.Fatal(err)
		}
		// An agent on a busy machine retries before it reads the reply.
		t.Logf("%s: kube-dns got %d queries", when, queries)
		if names != want {
			t.Errorf("%s: kube-dns got queries for %d names, want %d", when, names, want)
		}
	}
	ask("first agent, first time", costNames)
	ask("first agent, second time", 0)
	next := n.agentAt(addr)
	current.terminate(t)
	ask("next agent, first time", costNames)
	ask("next agent, second time", 0)
	next.terminate(t)
}
