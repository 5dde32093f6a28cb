package dnsmasq

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/config"
)

const (
	confirmedLine   = `msg="servers changed without a restart" result=confirmed`
	unconfirmedLine = `msg="servers changed without a restart" result=unconfirmed`
	answersLine     = `msg="dnsmasq answers"`
)

// TestChangeWithoutRestart: stub domains and upstreams change while dnsmasq runs.
func TestChangeWithoutRestart(t *testing.T) {
	t.Parallel()
	a, b, c := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2"), newUpstream(t, "192.0.2.3")
	r := startNanny(t, "", nil)
	r.configure(stubs, fmt.Sprintf(`{"acme.test":["%s"]}`, a.Addr()), upstreams, fmt.Sprintf(`["%s"]`, b.Addr()))
	r.waitAnswer("www.acme.test.", "192.0.2.1")
	r.waitAnswer("www.widget.test.", "192.0.2.2")

	r.configure(stubs, fmt.Sprintf(`{"widget.test":["%s"]}`, c.Addr()), upstreams, fmt.Sprintf(`["%s"]`, a.Addr()))
	r.waitLog(1, confirmedLine)
	if got := r.answer("www.widget.test."); got != "192.0.2.3" {
		t.Errorf("the new stub domain answers %s, want 192.0.2.3", got)
	}
	want := fmt.Sprintf("/widget.test/%s %s /acme.test/%s %s", c.text(), a.text(), a.text(), b.text())
	if got := r.serversFile(); got != want {
		t.Errorf("servers file at first\n%s, want the old servers behind the new ones\n%s", got, want)
	}
	r.waitLog(2, confirmedLine)
	if got, want := r.serversFile(), fmt.Sprintf("/widget.test/%s %s", c.text(), a.text()); got != want {
		t.Errorf("servers file in the end\n%s, want\n%s", got, want)
	}
	if got := r.answer("other.test."); got != "192.0.2.1" {
		t.Errorf("the new upstream answers %s, want 192.0.2.1", got)
	}
	r.waitMetric(`kubedns_nanny_reloads_total{result="confirmed"} 2`)
	if err := r.stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestQueriesInFlight: queries that wait for a server that is no longer wanted
// are answered, because the server stays listed for a while.
func TestQueriesInFlight(t *testing.T) {
	t.Parallel()
	old, next := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2")
	old.delay = 2 * time.Second
	r := startNanny(t, "", nil)
	r.configure(upstreams, fmt.Sprintf(`["%s"]`, old.Addr()))
	r.waitLog(1, answersLine)

	const queries = 20
	answers := make([]string, queries)
	var asking sync.WaitGroup
	for i := range queries {
		asking.Go(func() { answers[i] = r.answer(fmt.Sprintf("host%d.test.", i)) })
	}
	for i := range queries {
		r.wait("the queries to arrive", func() bool { return old.count(fmt.Sprintf("host%d.test.", i)) > 0 })
	}
	r.configure(upstreams, fmt.Sprintf(`["%s"]`, next.Addr()))
	r.waitLog(1, confirmedLine)
	asking.Wait()
	for i, got := range answers {
		if got != "192.0.2.1" && got != "192.0.2.2" {
			t.Errorf("query %d: %s, want an answer", i, got)
		}
	}
}

// TestNothingChanged: an equal configuration gives no signal.
func TestNothingChanged(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", nil)
	r.configure(upstreams, `["192.0.2.1"]`)
	r.waitLog(1, answersLine)
	for i := range 3 {
		r.configure(upstreams, `["192.0.2.1"]`, "federations", fmt.Sprintf("f%d=example.com", i))
	}
	r.configure(upstreams, `["192.0.2.2"]`)
	r.waitLog(1, confirmedLine)
	if n := r.logged("read /etc/ethers|using nameserver 192.0.2.2#53"); n > 2 {
		t.Errorf("dnsmasq read its servers %d times, want one reload (two lines)", n)
	}
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestEarlyChange: a change in dnsmasq's first moments, when a SIGHUP would end
// it, waits for its first answer.
func TestEarlyChange(t *testing.T) {
	t.Parallel()
	for i := range 5 {
		r := startNanny(t, "", nil)
		r.configure(upstreams, `["192.0.2.1"]`)
		r.configure(upstreams, `["192.0.2.2"]`)
		r.waitLog(1, answersLine)
		r.wait("the change", func() bool { return strings.HasPrefix(r.serversFile(), "192.0.2.2") })
		r.waitLog(1, confirmedLine)
		if err := r.stop(); err != nil || len(r.pids()) != 1 {
			t.Errorf("round %d: %v, processes %v", i, err, r.pids())
		}
	}
}

// TestNoSignalBeforeAnswer: a child that never answers gets no signal at all.
func TestNoSignalBeforeAnswer(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", func(o *Options) {
		o.LogInterval = 10 * time.Millisecond
		path, args := faked(t, "say=ready sleep=1s exit=0") // SIGUSR1 would end it
		script := filepath.Join(publicDir(t), "dnsmasq")
		text := "#!/bin/sh\nexec " + path + " '" + strings.Join(args, "' '") + "' \"$@\"\n"
		if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		o.Exec = script
	})
	r.configure(upstreams, `["192.0.2.1"]`)
	r.waitLog(1, "line=ready")
	r.configure(upstreams, `["192.0.2.2"]`)
	r.waitLog(1, `msg="dnsmasq ended" .*status="exit code 0`)
	if n := r.logged(`status="signal`); n != 0 {
		t.Errorf("%d children died of a signal", n)
	}
}

// TestStrictOrder: with --strict-order the first server in the list is asked,
// after a change of the order too.
func TestStrictOrder(t *testing.T) {
	t.Parallel()
	a, b := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2")
	r := startNanny(t, "--strict-order", nil)
	r.configure(upstreams, fmt.Sprintf(`["%s","%s"]`, b.Addr(), a.Addr()), stubs, fmt.Sprintf(`{"acme.test":["%s","%s"]}`, a.Addr(), b.Addr()))
	r.waitAnswer("x.test.", "192.0.2.2")
	r.waitAnswer("x.acme.test.", "192.0.2.1")
	r.configure(upstreams, fmt.Sprintf(`["%s","%s"]`, a.Addr(), b.Addr()), stubs, fmt.Sprintf(`{"acme.test":["%s","%s"]}`, b.Addr(), a.Addr()))
	r.waitLog(1, confirmedLine)
	for i := range 10 {
		if got := r.answer(fmt.Sprintf("x%d.test.", i)); got != "192.0.2.1" {
			t.Errorf("upstreams: %s, want the first", got)
		}
		if got := r.answer(fmt.Sprintf("x%d.acme.test.", i)); got != "192.0.2.2" {
			t.Errorf("stub domain: %s, want the first", got)
		}
	}
}

// TestResolvConfFollowed: without upstreams of the configuration those of
// resolv.conf are rendered, and followed; switching needs no restart.
func TestResolvConfFollowed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(publicDir(t), "resolv.conf")
	put(t, path, "nameserver 192.0.2.1\nnameserver 192.0.2.2\n", 0)
	r := startNanny(t, "", func(o *Options) { o.Args = append(o.Args[:len(o.Args)-1], "-r"+path) })
	r.configure()
	r.waitLog(1, answersLine)
	steps := []struct {
		do   func()
		want string
	}{
		{func() {}, "192.0.2.1 192.0.2.2"},
		{func() { put(t, path, "nameserver 192.0.2.1\nnameserver 192.0.2.3\n", time.Second) }, "192.0.2.1 192.0.2.3 192.0.2.2"},
		{func() { r.configure(upstreams, `["192.0.2.9"]`) }, "192.0.2.9 192.0.2.1 192.0.2.3 192.0.2.2"},
		{func() { r.configure() }, "192.0.2.1 192.0.2.3 192.0.2.9 192.0.2.2"},
	}
	for i, step := range steps {
		step.do()
		r.wait(fmt.Sprintf("step %d: %s", i+1, step.want), func() bool { return r.serversFile() == step.want })
		r.waitLog(i, confirmedLine)
	}
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestOwnUpstreams: arguments with a server of their own keep dnsmasq's reading
// of resolv.conf; upstreams of the configuration need a restart then.
func TestOwnUpstreams(t *testing.T) {
	t.Parallel()
	own, other := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2")
	r := startNanny(t, "--strict-order -S"+own.text(), nil)
	r.configure()
	r.waitAnswer("x.test.", "192.0.2.1")
	if got := r.serversFile(); got != "" {
		t.Errorf("servers file %q, want none", got)
	}
	if n := r.logged(`"?--no-resolv`); n != 0 {
		t.Error("dnsmasq was started with --no-resolv")
	}
	r.configure(upstreams, fmt.Sprintf(`["%s"]`, other.Addr()))
	r.waitLog(2, answersLine)
	if n := r.logged(`started.*--no-resolv`); n != 1 {
		t.Errorf("%d starts with --no-resolv, want one", n)
	}
	r.waitMetric(`kubedns_nanny_dnsmasq_starts_total{reason="change"} 1`)
}

// TestStepsBack: where the servers file cannot work, servers are arguments, and
// one line says why.
func TestStepsBack(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	writeFiles(t, dir, map[string]string{"servers": "", "own.conf": "servers-file=" + dir + "/servers\n", "file": ""})
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args   string
		change func(*Options)
		why    string
	}{
		"a servers file in the arguments":  {"--servers-file=" + dir + "/servers", nil, "has a --servers-file already: " + dir + "/servers"},
		"a servers file, cut":              {"--servers " + dir + "/servers", nil, "has a --servers-file already"},
		"a servers file in another file":   {"-C" + dir + "/own.conf", nil, "has a --servers-file already"},
		"no state directory":               {"", func(o *Options) { o.StateDir = dir + "/file/x" }, "no state directory: mkdir"},
		"a directory dnsmasq cannot enter": {"", func(o *Options) { o.StateDir = closed + "/x" }, "dnsmasq's user nobody cannot enter " + closed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(tt.why, "cannot enter") && os.Geteuid() != 0 {
				t.Skip("dnsmasq changes its user only for root")
			}
			a, b := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2")
			r := startNanny(t, tt.args, tt.change)
			r.configure(stubs, fmt.Sprintf(`{"acme.test":["%s"]}`, a.Addr()))
			r.waitAnswer("x.acme.test.", "192.0.2.1")
			r.configure(stubs, fmt.Sprintf(`{"acme.test":["%s"]}`, b.Addr()))
			r.waitAnswer("x.acme.test.", "192.0.2.2")
			if n := r.logged(`msg="dnsmasq gets its servers as arguments.*` + tt.why); n != 1 {
				t.Errorf("%d log lines say why, want one", n)
			}
			r.waitMetric("kubedns_nanny_servers_file 0")
			r.waitMetric(`kubedns_nanny_dnsmasq_starts_total{reason="change"} 1`)
		})
	}
}

// TestDirectoryRights: when dnsmasq can no longer read the servers file, it says
// so, and the old servers stay.
func TestDirectoryRights(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("dnsmasq changes its user only for root")
	}
	a, b := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2")
	r := startNanny(t, "", nil)
	r.configure(stubs, fmt.Sprintf(`{"acme.test":["%s"]}`, a.Addr()))
	r.waitAnswer("x.acme.test.", "192.0.2.1")
	r.waitLog(1, answersLine)
	time.Sleep(2 * alarmTime) // the check of the start
	if err := os.Chmod(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r.configure(stubs, fmt.Sprintf(`{"acme.test":["%s"]}`, b.Addr()))
	r.waitLog(1, `msg="new servers taken back" reason="dnsmasq complained`)
	if got, want := r.serversFile(), "/acme.test/"+a.text(); got != want {
		t.Errorf("servers file %s, want the old one, %s", got, want)
	}
	if got := r.answer("x.acme.test."); got != "192.0.2.1" {
		t.Errorf("answer %s, want that of the old server", got)
	}
	r.waitMetric(`kubedns_nanny_reloads_total{result="rolled_back"} 1`)
	r.waitMetric(`kubedns_nanny_config_refused{reason="rolled_back"} 1`)

	// A next change is tried again.
	if err := os.Chmod(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.configure(stubs, fmt.Sprintf(`{"acme.test":["%s"],"other.test":["%s"]}`, b.Addr(), b.Addr()))
	r.waitLog(1, confirmedLine)
	if n := r.logged(`taken back`); n != 1 {
		t.Errorf("taken back %d times, want once", n)
	}
}

// TestUnconfirmed: where dnsmasq does not say what servers it has, nothing is
// taken back.
func TestUnconfirmed(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ args, server string }{
		"it does not tell":     {"--no-ident", ""},
		"one is dnsmasq's own": {"", "own"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newUpstream(t, "192.0.2.1")
			r := startNanny(t, tt.args, nil)
			r.configure()
			r.waitLog(1, answersLine)
			server, line := a.Addr(), unconfirmedLine
			if tt.server == "own" {
				server, line = r.addr.String(), confirmedLine
			}
			r.configure(stubs, fmt.Sprintf(`{"acme.test":["%s"]}`, server))
			r.waitLog(1, line)
			if n := r.logged("taken back"); n != 0 {
				t.Error("taken back")
			}
			if tt.server == "own" {
				r.waitMetric(`kubedns_nanny_disabled_servers{reason="local",server="127.0.0.1"} 1`)
				return
			}
			r.waitAnswer("x.acme.test.", "192.0.2.1")
		})
	}
}

// TestLoop: upstreams that lead back to dnsmasq are named.
func TestLoop(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", nil)
	relay := newRelay(t, r.addr)
	r.configure(upstreams, fmt.Sprintf(`["%s"]`, relay))
	r.waitLog(1, "an upstream nameserver leads back to dnsmasq.*server="+relay)
	r.waitMetric(fmt.Sprintf(`kubedns_nanny_upstream_loop{server="%s"} 1`, relay))
	r.configure(upstreams, `["192.0.2.1"]`)
	r.waitLog(1, "does not lead back to dnsmasq any more.*server="+relay)
}

// TestLoopDetect: what dnsmasq's own detection disables is named, too.
func TestLoopDetect(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "--dns-loop-detect", nil)
	relay := newRelay(t, r.addr)
	r.configure(upstreams, fmt.Sprintf(`["%s","192.0.2.1"]`, relay))
	r.waitMetric(fmt.Sprintf(`kubedns_nanny_disabled_servers{reason="loop",server="%s"} 1`, relay))
	r.waitLog(1, "dnsmasq does not use a server.*server="+relay)
	if n := r.logged("restarting dnsmasq"); n != 0 {
		t.Error("dnsmasq was restarted")
	}
}

// newRelay returns the address of a server that passes UDP queries to another.
func newRelay(t *testing.T, target interface{ String() string }) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
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
			query := string(b[:n])
			relaying.Go(func() {
				up, err := net.Dial("udp", target.String())
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
	return conn.LocalAddr().String()
}

// TestNamedStubServer: a stub server given by name comes in when kube-dns knows
// it, and follows its address.
func TestNamedStubServer(t *testing.T) {
	t.Parallel()
	kubeDNS := dnstest.NewServer(t, clusterDNS(t))
	r := startNanny(t, "--server=/cluster.test/"+Server{Addr: kubeDNS.AddrPort()}.String(), func(o *Options) {
		o.KubeDNS = kubeDNS.Addr()
		o.NamePeriod = 20 * time.Millisecond
	})
	r.configure(stubs, `{"acme.test":["dns.acme.svc.cluster.test"],"widget.test":["none.acme.svc.cluster.test","192.0.2.1"]}`)
	const want = "/acme.test/192.0.2.8 /acme.test/192.0.2.9 /acme.test/2001:db8::8 /widget.test/192.0.2.1"
	r.wait("the addresses", func() bool { return r.serversFile() == want })
	r.waitLog(1, `stub server left out.*name=none.acme.svc.cluster.test`)
	r.waitMetric("kubedns_nanny_unresolved_names 1")
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestRestartsOff: without -restartDnsmasq a change is only noted.
func TestRestartsOff(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", func(o *Options) { o.Restart = false })
	r.configure(stubs, `{"acme.test":["192.0.2.1"]}`)
	r.waitLog(1, answersLine)
	for _, server := range []string{"192.0.2.2", "192.0.2.3"} {
		r.configure(stubs, `{"acme.test":["`+server+`"]}`)
		r.waitMetric("kubedns_nanny_config_pending 1")
	}
	r.waitLog(2, "the configuration changed, but dnsmasq goes on with the old one")
	r.configure(stubs, `{"acme.test":["192.0.2.1"]}`)
	r.waitMetric("kubedns_nanny_config_pending 0")
	if n := r.logged(`started.*--server,?\s*/acme.test/192.0.2.1|started.*--server /acme.test/192.0.2.1`); n != 1 {
		t.Errorf("%d starts with the stub domain as an argument, want one", n)
	}
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestLastGoodConfiguration: an invalid configuration at the start does not drop
// the stub domains of the last one that was valid.
func TestLastGoodConfiguration(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	named := func(o *Options) { o.ConfigName, o.StateDir = "/config", dir }
	r := startNanny(t, "", named)
	r.configure(stubs, `{"acme.test":["192.0.2.1"]}`)
	r.waitLog(1, answersLine)
	invalid := config.Update{Version: "2", Err: &config.KeyError{Key: stubs, Reason: "bad"}}
	r.update(invalid)
	r.waitMetric(`kubedns_nanny_config_refused{reason="stubDomains"} 1`)
	r.stop()

	r = startNanny(t, "", named)
	r.dir = dir
	r.update(invalid)
	r.waitLog(1, answersLine)
	if got, want := r.serversFile(), "/acme.test/192.0.2.1"; got != want {
		t.Errorf("servers %q, want %q", got, want)
	}
	r.waitMetric(`kubedns_nanny_config_info{source="last_good",version="` + config.Version(config.Format(parse(t, stubs, `{"acme.test":["192.0.2.1"]}`))) + `"} 1`)
	r.waitMetric(`kubedns_nanny_config_refused{reason="stubDomains"} 1`)
	r.configure()
	r.wait("the new configuration", func() bool { return r.logged(`kubedns|config_info|configuration changed`) > 0 })
	r.wait("no refusal", func() bool { return !strings.Contains(scrape(t, r.metrics), "config_refused{") })
	r.stop()

	// A directory that is missing is no mistake: it stands for no configuration.
	r = startNanny(t, "", named)
	r.dir = dir
	r.update(config.Update{Err: fmt.Errorf("read config directory: %w", os.ErrNotExist)})
	r.waitLog(1, answersLine)
	if got := r.serversFile(); got != "" {
		t.Errorf("servers %q, want none", got)
	}
}

// TestDeath: a dnsmasq that dies is started again in place, though a child that
// it forked for a TCP client holds its port.
func TestDeath(t *testing.T) {
	t.Parallel()
	a := newUpstream(t, "192.0.2.1")
	r := startNanny(t, "", nil)
	r.configure(upstreams, fmt.Sprintf(`["%s"]`, a.Addr()))
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
		_, rest, _ := cutLast(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 2 && f[2] == strconv.Itoa(pgid) {
			n++
		}
	}
	return n
}

// TestDeaths: what cannot be cured is given up, with dnsmasq's own words.
func TestDeaths(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		script string
		starts int
		err    string
	}{
		"bad configuration":      {"say=bad_option exit=1", 1, "dnsmasq does not start: exit code 1 (bad configuration): bad_option"},
		"file system":            {"exit=3", 1, "dnsmasq does not start: exit code 3 (file system): "},
		"other":                  {"exit=5", 1, "dnsmasq does not start: exit code 5 (other): "},
		"port taken, five times": {"say=taken exit=2", 5, "dnsmasq ended 5 times within 1m0s, the last time with exit code 2 (network, often a port that is taken): taken"},
		"five orderly ends":      {"exit=0", 5, "dnsmasq ended 5 times within 1m0s, the last time with exit code 0: "},
		"five crashes":           {"kill=9", 5, "dnsmasq ended 5 times within 1m0s, the last time with signal 9 (killed): "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startNanny(t, "", func(o *Options) { o.Exec, o.Args = faked(t, tt.script) })
			r.configure()
			select {
			case <-r.ended:
			case <-time.After(patience):
				t.Fatal("the nanny goes on")
			}
			if errText(r.err) != tt.err {
				t.Errorf("error %v, want %s", r.err, tt.err)
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
	if want := "start dnsmasq: fork/exec /nonexistent/dnsmasq: no such file or directory"; errText(r.err) != want {
		t.Errorf("error %v, want %s", r.err, want)
	}
}

// TestLogStatistics: dnsmasq is asked to log its statistics.
func TestLogStatistics(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", func(o *Options) { o.LogInterval = 50 * time.Millisecond })
	r.configure()
	r.waitLog(2, "cache size 150,")
}

// TestHealth: readiness follows dnsmasq and the drain, health the nanny alone.
func TestHealth(t *testing.T) {
	t.Parallel()
	draining := make(chan struct{})
	r := startNanny(t, "", func(o *Options) { o.Draining = draining })
	if code, text := get(r.nanny.Readiness); code != http.StatusServiceUnavailable || !strings.Contains(text, "waiting for the first configuration") {
		t.Errorf("readiness at first: %d %s", code, text)
	}
	r.configure()
	r.wait("readiness", func() bool { code, _ := get(r.nanny.Readiness); return code == http.StatusOK })
	if code, text := get(r.nanny.Healthz); code != http.StatusOK || text != "ok\n" {
		t.Errorf("healthz: %d %s", code, text)
	}
	r.waitMetric("kubedns_nanny_dnsmasq_up 1")
	close(draining)
	if code, text := get(r.nanny.Readiness); code != http.StatusServiceUnavailable || text != "draining: about to stop\n" {
		t.Errorf("readiness while draining: %d %s", code, text)
	}
	r.stop()
	if code, _ := get(r.nanny.Healthz); code != http.StatusServiceUnavailable {
		t.Errorf("healthz after the end: %d, want 503", code)
	}
}

// TestStop: dnsmasq has ended when Run returns.
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
		"no port":   {func(o *Options) { o.KubeDNS = "127.0.0.1" }, `the address of kube-dns "127.0.0.1" is no host:port, such as 127.0.0.1:10053: address 127.0.0.1: missing port in address`},
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

var errRead = errors.New("input/output error")

// TestReadErrorLater: a directory that cannot be read changes nothing.
func TestReadErrorLater(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", nil)
	r.configure(stubs, `{"acme.test":["192.0.2.1"]}`)
	r.waitLog(1, answersLine)
	r.update(config.Update{Err: errRead})
	r.update(config.Update{Err: errRead})
	r.waitLog(2, "configuration refused, going on with the one in use")
	r.waitMetric(`kubedns_nanny_config_refused{reason="read"} 1`)
	r.waitMetric("kubedns_nanny_config_errors_total 2")
	if got, want := r.serversFile(), "/acme.test/192.0.2.1"; got != want {
		t.Errorf("servers %q, want %q", got, want)
	}
}
