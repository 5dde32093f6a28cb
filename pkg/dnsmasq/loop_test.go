package dnsmasq

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

const (
	leftOutLine = `msg="left out a server that leads back to dnsmasq`
	// noServersLine: dnsmasq has read a file without servers. A query before that would wait for
	// the end of its loop, and so would all others for the same name.
	noServersLine = confirmedLine + ` servers=\[\]`
)

// quickLoops makes a nanny test its servers often.
func quickLoops(o *Options) { o.LoopPeriod = 100 * time.Millisecond }

// loopWorlds create servers that lead back to the dnsmasq at addr.
var loopWorlds = map[string]func(t *testing.T, addr netip.AddrPort) netip.AddrPort{
	"direct": func(t *testing.T, addr netip.AddrPort) netip.AddrPort { return newRelay(t, addr).addr },
	"through a third server": func(t *testing.T, addr netip.AddrPort) netip.AddrPort {
		return newRelay(t, newRelay(t, addr).addr).addr
	},
	"through another dnsmasq": func(t *testing.T, addr netip.AddrPort) netip.AddrPort {
		other := startNanny(t, "--server="+upstreams.Server{Addr: addr}.String(), nil)
		other.configure()
		other.waitLog(1, answersLine)
		return other.addr
	},
}

// TestLoop: a server that leads back is dropped, named and counted, for any domain. Other servers
// remain.
func TestLoop(t *testing.T) {
	t.Parallel()
	good := newUpstream(t, "192.0.2.1")
	for world, server := range loopWorlds {
		for _, stub := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, stub %v", world, stub), func(t *testing.T) {
				t.Parallel()
				r := startNanny(t, "", nil)
				looping := server(t, r.addr)
				keys, metric := []string{keyUpstreams, fmt.Sprintf(`["%s","%s"]`, looping, good.Addr())},
					fmt.Sprintf(`domain="",server="%s"`, looping)
				want, name := good.text(), "x.test."
				if stub {
					keys = []string{keyStubs, fmt.Sprintf(`{"corp.test":["%s","%s"]}`, looping, good.Addr())}
					want, name = "/corp.test/"+good.text(), "x.corp.test."
					metric = fmt.Sprintf(`domain="corp.test",server="%s"`, looping)
				}
				r.configure(keys...)
				r.waitLog(1, leftOutLine+`.*server=`+looping.String())
				r.waitMetric(`kubedns_nanny_upstream_loop{` + metric + `} 1`)
				r.wait("the servers", func() bool { return r.serversFile() == want })
				r.waitAnswer(name, "192.0.2.1")
				if n := r.logged(leftOutLine); n != 1 {
					t.Errorf("named %d times, want once", n)
				}
			})
		}
	}
}

// TestLoopIsNeverTaken: a new server that leads back is never passed to dnsmasq. The other servers
// are, even if one of them is silent.
func TestLoopIsNeverTaken(t *testing.T) {
	t.Parallel()
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r := startNanny(t, "", nil)
	r.configure()
	r.waitLog(1, answersLine)
	relay := newRelay(t, r.addr)
	good := newUpstream(t, "192.0.2.1")
	r.configure(keyStubs, fmt.Sprintf(`{"corp.test":["%s"],"b.test":["%s"],"c.test":["%s"]}`, relay.addr, good.Addr(),
		silent.LocalAddr()))
	r.waitAnswer("x.b.test.", "192.0.2.1")
	r.waitLog(1, confirmedLine)
	if n := r.logged(`for domain corp.test.*` +
		strings.ReplaceAll(upstreams.Server{Addr: relay.addr}.String(), "#", ".")); n != 0 {
		t.Error("dnsmasq had the server that leads back")
	}
	if !strings.Contains(r.serversFile(),
		upstreams.Server{Addr: netip.MustParseAddrPort(silent.LocalAddr().String())}.String()) {
		t.Errorf("servers %s, want the silent one too", r.serversFile())
	}
	// All servers of the domain lead back: its names are not forwarded.
	relay.packets.Store(0)
	if got := r.answer("host.corp.test."); got != "REFUSED" {
		t.Errorf("answer %s, want REFUSED", got)
	}
	if n := relay.packets.Load(); n != 0 {
		t.Errorf("%d packets at the server that leads back, want none", n)
	}
}

// TestLoopInArguments: a server of dnsmasq's own options that leads back is named once. The nanny
// cannot drop it.
func TestLoopInArguments(t *testing.T) {
	t.Parallel()
	relay := newRelay(t, netip.MustParseAddrPort("127.0.0.1:9"))
	option := "--server=/corp.test/" + upstreams.Server{Addr: relay.addr}.String()
	r := startNanny(t, option+" --server=/#/192.0.2.1 --server=/local.test/", quickLoops)
	relay.target.Store(&r.addr)
	r.configure()
	r.waitLog(1, `level=ERROR msg="a server in dnsmasq's own options leads back.*" option="?`+option)
	r.waitMetric(`kubedns_nanny_upstream_loop{domain="corp.test",server="` + relay.addr.String() + `"} 1`)
	if got := r.serversFile(); got != "" || r.logged(leftOutLine) != 0 {
		t.Errorf("servers %q, left out %d; want none", got, r.logged(leftOutLine))
	}
	good := newUpstream(t, "192.0.2.1")
	back := good.AddrPort()
	relay.target.Store(&back)
	r.waitLog(1, "own options no longer leads back")
	r.waitAnswer("x.corp.test.", "192.0.2.1")
}

// TestLoopComesAndGoes: a server that leads back while dnsmasq runs is dropped, and used again
// after the loop has ended.
func TestLoopComesAndGoes(t *testing.T) {
	t.Parallel()
	good := newUpstream(t, "192.0.2.1")
	r := startNanny(t, "", quickLoops)
	relay := newRelay(t, good.AddrPort())
	r.configure(keyStubs, fmt.Sprintf(`{"corp.test":["%s"]}`, relay.addr))
	r.waitAnswer("x.corp.test.", "192.0.2.1")
	relay.target.Store(&r.addr)
	r.waitLog(1, leftOutLine)
	r.waitAnswer("y.corp.test.", "REFUSED")
	back := good.AddrPort()
	relay.target.Store(&back)
	r.waitAnswer("z.corp.test.", "192.0.2.1")
	r.wait("the metric to go", func() bool { return !strings.Contains(scrape(t, r.metrics), "upstream_loop{") })
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestReplicasThatPointAtEachOther: one of them drops the other.
func TestReplicasThatPointAtEachOther(t *testing.T) {
	t.Parallel()
	a, b := startNanny(t, "", quickLoops), startNanny(t, "", quickLoops)
	a.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, b.addr))
	b.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, a.addr))
	a.wait("a server to be left out", func() bool { return a.logged(noServersLine)+b.logged(noServersLine) > 0 })
	if a.logged(leftOutLine)+b.logged(leftOutLine) == 0 {
		t.Error("no line in the log names the server")
	}
	a.waitAnswer("x.test.", "REFUSED")
	b.waitAnswer("y.test.", "REFUSED")
}

// TestLoopPackets: one query causes no storm, even before a loop is found.
func TestLoopPackets(t *testing.T) {
	t.Parallel()
	good := newUpstream(t, "192.0.2.1")
	r := startNanny(t, "", func(o *Options) { o.LoopPeriod = time.Hour })
	relay := newRelay(t, good.AddrPort())
	r.configure(keyStubs, fmt.Sprintf(`{"corp.test":["%s"]}`, relay.addr))
	r.waitAnswer("x.corp.test.", "192.0.2.1")
	relay.target.Store(&r.addr)
	relay.packets.Store(0)
	r.answer("host.corp.test.") // waits for five seconds
	if n := relay.packets.Load(); n > 3 {
		t.Errorf("one query made %d packets, want 3 at most", n)
	}
}

func newTestLoops(t *testing.T) *loopTest {
	t.Helper()
	test, err := newLoopTest("127.0.0.1:1", time.Hour, newResults(NewMetrics(nil), testLog(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(test.close)
	return test
}

func TestMarkers(t *testing.T) {
	a := newTestLoops(t)
	long := strings.Repeat("a.", (maxMarked-1)/2) + "a"
	m, ok := a.marker(long)
	if name := randomLabel() + "." + m.Domain; !ok || len(name) > 253 {
		t.Errorf("a test name of %d characters", len(name))
	}
	if _, ok := a.marker(long + ".a"); ok {
		t.Error("a domain that has no room for a test name has a marker")
	}
	if m, ok := a.marker(""); !ok || !strings.HasSuffix(m.Domain, "."+loopBase) {
		t.Errorf("the marker of default servers is %v", m)
	}
}

// TestLoopServer: names outside tests are refused, broken packets ignored.
func TestLoopServer(t *testing.T) {
	test := newTestLoops(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- test.run(ctx, nil) }()
	conn, err := net.Dial("udp", test.self.String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = conn.Write([]byte("broken"))
	conn.Close()
	reply := dnstest.Exchange(t, test.self.String(), dnstest.Query("x.corp.test.", dns.TypeA), false)
	if reply.Rcode != dns.RcodeRefused {
		t.Errorf("rcode %s, want REFUSED", dns.RcodeToString[reply.Rcode])
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A relay passes UDP queries to another server.
type relay struct {
	addr    netip.AddrPort
	target  atomic.Pointer[netip.AddrPort]
	packets atomic.Int64 // received queries
}

func newRelay(t *testing.T, target netip.AddrPort) *relay {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	local, _ := conn.LocalAddr().(*net.UDPAddr)
	r := &relay{addr: local.AddrPort()}
	r.addr = netip.AddrPortFrom(r.addr.Addr().Unmap(), r.addr.Port())
	r.target.Store(&target)
	var relaying sync.WaitGroup
	t.Cleanup(func() {
		conn.Close()
		relaying.Wait()
	})
	relaying.Go(func() {
		b := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			r.packets.Add(1)
			query := string(b[:n])
			relaying.Go(func() {
				up, err := net.Dial("udp", r.target.Load().String())
				if err != nil {
					return
				}
				defer up.Close()
				_ = up.SetDeadline(time.Now().Add(time.Second))
				reply := make([]byte, 4096)
				_, _ = up.Write([]byte(query))
				if n, err := up.Read(reply); err == nil {
					_, _ = conn.WriteTo(reply[:n], from)
				}
			})
		}
	})
	return r
}
