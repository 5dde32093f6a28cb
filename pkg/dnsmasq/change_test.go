package dnsmasq

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
	"github.com/kube-dns/kube-dns/internal/process/processtest"
)

const (
	confirmedLine   = `msg="changed servers without a restart" result=confirmed`
	unconfirmedLine = `msg="changed servers without a restart" result=unconfirmed`
	answersLine     = `msg="dnsmasq answers"`
)

// TestChangeWithoutRestart: stub domains and upstreams change while dnsmasq runs.
func TestChangeWithoutRestart(t *testing.T) {
	t.Parallel()
	a, b, c := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2"), newUpstream(t, "192.0.2.3")
	r := startNanny(t, "", nil)
	r.configure(keyStubs, fmt.Sprintf(`{"acme.test":["%s"]}`, a.Addr()), keyUpstreams, fmt.Sprintf(`["%s"]`, b.Addr()))
	r.waitAnswer("www.acme.test.", "192.0.2.1")
	r.waitAnswer("www.widget.test.", "192.0.2.2")

	r.configure(keyStubs, fmt.Sprintf(`{"widget.test":["%s"]}`, c.Addr()), keyUpstreams, fmt.Sprintf(`["%s"]`, a.Addr()))
	r.waitLog(1, confirmedLine)
	if got := r.answer("www.widget.test."); got != "192.0.2.3" {
		t.Errorf("the new stub domain answers %s, want 192.0.2.3", got)
	}
	want := fmt.Sprintf("/widget.test/%s %s", c.text(), a.text())
	if got := r.serversFile(); !strings.HasPrefix(got, want) {
		t.Errorf("servers file\n%s, want the new servers first\n%s", got, want)
	}
	r.wait("the old servers to go", func() bool { return r.serversFile() == want })
	r.waitLog(2, confirmedLine) // dnsmasq drops the queries sent to the old ones
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

// TestQueriesInFlight: queries pending at a removed server are answered, because dnsmasq retries or
// the server remains for a while.
func TestQueriesInFlight(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args  string
		extra bool // there is a second server at first
	}{
		"one server":          {"", false},
		"fewer servers":       {"", true},
		"strict order":        {"--strict-order", false},
		"strict order, fewer": {"--strict-order", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFlight(t, tt.args, tt.extra)
		})
	}
}

func inFlight(t *testing.T, args string, extra bool) {
	t.Helper()
	old, next := newSlowUpstream(t, "192.0.2.1", 2*time.Second), newUpstream(t, "192.0.2.2")
	r := startNanny(t, args, nil)
	first := fmt.Sprintf(`["%s"]`, old.Addr())
	if extra {
		second := newSlowUpstream(t, "192.0.2.1", 2*time.Second)
		first = fmt.Sprintf(`["%s","%s"]`, old.Addr(), second.Addr())
	}
	r.configure(keyUpstreams, first)
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
	r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, next.Addr()))
	r.waitLog(1, confirmedLine)
	asking.Wait()
	for i, got := range answers {
		if got != "192.0.2.1" && got != "192.0.2.2" {
			t.Errorf("query %d: %s, want an answer", i, got)
		}
	}
}

// TestNothingChanged: an equal configuration causes no signal.
func TestNothingChanged(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", nil)
	r.configure(keyUpstreams, `["192.0.2.1"]`)
	r.waitLog(1, answersLine)
	for i := range 3 {
		r.configure(keyUpstreams, `["192.0.2.1"]`, "federations", fmt.Sprintf("f%d=example.com", i))
	}
	r.configure(keyUpstreams, `["192.0.2.2"]`)
	r.waitLog(1, confirmedLine)
	if n := r.logged("read /etc/ethers|using nameserver 192.0.2.2#53"); n > 2 {
		t.Errorf("dnsmasq read its servers %d times, want one reload (two lines)", n)
	}
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestEarlyChange: in dnsmasq's first moments, when a SIGHUP would kill it, a change waits for its
// first reply.
func TestEarlyChange(t *testing.T) {
	t.Parallel()
	for i := range 5 {
		r := startNanny(t, "", nil)
		r.configure(keyUpstreams, `["192.0.2.1"]`)
		r.configure(keyUpstreams, `["192.0.2.2"]`)
		r.waitLog(1, answersLine)
		r.wait("the change", func() bool { return strings.HasPrefix(r.serversFile(), "192.0.2.2") })
		r.waitLog(1, confirmedLine)
		if err := r.stop(); err != nil || len(r.pids()) != 1 {
			t.Errorf("round %d: %v, processes %v", i, err, r.pids())
		}
	}
}

// TestNoSignalBeforeAnswer: a child that never replies gets no signal at all.
func TestNoSignalBeforeAnswer(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", func(o *Options) {
		o.LogInterval = 10 * time.Millisecond
		path, args := processtest.Command(t, "say=ready sleep=1s exit=0") // SIGUSR1 would kill it
		script := filepath.Join(publicDir(t), "dnsmasq")
		text := "#!/bin/sh\nexec " + path + " '" + strings.Join(args, "' '") + "' \"$@\"\n"
		if err := os.WriteFile(script, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		o.Exec = script
	})
	r.configure(keyUpstreams, `["192.0.2.1"]`)
	r.waitLog(1, "line=ready")
	r.configure(keyUpstreams, `["192.0.2.2"]`)
	r.waitLog(1, `msg="dnsmasq ended" .*status="exit code 0`)
	if n := r.logged(`status="signal`); n != 0 {
		t.Errorf("%d children died of a signal", n)
	}
}

// TestStrictOrder: with --strict-order the first server in the list is queried, even after a change
// of the order.
func TestStrictOrder(t *testing.T) {
	t.Parallel()
	a, b := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2")
	r := startNanny(t, "--strict-order", nil)
	r.configure(
		keyUpstreams, fmt.Sprintf(`["%s","%s"]`, b.Addr(), a.Addr()),
		keyStubs, fmt.Sprintf(`{"acme.test":["%s","%s"]}`, a.Addr(), b.Addr()),
	)
	r.waitAnswer("x.test.", "192.0.2.2")
	r.waitAnswer("x.acme.test.", "192.0.2.1")
	r.configure(
		keyUpstreams, fmt.Sprintf(`["%s","%s"]`, a.Addr(), b.Addr()),
		keyStubs, fmt.Sprintf(`{"acme.test":["%s","%s"]}`, b.Addr(), a.Addr()),
	)
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

// TestChangesAreOne: changes within a moment cause one reload.
func TestChangesAreOne(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", nil)
	r.configure()
	r.waitLog(1, answersLine)
	r.configure(keyStubs, `{"a.test":["192.0.2.1"]}`)
	r.configure(keyStubs, `{"b.test":["192.0.2.2"]}`)
	r.configure(keyStubs, `{"c.test":["192.0.2.3"]}`)
	r.waitLog(1, confirmedLine)
	if got, want := r.serversFile(), "/c.test/192.0.2.3"; got != want {
		t.Errorf("servers file %s, want %s", got, want)
	}
	if n := r.logged("192.0.2.1 for domain|192.0.2.1#53 for domain"); n != 0 {
		t.Error("the first of three changes was given to dnsmasq")
	}
}

// TestDifference: if dnsmasq does not use new servers, one line and a metric name them. There is no
// rollback, and the next change is tried again.
func TestDifference(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("dnsmasq changes its user only for root")
	}
	a, b := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2")
	r := startNanny(t, "", nil)
	r.configure(keyStubs, fmt.Sprintf(`{"acme.test":["%s"]}`, a.Addr()))
	r.waitAnswer("x.acme.test.", "192.0.2.1")
	r.waitLog(1, answersLine)
	if err := os.Chmod(r.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r.configure(keyStubs, fmt.Sprintf(`{"acme.test":["%s"]}`, b.Addr()))
	r.waitLog(1, `msg="dnsmasq's servers differ from those it was given" missing=\[`+b.Addr())
	r.waitMetric(`kubedns_nanny_reloads_total{result="different"} 1`)
	r.waitMetric(`kubedns_nanny_servers_differ 1`)
	if got, want := r.serversFile(), "/acme.test/"+b.text(); !strings.HasPrefix(got, want) {
		t.Errorf("servers file %s, want the new one, %s", got, want)
	}
	if err := os.Chmod(r.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.configure(keyStubs, fmt.Sprintf(`{"acme.test":["%s"],"other.test":["%s"]}`, b.Addr(), b.Addr()))
	r.waitLog(1, confirmedLine)
	r.waitMetric(`kubedns_nanny_servers_differ 0`)
	r.waitAnswer("y.other.test.", "192.0.2.2")
	if n := r.logged(`servers differ`); n != 1 {
		t.Errorf("the difference was logged %d times, want once", n)
	}
}

// TestUnconfirmed: a dnsmasq that does not reply to list queries gets its servers.
func TestUnconfirmed(t *testing.T) {
	t.Parallel()
	a := newUpstream(t, "192.0.2.1")
	r := startNanny(t, "--no-ident", nil)
	r.configure()
	r.waitLog(1, answersLine)
	r.configure(keyStubs, fmt.Sprintf(`{"acme.test":["%s"]}`, a.Addr()))
	r.waitLog(1, unconfirmedLine)
	r.waitAnswer("x.acme.test.", "192.0.2.1")
}

// TestOwnAddress: dnsmasq's own address is no server.
func TestOwnAddress(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", nil)
	r.configure()
	r.waitLog(1, answersLine)
	r.configure(keyStubs, fmt.Sprintf(`{"acme.test":["%s"]}`, r.addr))
	r.waitLog(1, confirmedLine)
	r.waitMetric(fmt.Sprintf(`kubedns_nanny_upstream_loop{domain="acme.test",server="%s"} 1`, r.addr))
}

// TestClientsChangeNothing: names that look like dnsmasq's complaints have no effect, during a
// start, a change, or later.
func TestClientsChangeNothing(t *testing.T) {
	t.Parallel()
	a, b := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2")
	r := startNanny(t, "--log-queries --stop-dns-rebind", nil)
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	file := filepath.Join(r.dir, serversName)
	asking.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			for _, name := range []string{
				"cannot\\032x\\032" + file + ":\\032y", "bad\\032option\\032at\\032line\\0321\\032of\\032" + file,
				fmt.Sprintf("NOT\\032using\\032nameserver\\03210.0.%d.%d#53\\032-\\032query\\032loop\\032detected",
					i/256%256, i%256),
			} {
				short, stop := context.WithTimeout(ctx, 100*time.Millisecond)
				_, _ = dnstest.TryExchange(short, r.addr.String(), dnstest.Query(dns.Fqdn(name), dns.TypeA), false)
				stop()
			}
		}
	})
	r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, a.Addr()))
	r.waitLog(1, answersLine)
	r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, b.Addr()))
	r.waitLog(1, confirmedLine)
	r.waitLog(100, `query loop detected`)
	if n := r.logged(`msg="[^"]*(cannot use its servers file|does not use a server|differ|restarting)`); n != 0 {
		t.Errorf("%d lines about what clients made up, want none", n)
	}
	r.waitMetric("kubedns_nanny_servers_file 1")
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestUnusableServer: a server that dnsmasq cannot use is dropped with one warning, and does not
// block other servers.
func TestUnusableServer(t *testing.T) {
	t.Parallel()
	path := filepath.Join(publicDir(t), "resolv.conf")
	put(t, path, "nameserver fe80::1%2\nnameserver 192.0.2.1\nnameserver 2001:db8::1%nowhere\nnameserver 224.0.0.1\n", 0)
	a := newUpstream(t, "192.0.2.1")
	r := startNanny(t, "", func(o *Options) { o.Args = append(o.Args[:len(o.Args)-1], "-r"+path) })
	r.configure()
	r.waitLog(1, answersLine)
	for i, domain := range []string{"a.test", "b.test"} {
		r.configure(keyStubs, fmt.Sprintf(`{"%s":["%s"]}`, domain, a.Addr()))
		r.waitLog(i+1, confirmedLine) // a query before it would wait for 192.0.2.1
		r.waitAnswer("x."+domain+".", "192.0.2.1")
	}
	if got, want := r.serversFile(), "/b.test/"+a.text()+" 192.0.2.1 2001:db8::1"; !strings.HasPrefix(got, want) {
		t.Errorf("servers file %s, want %s", got, want)
	}
	for _, server := range []string{"fe80::1%2", "224.0.0.1"} {
		if n := r.logged(`level=WARN msg="left out a server that dnsmasq cannot use" server=` + server + ` `); n != 1 {
			t.Errorf("%d warnings for %s, want one", n, server)
		}
	}
}

// TestFileCannotBeWritten: while the servers file cannot be written, dnsmasq keeps its servers. The
// change is applied later, without a restart.
func TestFileCannotBeWritten(t *testing.T) {
	t.Parallel()
	a, b := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2")
	r := startNanny(t, "", nil)
	r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, a.Addr()))
	r.waitAnswer("x.test.", "192.0.2.1")
	if err := os.Rename(r.dir, r.dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.dir, nil, 0o644); err != nil { // otherwise it is created again
		t.Fatal(err)
	}
	r.configure(keyUpstreams, fmt.Sprintf(`["%s"]`, b.Addr()))
	r.waitLog(1, "cannot write the servers file, dnsmasq keeps its servers; trying again")
	if got := r.answer("y.test."); got != "192.0.2.1" {
		t.Errorf("answer %s, want that of the old server", got)
	}
	if err := os.Remove(r.dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(r.dir+".away", r.dir); err != nil {
		t.Fatal(err)
	}
	r.waitLog(1, confirmedLine)
	r.wait("the new server", func() bool { return r.serversFile() == b.text() })
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestDirectoryRemoved: the directory of the servers file is recreated, and a change requires no
// restart.
func TestDirectoryRemoved(t *testing.T) {
	t.Parallel()
	a, b := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2")
	r := startNanny(t, "", nil)
	r.configure(keyStubs, fmt.Sprintf(`{"acme.test":["%s"]}`, a.Addr()))
	r.waitAnswer("x.acme.test.", "192.0.2.1")
	r.waitLog(1, answersLine)
	if err := os.RemoveAll(r.dir); err != nil {
		t.Fatal(err)
	}
	r.configure(keyStubs, fmt.Sprintf(`{"acme.test":["%s"]}`, b.Addr()))
	r.waitLog(1, confirmedLine)
	r.waitAnswer("y.acme.test.", "192.0.2.2")
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestRestartsOff: without -restartDnsmasq a change is only logged.
func TestRestartsOff(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", func(o *Options) { o.Restart = false })
	r.configure(keyStubs, `{"acme.test":["192.0.2.1"]}`)
	r.waitLog(1, answersLine)
	for _, server := range []string{"192.0.2.2", "192.0.2.3"} {
		r.configure(keyStubs, `{"acme.test":["`+server+`"]}`)
		r.waitMetric("kubedns_nanny_config_pending 1")
	}
	r.waitLog(2, "the configuration changed, but dnsmasq keeps the old one")
	if text := scrape(t, r.metrics); !regexp.MustCompile(`config_info{.*192\.0\.2\.1`).MatchString(text) {
		t.Errorf("config_info has a version that is not in use:\n%s", text)
	}
	r.waitLog(1, "-restartDnsmasq is not set: not adding limits to dnsmasq's arguments, not testing for loops")
	r.configure(keyStubs, `{"acme.test":["192.0.2.1"]}`)
	r.waitMetric("kubedns_nanny_config_pending 0")
	if n := r.logged(`started.*--server,?\s*/acme.test/192.0.2.1|started.*--server /acme.test/192.0.2.1`); n != 1 {
		t.Errorf("%d starts with the stub domain as an argument, want one", n)
	}
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}
