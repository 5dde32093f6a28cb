package dnsmasq

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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
	want := fmt.Sprintf("/widget.test/%s %s /acme.test/%s", c.text(), a.text(), a.text())
	if got := r.serversFile(); got != want {
		t.Errorf("servers file\n%s, want the new upstream for the old domain too\n%s", got, want)
	}
	for _, name := range []string{"other.test.", "www.acme.test."} {
		if got := r.answer(name); got != "192.0.2.1" {
			t.Errorf("the new upstream answers %s for %s, want 192.0.2.1", got, name)
		}
	}
	r.waitMetric(`kubedns_nanny_reloads_total{result="confirmed"} 1`)
	if err := r.stop(); err != nil {
		t.Errorf("stopped with %v", err)
	}
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}

// TestQueriesInFlight: queries that wait for a server that is no longer wanted
// are answered, because dnsmasq asks again or the server stays for a while.
func TestQueriesInFlight(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args  string
		extra bool // a second server is there at first
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
	r.configure(upstreams, first)
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

// TestChangesAreOne: changes within a moment are one reload.
func TestChangesAreOne(t *testing.T) {
	t.Parallel()
	r := startNanny(t, "", nil)
	r.configure()
	r.waitLog(1, answersLine)
	r.configure(stubs, `{"a.test":["192.0.2.1"]}`)
	r.configure(stubs, `{"b.test":["192.0.2.2"]}`)
	r.configure(stubs, `{"c.test":["192.0.2.3"]}`)
	r.waitLog(1, confirmedLine)
	if got, want := r.serversFile(), "/c.test/192.0.2.3"; got != want {
		t.Errorf("servers file %s, want %s", got, want)
	}
	if n := r.logged("192.0.2.1 for domain|192.0.2.1#53 for domain"); n != 0 {
		t.Error("the first of three changes was given to dnsmasq")
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

// TestTakenBack: a dnsmasq that has none of the new servers, and does not say
// why, gets the old ones again: once.
func TestTakenBack(t *testing.T) {
	t.Parallel()
	a, b := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2")
	r := startNanny(t, "", func(o *Options) {
		o.Exec = wrapped(t, `for a; do shift; case $a in --servers-file=*) cp "${a#*=}" "${a#*=}.copy"; set -- "$@" "$a.copy" ;; *) set -- "$@" "$a" ;; esac; done`)
	})
	r.configure(upstreams, fmt.Sprintf(`["%s"]`, a.Addr()))
	r.waitLog(1, answersLine)
	r.configure(upstreams, fmt.Sprintf(`["%s"]`, b.Addr()))
	r.waitLog(1, `msg="new servers taken back" reason="dnsmasq has none of the new servers after 2 s"`)
	r.waitMetric(`kubedns_nanny_reloads_total{result="rolled_back"} 1`)
	r.configure(upstreams, fmt.Sprintf(`["%s"]`, b.Addr()), "federations", "f=example.com")
	r.waitLog(3, `msg="?configuration`) // the same servers: no second try
	time.Sleep(2 * settleTime)
	if got := r.serversFile(); got != a.text() {
		t.Errorf("servers file %s, want the old one", got)
	}
	if n := r.logged("taken back"); n != 1 {
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
