package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// Names are asked by the part "names", this often in a second.
const (
	costNames = 400
	costRate  = 400
	costTTL   = 30
)

// slowKubeDNS answers every A query after 2 ms, until its input ends.
func slowKubeDNS(addr string) error {
	conn, err := net.ListenPacket("udp", net.JoinHostPort(addr, "53"))
	if err != nil {
		return err
	}
	go func() {
		_ = (&dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			time.Sleep(2 * time.Millisecond)
			m := new(dns.Msg).SetReply(q)
			m.Answer = []dns.RR{&dns.A{
				Hdr: dns.RR_Header{Name: q.Question[0].Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: costTTL}, A: net.IPv4(10, 1, 2, 3),
			}}
			_ = w.WriteMsg(m)
		})}).ActivateAndServe()
	}()
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return nil
}

// A sample is one query: when it was sent, and how long its reply took; 0: lost.
type sample struct {
	at, took time.Duration
}

// askNames asks for names until its input ends. It prints a line for each half second: queries,
// lost ones, median and 99th percentile of the rest.
func askNames() error {
	ctx, stop := context.WithCancel(context.Background())
	var mu sync.Mutex
	var samples []sample
	var running sync.WaitGroup
	running.Go(func() {
		start := time.Now()
		client := &dns.Client{Timeout: 5 * time.Second}
		for i := 0; ctx.Err() == nil; i++ {
			name := fmt.Sprintf("web%d.prod.svc.cluster.local.", i%costNames)
			running.Go(func() {
				sent := time.Now()
				m, _, err := client.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), net.JoinHostPort(serviceAddr, "53"))
				s := sample{at: sent.Sub(start)}
				if err == nil && len(m.Answer) > 0 {
					s.took = time.Since(sent)
				}
				mu.Lock()
				samples = append(samples, s)
				mu.Unlock()
			})
			time.Sleep(time.Until(start.Add(time.Duration(i) * time.Second / costRate)))
		}
	})
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
	running.Wait()
	printWindows(samples)
	return nil
}

func printWindows(samples []sample) {
	const window = 500 * time.Millisecond
	windows := map[time.Duration][]time.Duration{}
	for _, s := range samples {
		windows[s.at/window] = append(windows[s.at/window], s.took)
	}
	for at := time.Duration(0); len(windows[at]) > 0; at++ {
		took := windows[at]
		slices.Sort(took)
		lost, _ := slices.BinarySearch(took, 1)
		answered := took[lost:]
		if len(answered) == 0 {
			answered = []time.Duration{0}
		}
		fmt.Println(at*window, len(took), lost, answered[len(answered)/2], answered[len(answered)*99/100])
	}
}

var packets = regexp.MustCompile(`packets (\d+)`)

// TestHandoverCost counts the queries that kube-dns gets because the cache of a new agent is
// empty: one for each name, and those that are sent twice before the first reply.
func TestHandoverCost(t *testing.T) {
	n := newNetwork(t)
	const slowAddr = "10.50.1.4"
	n.in(n.kube, "ip addr add "+slowAddr+"/24 dev eth0")
	n.start(n.kube, "PLAY=slow-kube-dns "+slowAddr)
	n.in(n.kube, `echo "table ip count { chain in { type filter hook input priority 0; ip daddr `+slowAddr+` udp dport 53 counter; }; }" | nft -f -`)
	count := func() int {
		t.Helper()
		number, err := strconv.Atoi(packets.FindStringSubmatch(n.in(n.kube, "nft list table ip count"))[1])
		if err != nil {
			t.Fatal(err)
		}
		return number
	}
	current := n.agentAt(slowAddr)
	load := n.start(n.pod, "PLAY=names")
	time.Sleep(2 * time.Second)
	before := count()
	next := n.agentAt(slowAddr)
	current.terminate(t)
	time.Sleep(2 * time.Second)
	after := count()
	_ = load.in.Close()
	queries, lost := 0, 0
	for load.lines.Scan() {
		t.Log(load.lines.Text())
		fields := strings.Fields(load.lines.Text())
		all, _ := strconv.Atoi(fields[1])
		gone, _ := strconv.Atoi(fields[2])
		queries, lost = queries+all, lost+gone
	}
	t.Logf("%d queries, %d lost; kube-dns got %d before the hand-over, %d more after it", queries, lost, before, after-before)
	if queries == 0 {
		t.Error("there was no load")
	}
	// A client on a busy machine may ask for a name again before its first reply.
	if most := 5 * costNames; after-before > most {
		t.Errorf("kube-dns got %d queries after the hand-over, want at most %d", after-before, most)
	}
	next.terminate(t)
}
