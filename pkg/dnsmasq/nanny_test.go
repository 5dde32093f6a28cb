package dnsmasq

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/internal/process/processtest"
)

// TestOverload: dnsmasq's complaints about too many pending queries are counted, and its limit is
// ours only if the arguments set none.
func TestOverload(t *testing.T) {
	t.Parallel()
	slow := newSlowUpstream(t, "192.0.2.1", 2*time.Second)
	r := startNanny(t, "--dns-forward-max=2", nil)
	r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, slow.Addr()))
	r.waitLog(1, answersLine)
	var asking sync.WaitGroup
	for i := range 10 {
		asking.Go(func() { r.answer(fmt.Sprintf("host%d.test.", i)) })
	}
	asking.Wait()
	r.wait("the count", func() bool {
		text := scrape(t, r.metrics)
		return !strings.Contains(text, "kubedns_nanny_dnsmasq_overload_lines_total 0")
	})
	if n := r.logged(`dns-forward-max=1500`); n != 0 {
		t.Error("the limit in the arguments was overridden")
	}
}

// TestIdleTCPClients: idle TCP clients do not block other clients.
func TestIdleTCPClients(t *testing.T) {
	t.Parallel()
	a := newUpstream(t, "192.0.2.1")
	r := startNanny(t, "", nil)
	r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, a.Addr()))
	r.waitLog(1, answersLine)
	if n := r.logged("--max-tcp-connections="); n == 0 {
		t.Skip("this dnsmasq does not know --max-tcp-connections")
	}
	for range 25 { // dnsmasq serves 20 by default
		client, err := net.Dial("tcp", r.addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if _, err := dnstest.TryExchange(ctx, r.addr.String(), dnstest.Query("x.test.", dns.TypeA), true); err != nil {
		t.Errorf("a query over TCP behind 25 idle clients: %v", err)
	}
}

// TestDeath: a dnsmasq that dies is restarted in place, although a child that it forked for a TCP
// client holds its port.
func TestDeath(t *testing.T) {
	t.Parallel()
	a := newUpstream(t, "192.0.2.1")
	r := startNanny(t, "", nil)
	r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, a.Addr()))
	r.waitLog(1, answersLine)
	client, err := net.Dial("tcp", r.addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	pid, _ := strconv.Atoi(r.pids()[0])
	r.wait("the child", func() bool { return groupSize(t, pid) == 2 })
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.waitLog(2, answersLine)
	r.waitAnswer("x.test.", "192.0.2.1")
	if n := r.logged(`msg="dnsmasq ended"`); n != 1 {
		t.Errorf("dnsmasq ended %d times, want once: its port was free at once", n)
	}
	r.waitMetric(`kubedns_nanny_dnsmasq_starts_total{reason="died"} 1`)
}

// groupSize counts the processes of a group.
func groupSize(t *testing.T, pgid int) int {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range paths {
		b, _ := os.ReadFile(path)
		rest := string(b[bytes.LastIndex(b, []byte(") "))+1:])
		if f := strings.Fields(rest); len(f) > 2 && f[2] == strconv.Itoa(pgid) {
			n++
		}
	}
	return n
}

// TestDeaths: a permanent failure is final, with dnsmasq's own words.
func TestDeaths(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script string
		starts int
		err    string
	}{
		"bad configuration": {"say=bad_option exit=1", 1,
			"dnsmasq does not start: exit code 1 (bad configuration): bad_option"},
		"file system": {"exit=3", 1, "dnsmasq does not start: exit code 3 (file system): "},
		"other":       {"exit=5", 1, "dnsmasq does not start: exit code 5 (other): "},
		"port taken, five times": {"say=taken exit=2", 5,
			"dnsmasq ended 5 times within 1m0s, the last time with exit code 2 (network, often a port that is taken): taken"},
		"five orderly ends": {"exit=0", 5, "dnsmasq ended 5 times within 1m0s, the last time with exit code 0: "},
		"five crashes":      {"kill=9", 5, "dnsmasq ended 5 times within 1m0s, the last time with signal 9 (killed): "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startNanny(t, "", func(o *Options) {
				o.Exec, o.Args = processtest.Command(t, tt.script)
				// A server at port 53 of this machine is not mistaken for the script.
				o.Args = append(o.Args, "--port="+dnstest.FreeAddr(t).String()[len("127.0.0.1:"):])
			})
			r.configure()
			select {
			case <-r.ended:
			case <-time.After(patience):
				t.Fatal("the nanny goes on")
			}
			if !strings.HasPrefix(errText(r.err), tt.err) {
				t.Errorf("got error %v, want %s", r.err, tt.err)
			}
			if got := len(r.pids()); got != tt.starts {
				t.Errorf("%d starts, want %d", got, tt.starts)
			}
		})
	}
}

func TestCannotStart(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", func(o *Options) { o.Exec = "/nonexistent/dnsmasq" })
	r.configure()
	<-r.ended
	const want = "cannot start dnsmasq: -dnsmasqExec=/nonexistent/dnsmasq: no such file or directory: set "
	if !strings.HasPrefix(errText(r.err), want) {
		t.Errorf("error %v, want %s...", r.err, want)
	}
}

// TestLogStatistics: dnsmasq is signaled to log its statistics.
func TestLogStatistics(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", func(o *Options) { o.LogInterval = 50 * time.Millisecond })
	r.configure()
	r.waitLog(2, "cache size 150,")
}

// TestHealth: readiness depends on dnsmasq, health only on the nanny.
func TestHealth(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", nil)
	if _, err := r.nanny.Ready(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "waiting for the first configuration") {
		t.Errorf("ready at first: got %v, want that it waits for a configuration", err)
	}
	r.configure()
	r.wait("readiness", func() bool { _, err := r.nanny.Ready(t.Context()); return err == nil })
	if text, err := r.nanny.Alive(t.Context()); err != nil || text != "ok" {
		t.Errorf("alive: got %q, %v, want ok", text, err)
	}
	r.waitMetric("kubedns_nanny_dnsmasq_up 1")
	_ = r.stop()
	if _, err := r.nanny.Alive(t.Context()); err == nil {
		t.Error("alive after the end: got no error")
	}
}

// TestStop: dnsmasq has exited when Run returns.
func TestStop(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", nil)
	r.configure()
	r.waitLog(1, answersLine)
	if err := r.stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	conn, err := net.ListenPacket("udp", r.addr.String())
	if err != nil {
		t.Fatalf("the port is still taken: %v", err)
	}
	conn.Close()
	if n := r.logged(`msg="dnsmasq stopped" status="exit code 0"`); n != 1 {
		t.Error("dnsmasq did not end in an orderly way")
	}
}

func TestOptionsValidate(t *testing.T) {
	good := Options{Exec: "/x", Config: make(feed), KubeDNS: "127.0.0.1:53"}
	tests := map[string]struct {
		change func(*Options)
		want   string
	}{
		"good":      {func(*Options) {}, ""},
		"no exec":   {func(o *Options) { o.Exec = "" }, "the path of dnsmasq is empty"},
		"no config": {func(o *Options) { o.Config = nil }, "there is no source of configurations"},
		"no port": {
			func(o *Options) { o.KubeDNS = "127.0.0.1" },
			`the address of kube-dns "127.0.0.1" is not host:port, such as 127.0.0.1:10053: ` +
				"address 127.0.0.1: missing port in address",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			opts := good
			tt.change(&opts)
			_, err := New(opts)
			if errText(err) != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}
