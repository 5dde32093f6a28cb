//go:build chaos

package e2e

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// ask starts a load of names that are queried once.
func (r *alertRun) ask(t *testing.T, server string, rate int) {
	t.Helper()
	load := startLoad(t, loadOptions{server: server, rate: rate, mix: []share{{weight: 1, fresh: func() *asked {
		n := int(r.names.Add(1))
		name := fmt.Sprintf("f%d.alerts.example", n)
		return newAsked(classOutside, name, dns.TypeA, dns.RcodeSuccess, worldAddr(n).String())
	}}}})
	r.loads = append(r.loads, load)
}

// stopAsking stops all loads.
func (r *alertRun) stopAsking() {
	for _, load := range r.loads {
		load.stop()
	}
	r.loads = nil
}

// configLoops sets other servers for a, which its nanny cannot use without a restart. It sets two
// servers for b: an upstream that is its own dnsmasq, and a stub server without an address.
func (r *alertRun) configLoops(t *testing.T) func() {
	r.ask(t, r.b.dns, 60) // also during the next harm: the cache must overflow for some time
	r.a.configure(t, upstreams(r.two, r.one))
	loop := strings.Replace(r.config["upstreamNameservers"], "]", `, "`+r.b.dns+`"]`, 1)
	r.b.configure(t, map[string]string{
		"upstreamNameservers": loop, "stubDomains": `{"partner.example": ["ns.partner.invalid"]}`,
	})
	r.b.killDNSMasq(t)
	return func() {
		r.a.configure(t, r.config)
		r.b.configure(t, r.config)
	}
}

// configRefused sets an invalid ConfigMap for b and restarts its kube-dns, which then replies
// slowly. It removes slices and disk from a.
func (r *alertRun) configRefused(t *testing.T) func() {
	r.b.configure(t, map[string]string{"upstreamNameservers": `["no.address.example"]`})
	r.b.restart(t)
	resume := r.b.kubeDNS.stutter(t)

	r.hideSlices(t, true)
	away := r.a.state + ".away"
	move(t, r.a.state, away)
	if err := os.WriteFile(r.a.state, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return func() {
		resume()
		r.stopAsking()
		r.b.configure(t, r.config)
		if err := os.Remove(r.a.state); err != nil {
			t.Fatal(err)
		}
		move(t, away, r.a.state)
		r.hideSlices(t, false)
		r.waitReady(t)
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// hideSlices starts kube-dns of a with an API server with or without EndpointSlices.
func (r *alertRun) hideSlices(t *testing.T, hide bool) {
	t.Helper()
	r.a.proxy.down(t)
	r.a.proxy.hideDiscovery = hide
	r.a.proxy.up(t)
	r.a.restart(t)
}

// waitReady waits until both kube-dns have their data.
func (r *alertRun) waitReady(t *testing.T) {
	t.Helper()
	for _, m := range r.fleet.members {
		eventually(t, 30*time.Second, func() error {
			_, err := get(m.status+"/readiness", 200)
			return err
		})
	}
}

// apiAway starts both kube-dns without API server, one of them without a snapshot. The other's
// snapshot is almost an hour old.
func (r *alertRun) apiAway(t *testing.T) func() {
	snapshot := filepath.Join(r.a.state, "snapshot.yaml")
	waitFile(t, snapshot)
	for _, m := range r.fleet.members {
		m.proxy.down(t)
	}
	r.a.kubeDNS.kill()
	old := time.Now().Add(-50 * time.Minute)
	if err := os.Chtimes(snapshot, old, old); err != nil {
		t.Fatal(err)
	}
	r.a.restart(t)
	r.b.restart(t, "--snapshot=")
	return func() {
		for _, m := range r.fleet.members {
			m.proxy.up(t)
		}
		r.waitReady(t)
		r.b.restart(t)
		r.waitReady(t)
	}
}

// upstreamsFail makes both upstreams reply SERVFAIL. kube-dns of b starts with a wrong token, and
// kube-dns of a gets more TCP connections than it accepts.
func (r *alertRun) upstreamsFail(t *testing.T) func() {
	r.one.fail()
	r.two.fail()
	for _, m := range r.fleet.members {
		r.ask(t, m.dns, 20)
	}
	id := r.b.proxy.identity()
	id.token = "wrong"
	r.b.restart(t, "--kubecfg-file="+id.write(t))
	disconnect := connect(t, r.a.back, 8200)
	return func() {
		disconnect()
		r.stopAsking()
		r.one.set(answers)
		r.two.set(answers)
		r.b.restart(t)
		r.waitReady(t)
	}
}

// connect opens TCP connections that send one query and remain open until the server closes them.
func connect(t *testing.T, server string, n int) (disconnect func()) {
	t.Helper()
	query, err := new(dns.Msg).SetQuestion("kubernetes.default.svc.cluster.local.", dns.TypeA).Pack()
	if err != nil {
		t.Fatal(err)
	}
	query = append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)
	var conns []net.Conn
	for range n {
		conn, err := net.DialTimeout("tcp", server, clientTimeout)
		if err != nil {
			break // no more open files
		}
		_, _ = conn.Write(query) // the server can close it
		conns = append(conns, conn)
	}
	t.Logf("%d TCP connections were opened", len(conns))
	return func() {
		for _, conn := range conns {
			conn.Close()
		}
	}
}

// upstreamsSilent silences both upstreams, with more pending queries than dnsmasq of a and kube-dns
// of b accept.
func (r *alertRun) upstreamsSilent(t *testing.T) func() {
	r.one.silence()
	r.two.silence()
	r.ask(t, r.a.dns, 100)
	r.ask(t, r.b.back, 100)
	burst(t, r.b.back, 6000)
	return func() {
		r.stopAsking()
		r.one.set(answers)
		r.two.set(answers)
	}
}

// burst sends queries for outside names at the maximum rate and reads no reply.
func burst(t *testing.T, server string, n int) {
	t.Helper()
	conn, err := net.Dial("udp", server)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range n {
		wire, err := new(dns.Msg).SetQuestion(fmt.Sprintf("f%d.burst.example.", i), dns.TypeA).Pack()
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write(wire) // an error of an earlier packet
		if i%100 == 99 {
			time.Sleep(time.Millisecond)
		}
	}
}

// processesHang stops both kube-dns and dnsmasq of a with SIGSTOP.
func (r *alertRun) processesHang(t *testing.T) func() {
	pids := []int{r.a.kubeDNS.cmd.Process.Pid, r.b.kubeDNS.cmd.Process.Pid, r.a.dnsmasqPID()}
	signalAll(t, syscall.SIGSTOP, pids...)
	resume := sync.OnceFunc(func() { signalAll(t, syscall.SIGCONT, pids...) })
	t.Cleanup(resume)
	return resume
}

func signalAll(t *testing.T, sig syscall.Signal, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			t.Errorf("signal %d: %v", pid, err)
		}
	}
}

// stutter runs the process only for a short time in each third of a second.
func (p *process) stutter(t *testing.T) (resume func()) {
	t.Helper()
	done := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for sig := syscall.SIGSTOP; ; {
			pause := 300 * time.Millisecond
			if sig == syscall.SIGCONT {
				pause = 30 * time.Millisecond
			}
			signalAll(t, sig, p.cmd.Process.Pid)
			select {
			case <-done:
				signalAll(t, syscall.SIGCONT, p.cmd.Process.Pid)
				return
			case <-time.After(pause):
			}
			sig = syscall.SIGSTOP + syscall.SIGCONT - sig
		}
	})
	resume = sync.OnceFunc(func() { close(done); running.Wait() })
	t.Cleanup(resume)
	return resume
}

// oneLeft stops kube-dns of a. That of b does not read for a moment in which many queries arrive.
func (r *alertRun) oneLeft(t *testing.T) func() {
	r.a.kubeDNS.kill()
	signalAll(t, syscall.SIGSTOP, r.b.kubeDNS.cmd.Process.Pid)
	burst(t, r.b.back, 100_000)
	signalAll(t, syscall.SIGCONT, r.b.kubeDNS.cmd.Process.Pid)
	return func() {
		r.a.restart(t)
		r.waitReady(t)
	}
}
