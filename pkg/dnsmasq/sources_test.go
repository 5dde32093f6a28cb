package dnsmasq

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/pkg/config"
	"github.com/kube-dns/kube-dns/pkg/dnsmasq/upstreams"
)

// TestResolvConfFollowed: without upstreams of the configuration, those of resolv.conf are rendered
// and followed. Switching requires no restart.
func TestResolvConfFollowed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(publicDir(t), "resolv.conf")
	put(t, path, "nameserver 192.0.2.1\nnameserver 192.0.2.2\n", 0)
	r := startNanny(t, "", func(o *Options) { o.Args = append(o.Args[:len(o.Args)-1], "-r"+path) })
	r.configure()
	r.waitLog(1, answersLine)
	if got, want := r.serversFile(), "192.0.2.1 192.0.2.2"; got != want {
		t.Errorf("servers %q, want %q", got, want)
	}
	steps := []struct {
		do   func()
		want string
		n    int // number of changes to these servers
	}{
		{func() { put(t, path, "nameserver 192.0.2.1\nnameserver 192.0.2.3\n", time.Second) }, "192.0.2.1 192.0.2.3", 1},
		{func() { r.configure(keyUpstreams, `["192.0.2.9"]`) }, "192.0.2.9", 1},
		{func() { r.configure() }, "192.0.2.1 192.0.2.3", 2},
	}
	for _, step := range steps {
		step.do()
		r.waitLog(step.n, confirmedLine+` servers="?\[`+step.want+`\]`)
	}
	r.wait("removed servers to go", func() bool { return r.serversFile() == "192.0.2.1 192.0.2.3" })
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestOwnUpstreams: with a server in the arguments, dnsmasq still reads resolv.conf. Upstreams of
// the configuration then require a restart.
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
	r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, other.Addr()))
	r.waitLog(2, answersLine)
	if n := r.logged(`started.*--no-resolv`); n != 1 {
		t.Errorf("%d starts with --no-resolv, want one", n)
	}
	r.waitMetric(`kubedns_nanny_dnsmasq_starts_total{reason="change"} 1`)
}

// TestNamedStubServer: a stub server given by name is added when kube-dns has it, and follows its
// address.
func TestNamedStubServer(t *testing.T) {
	t.Parallel()
	kubeDNS := dnstest.NewServer(t, clusterDNS(t))
	r := startNanny(t, "--server=/cluster.test/"+upstreams.Server{Addr: kubeDNS.AddrPort()}.String(), func(o *Options) {
		o.KubeDNS = kubeDNS.Addr()
		o.NamePeriod = 20 * time.Millisecond
	})
	r.configure(keyStubs, `{
		"acme.test": ["dns.acme.svc.cluster.test"],
		"widget.test": ["none.acme.svc.cluster.test", "192.0.2.1"]
	}`)
	const want = "/acme.test/192.0.2.8 /acme.test/192.0.2.9 /acme.test/2001:db8::8 /widget.test/192.0.2.1"
	r.wait("the addresses", func() bool { return r.serversFile() == want })
	r.waitLog(1, `stub server left out.* name=none.acme.svc.cluster.test`)
	r.waitMetric("kubedns_nanny_unresolved_names 1")
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestSilentResolver: a change without names does not wait for names with a silent server. Each
// fails with one line, and is added when the server replies.
func TestSilentResolver(t *testing.T) {
	t.Parallel()
	const count = 100
	var replies atomic.Bool
	var mu sync.Mutex
	asked := map[string]bool{}
	kubeDNS := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		mu.Lock()
		asked[q.Question[0].Name] = true
		mu.Unlock()
		if !replies.Load() {
			return
		}
		m := new(dns.Msg).SetReply(q)
		if q.Question[0].Qtype == dns.TypeA {
			m.Answer = dnstest.Records(t, q.Question[0].Name+" 30 A 192.0.2.9")
		}
		_ = w.WriteMsg(m)
	}))
	stubs := map[string][]string{}
	for i := range count {
		stubs[fmt.Sprintf("domain%d.test", i)] = []string{fmt.Sprintf("ns%d.cluster.test", i)}
	}
	text := func() string {
		b, err := json.Marshal(stubs)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	r := startNanny(t, "--server=/cluster.test/"+upstreams.Server{Addr: kubeDNS.AddrPort()}.String(), func(o *Options) {
		o.KubeDNS, o.NamePeriod = kubeDNS.Addr(), 20*time.Millisecond
	})
	r.configure(keyStubs, text())
	r.waitLog(1, answersLine)
	r.wait("all names to be asked", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(asked) >= count
	})

	stubs["acme.test"] = []string{"192.0.2.1"}
	r.configure(keyStubs, text())
	r.waitLog(1, confirmedLine)
	if got, want := r.serversFile(), "/acme.test/192.0.2.1"; got != want {
		t.Errorf("servers %q, want %q", got, want)
	}
	r.waitMetric(fmt.Sprintf("kubedns_nanny_unresolved_names %d", count))
	r.waitLog(count, `level=ERROR msg="stub server left out.* name=\S+ err=`)
	if n := r.logged("level=ERROR"); n != count {
		t.Errorf("%d errors in the log, want one for each name", n)
	}

	replies.Store(true)
	r.waitMetric("kubedns_nanny_unresolved_names 0")
	r.wait("all servers", func() bool { return strings.Count(r.serversFile(), "/192.0.2.9") == count })
}

// TestNamedStubServerAsArgument: if servers are arguments, the first start waits for the look-up of
// their names.
func TestNamedStubServerAsArgument(t *testing.T) {
	t.Parallel()
	kubeDNS := dnstest.NewServer(t, clusterDNS(t))
	r := startNanny(t, "--server=/cluster.test/"+upstreams.Server{Addr: kubeDNS.AddrPort()}.String(), func(o *Options) {
		o.KubeDNS, o.Restart = kubeDNS.Addr(), false
	})
	r.configure(keyStubs, `{"acme.test":["dns.acme.svc.cluster.test"]}`)
	r.waitLog(1, `using nameserver 2001:db8::8#53 for domain acme.test`)
}

// TestLastGoodConfiguration: an invalid configuration at startup does not drop the stub domains of
// the last valid one.
func TestLastGoodConfiguration(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	named := func(o *Options) { o.StateDir = dir }
	r := startNanny(t, "", named)
	r.configure(keyStubs, `{"acme.test":["192.0.2.1"]}`)
	r.waitLog(1, answersLine)
	invalid := config.Update{Version: "2", Err: &config.KeyError{Key: keyStubs, Reason: "bad"}}
	for n := range 2 { // the second time, too
		r.update(invalid)
		r.waitLog(n+1, "configuration refused")
		r.waitMetric(`kubedns_nanny_config_refused{reason="stubDomains"} 1`)
	}
	_ = r.stop()

	r = startNanny(t, "", named)
	r.update(invalid)
	r.waitLog(1, answersLine)
	if got, want := r.serversFile(), "/acme.test/192.0.2.1"; got != want {
		t.Errorf("servers %q, want %q", got, want)
	}
	r.waitMetric(`kubedns_nanny_config_info{source="last_good",version="` +
		config.Version(config.Format(parse(t, keyStubs, `{"acme.test":["192.0.2.1"]}`))) + `"} 1`)
	r.waitMetric(`kubedns_nanny_config_refused{reason="stubDomains"} 1`)
	r.configure()
	r.waitLog(1, "configuration changed")
	r.wait("no refusal", func() bool { return !strings.Contains(scrape(t, r.metrics), "config_refused{") })
	_ = r.stop()

	// A missing directory is no mistake: it means no configuration.
	r = startNanny(t, "", named)
	r.update(config.Update{Err: fmt.Errorf("read config directory: %w", os.ErrNotExist)})
	r.waitLog(1, answersLine)
	if got := r.serversFile(); got != "" {
		t.Errorf("servers %q, want none", got)
	}
}

// TestLastGoodReadOnly: in a directory that cannot be locked, the last good configuration is read
// and not written.
func TestLastGoodReadOnly(t *testing.T) {
	t.Parallel()
	dir := publicDir(t)
	const kept = `{"stubDomains": "{\"acme.test\":[\"192.0.2.1\"]}"}`
	writeFiles(t, dir, map[string]string{lastGoodName: kept})
	if err := os.Symlink("elsewhere", filepath.Join(dir, lockName)); err != nil { // root can write anywhere
		t.Fatal(err)
	}
	r := startNanny(t, "", func(o *Options) { o.StateDir = dir })
	r.update(config.Update{Version: "2", Err: &config.KeyError{Key: keyStubs, Reason: "bad"}})
	r.waitLog(1, answersLine)
	if got, want := r.serversFile(), "/acme.test/192.0.2.1"; got != want {
		t.Errorf("servers %q, want %q", got, want)
	}
	r.configure(keyStubs, `{"acme.test":["192.0.2.2"]}`)
	r.waitLog(1, confirmedLine)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, lastGoodName)); err != nil || string(b) != kept {
		t.Errorf("last good configuration %s, %v; want the old one", b, err)
	}
	if n := r.logged("level=WARN msg=\"cannot save the last good configuration"); n != 1 {
		t.Errorf("%d warnings, want one", n)
	}
}

var errRead = errors.New("input/output error")

// TestReadErrorLater: a directory that cannot be read changes nothing.
func TestReadErrorLater(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", nil)
	r.configure(keyStubs, `{"acme.test":["192.0.2.1"]}`)
	r.waitLog(1, answersLine)
	r.update(config.Update{Err: errRead})
	r.update(config.Update{Err: errRead})
	r.waitLog(2, "cannot read the configuration, the one in use stays")
	r.waitMetric(`kubedns_nanny_config_refused{reason="read"} 1`)
	r.waitMetric("kubedns_nanny_config_errors_total 2")
	if got, want := r.serversFile(), "/acme.test/192.0.2.1"; got != want {
		t.Errorf("servers %q, want %q", got, want)
	}
}

// TestStepsBack: if the servers file cannot work, servers are arguments, and one line has the
// reason.
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
		"a servers file in the arguments": {"--servers-file=" + dir + "/servers", nil, "has a --servers-file already: " +
			dir + "/servers"},
		"a servers file, cut":            {"--servers " + dir + "/servers", nil, "has a --servers-file already"},
		"a servers file in another file": {"-C" + dir + "/own.conf", nil, "has a --servers-file already"},
		"no directory": {"", func(o *Options) { o.MemoryDir, o.StateDir = dir+"/none", dir+"/file/x" },
			"no directory for the servers file: stat .*/none.*, and no state directory"},
		"directories dnsmasq cannot enter": {"", func(o *Options) { o.MemoryDir, o.StateDir = closed, closed+"/x" },
			"dnsmasq's user nobody cannot enter " + closed + ".*cannot enter " + closed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(tt.why, "cannot enter") && os.Geteuid() != 0 {
				t.Skip("dnsmasq changes its user only for root")
			}
			a, b := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2")
			r := startNanny(t, tt.args, tt.change)
			r.configure(keyStubs, fmt.Sprintf(`{"acme.test":["%s"]}`, a.Addr()))
			r.waitAnswer("x.acme.test.", "192.0.2.1")
			r.configure(keyStubs, fmt.Sprintf(`{"acme.test":["%s"]}`, b.Addr()))
			r.waitAnswer("x.acme.test.", "192.0.2.2")
			if n := r.logged(`msg="dnsmasq gets its servers as arguments.*` + tt.why); n != 1 {
				t.Errorf("%d log lines say why, want one", n)
			}
			r.waitMetric("kubedns_nanny_servers_file 0")
			r.waitMetric(`kubedns_nanny_dnsmasq_starts_total{reason="change"} 1`)
		})
	}
}

// TestNoMemory: without a directory in memory, the servers file is in the state directory, and one
// line has the reason.
func TestNoMemory(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", func(o *Options) { o.MemoryDir, o.StateDir = "/none", publicDir(t) })
	r.dir = r.nanny.opts.StateDir
	r.configure(keyUpstreams, `["192.0.2.1"]`)
	r.waitLog(1, answersLine)
	r.configure(keyUpstreams, `["192.0.2.2"]`)
	r.waitLog(1, confirmedLine)
	if got, want := r.serversFile(), "192.0.2.2 192.0.2.1"; got != want {
		t.Errorf("servers %q, want %q", got, want)
	}
	if n := r.logged(`dnsmasq's servers file is in the state directory.*err=.*/none.*no such file or directory`); n != 1 {
		t.Errorf("%d log lines say why, want one", n)
	}
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestServersFileNotTaken: a dnsmasq that does not read the servers file at its start gets its
// servers as arguments.
func TestServersFileNotTaken(t *testing.T) {
	t.Parallel()
	a := newUpstream(t, "192.0.2.1")
	r := startNanny(t, "", func(o *Options) {
		o.Exec = wrapped(t, `for a; do shift; case $a in --servers-file=*) ;; *) set -- "$@" "$a" ;; esac; done`)
	})
	r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, a.Addr()))
	r.waitAnswer("x.test.", "192.0.2.1")
	r.waitMetric(`kubedns_nanny_dnsmasq_starts_total{reason="fallback"} 1`)
	r.waitMetric("kubedns_nanny_servers_file 0")
	if n := r.logged("gets its servers as arguments from now on.*did not read the servers file at its start"); n != 1 {
		t.Errorf("%d log lines say so, want one", n)
	}
	if n := r.logged("restarting dnsmasq"); n != 1 {
		t.Errorf("restarted %d times, want once", n)
	}
}

// wrapped writes a program that runs the real dnsmasq after a piece of shell script.
func wrapped(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(publicDir(t), "dnsmasq")
	if err := os.WriteFile(path, []byte("#!/bin/bash\n"+script+"\nexec "+dnsmasqPath(t)+" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
