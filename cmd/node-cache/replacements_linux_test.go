package main

import (
	"strings"
	"testing"
	"time"
)

// Agents replace each other twenty times without a lost query. At the end the last agent removes
// link, addresses and rules.
func TestReplacements(t *testing.T) {
	n := newNetwork(t)
	before := n.in(n.node, "ip -br addr; nft list tables")
	current := n.agent()
	load := n.start(n.pod, "PLAY=load")
	for range 20 {
		next := n.agent()
		current.terminate(t)
		current = next
	}
	r := load.result(t)
	if r[1]+r[3]+r[5] > 0 || r[0] == 0 || r[2] == 0 || r[4] == 0 {
		t.Errorf("lost %d of %d over UDP, %d of %d over TCP, %d of %d over kept connections\n%s",
			r[1], r[0], r[3], r[2], r[5], r[4], load.readLog())
	}
	t.Logf("%d over UDP, %d over TCP, %d over kept connections, which were closed %d times", r[0], r[2], r[4], r[6])
	current.terminate(t)
	if after := n.in(n.node, "ip -br addr; nft list tables"); after != before {
		t.Errorf("left behind: got\n%s\nwant\n%s", after, before)
	}
}

// foreignRules adds the rules of an agent of another kind.
const foreignRules = `echo "table ip foreign {
	chain pre {
		type filter hook prerouting priority -300
		ip daddr 10.96.0.10 notrack
	}
	chain out {
		type filter hook output priority -300
		ip saddr 10.96.0.10 notrack
	}
}" | nft -f -`

// An agent of another kind is replaced without a lost query, and removes its own link.
func TestReplaceForeign(t *testing.T) {
	n := newNetwork(t)
	n.in(n.node, "ip link add nodelocaldns type bridge && ip addr add "+localAddr+
		"/32 dev nodelocaldns && ip addr add "+serviceAddr+"/32 dev nodelocaldns && ip link set nodelocaldns up")
	n.in(n.node, foreignRules)
	foreign := n.start(n.node, "PLAY=foreign")
	load := n.start(n.pod, "PLAY=load")
	current := n.agent()
	_ = foreign.in.Close()
	_ = foreign.cmd.Wait()
	n.in(n.node, "nft delete table ip foreign; ip link del nodelocaldns")
	next := n.agent()
	current.terminate(t)
	r := load.result(t)
	if r[1]+r[3]+r[5] > 0 || r[0] == 0 {
		t.Errorf("lost %d of %d over UDP, %d of %d over TCP, %d of %d over kept connections\n%s",
			r[1], r[0], r[3], r[2], r[5], r[4], load.readLog())
	}
	next.terminate(t)
	if left := n.in(n.node, "ip -br link | grep nodelocal; nft list tables | grep node-cache || true"); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// An agent of another kind takes over, as in a roll-back: it gets the queries and the link.
func TestRollBack(t *testing.T) {
	n := newNetwork(t)
	current := n.agent()
	load := n.start(n.pod, "PLAY=load")
	foreign := n.start(n.node, "PLAY=foreign")
	n.in(n.node, foreignRules)
	current.terminate(t)
	ended := time.Now()
	time.Sleep(time.Second) // of queries to only the other agent
	r := load.result(t)
	if late := load.lostSince(t, ended); len(late) > 0 || r[0] == 0 {
		t.Errorf("lost %d of %d queries that were sent after the agent ended:\n%s", len(late), r[0],
			strings.Join(late, ""))
	}
	t.Logf("lost %d of %d over UDP, %d of %d over TCP, %d of %d over kept connections", r[1], r[0], r[3], r[2], r[5],
		r[4])
	if addrs := n.in(n.node, "ip -br addr"); !strings.Contains(addrs, localAddr) ||
		!strings.Contains(addrs, serviceAddr) {
		t.Errorf("the other agent has no addresses:\n%s", addrs)
	}
	_ = foreign.in.Close()
	_ = foreign.cmd.Wait()
}
