package dnsmasq

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestStandIns(t *testing.T) {
	tests := map[string]struct{ args, list, domain, want string }{
		"default servers":                      {"", "/b.test/192.0.2.9 192.0.2.2 192.0.2.1", "a.test", "/a.test/192.0.2.2 /a.test/192.0.2.1"},
		"no default servers":                   {"", "/b.test/192.0.2.9", "a.test", ""},
		"a domain around it":                   {"", "/test/192.0.2.1 /x.test/192.0.2.2 /a.x.test/192.0.2.9 192.0.2.3", "b.x.test", "/b.x.test/192.0.2.2"},
		"a domain with the same ending":        {"", "/a.test/192.0.2.1 192.0.2.3", "aa.test", "/aa.test/192.0.2.3"},
		"domains below it":                     {"", "/x.a.test/192.0.2.1 192.0.2.3", "a.test", "/a.test/192.0.2.3"},
		"the arguments of the manifests":       {"--server=/cluster.local/127.0.0.1#10053 --server=/in-addr.arpa/127.0.0.1#10053", "192.0.2.1", "a.test", "/a.test/192.0.2.1"},
		"below a domain of the arguments":      {"--server=/cluster.local/127.0.0.1#10053", "192.0.2.1", "a.cluster.local", ""},
		"a domain of the arguments":            {"--server=/a.test/127.0.0.1#10053", "192.0.2.1", "a.test", ""},
		"above a domain of the arguments":      {"--server=/x.a.test/127.0.0.1#10053", "192.0.2.1", "a.test", "/a.test/192.0.2.1"},
		"a stub domain is closer":              {"--server=/test/127.0.0.1#10053", "/a.test/192.0.2.2 192.0.2.1", "x.a.test", "/x.a.test/192.0.2.2"},
		"the arguments are closer":             {"--server=/x.test/127.0.0.1#10053", "/test/192.0.2.2 192.0.2.1", "a.x.test", ""},
		"both are as close":                    {"--server=/test/127.0.0.1#10053", "/test/192.0.2.2 192.0.2.1", "a.test", ""},
		"a local domain":                       {"--local=/test/", "192.0.2.1", "a.test", ""},
		"an address":                           {"--address=/test/192.0.2.7", "192.0.2.1", "a.test", ""},
		"an address for everything":            {"--address=/#/192.0.2.7", "192.0.2.1", "a.test", ""},
		"a part of a name":                     {"--server=/*est/192.0.2.7", "192.0.2.1", "a.test", ""},
		"a default server of the arguments":    {"--server=192.0.2.7", "192.0.2.1", "a.test", ""},
		"one, and a domain around it":          {"--server=192.0.2.7", "/test/192.0.2.2 192.0.2.1", "a.test", "/a.test/192.0.2.2"},
		"reverse names":                        {"", "192.0.2.1", "10.in-addr.arpa", ""},
		"a plain name":                         {"", "192.0.2.1", "corp", "/corp/192.0.2.1"},
		"a plain name, which stays here":       {"--domain-needed", "192.0.2.1", "corp", ""},
		"a plain name, which has a server":     {"--server=//192.0.2.7", "192.0.2.1", "corp", ""},
		"plain names stay here, but not below": {"--domain-needed", "192.0.2.1", "a.test", "/a.test/192.0.2.1"},
		"validation":                           {"--dnssec", "192.0.2.1", "a.test", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			cmd, err := readCommandLine(strings.Fields(tt.args), "")
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(texts(cmd.standIns(servers(t, tt.list), tt.domain)), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestStandInsBounded: the lines of removed domains do not grow without bound;
// those that have been there longest leave, as lines without stand-ins do.
func TestStandInsBounded(t *testing.T) {
	const upstreams, removed = "192.0.2.1 192.0.2.2", 100
	now := time.Unix(1000, 0)
	r := begin(servers(t, upstreams), CommandLine{}, true)
	for i := range removed {
		now = now.Add(time.Minute)
		r = r.offer(servers(t, fmt.Sprintf("/d%d.test/192.0.2.9 %s", i, upstreams)), now)
	}
	if got, want := len(r.lines), 3+maxStandIns+2; got != want {
		t.Errorf("%d lines after %d domains, want %d: two are leaving", got, removed, want)
	}
	now = now.Add(lingerTime)
	r = r.offer(servers(t, upstreams), now)
	now = now.Add(lingerTime)
	r = r.offer(servers(t, upstreams), now)
	if got, want := len(r.lines), 2+maxStandIns; got != want {
		t.Errorf("%d lines in the end, want %d", got, want)
	}
	if got, want := r.gone[0], fmt.Sprintf("d%d.test", removed-maxStandIns/2); got != want {
		t.Errorf("the oldest domain that is left is %s, want %s", got, want)
	}
	if again := r.offer(servers(t, upstreams), now.Add(time.Minute)); !again.same(r) {
		t.Error("nothing changed, but the lines did")
	}
}

// TestStandInsAvoidLoops: a server that leads back to dnsmasq stands in for none.
func TestStandInsAvoidLoops(t *testing.T) {
	now := time.Unix(1000, 0)
	r := begin(servers(t, "/a.test/192.0.2.9 192.0.2.1 192.0.2.2"), CommandLine{}, true)
	list := servers(t, "192.0.2.1 192.0.2.2")
	r = r.avoiding(addresses(list[:1])).offer(list, now)
	if got, want := lines(r), "192.0.2.1 192.0.2.2 /a.test/192.0.2.2"; got != want {
		t.Errorf("lines %q, want %q", got, want)
	}
	r = r.avoiding(addresses(list)).offer(list, now)
	if got, want := lines(r), "192.0.2.1 192.0.2.2 /a.test/192.0.2.2"; got != want {
		t.Errorf("lines without a stand-in %q, want %q", got, want)
	}
	r = r.offer(list, now.Add(lingerTime))
	if got, want := lines(r), "192.0.2.1 192.0.2.2"; got != want {
		t.Errorf("lines in the end %q, want %q", got, want)
	}
}

// TestRemovedDomain: queries that wait for the server of a stub domain that is
// removed are answered by those that answer its names from now on, now and when
// these change, also when the first of them is silent; and a domain that comes
// back has its own servers.
func TestRemovedDomain(t *testing.T) {
	t.Parallel()
	for _, args := range []string{"", "--all-servers"} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			removedDomain(t, args)
		})
	}
}

func removedDomain(t *testing.T, args string) {
	t.Helper()
	silent := newSlowUpstream(t, "192.0.2.7", 6*time.Second) // later than the client waits
	one, two, around := newUpstream(t, "192.0.2.1"), newUpstream(t, "192.0.2.2"), newUpstream(t, "192.0.2.3")
	r := startNanny(t, args, nil)
	list := func(servers ...*upstream) string {
		var quoted []string
		for _, s := range servers {
			quoted = append(quoted, fmt.Sprintf("%q", s.Addr()))
		}
		return "[" + strings.Join(quoted, ",") + "]"
	}
	r.configure(stubs, `{"a.test":`+list(silent)+`}`, upstreams, list(one))
	r.waitLog(1, answersLine)
	round := 0
	// during asks the silent server, changes the configuration, and returns the
	// answers.
	during := func(keys ...string) []string {
		round++
		const queries = 10
		answers := make(chan string, queries)
		for i := range queries {
			go func() { answers <- r.answer(fmt.Sprintf("h%d.r%d.a.test.", i, round)) }()
		}
		for i := range queries {
			r.wait("the queries to arrive", func() bool { return silent.count(fmt.Sprintf("h%d.r%d.a.test.", i, round)) > 0 })
		}
		before := r.logged(confirmedLine)
		r.configure(keys...)
		r.waitLog(before+1, confirmedLine)
		var got []string
		for range queries {
			got = append(got, <-answers)
		}
		slices.Sort(got)
		return slices.Compact(got)
	}
	if got := during(upstreams, list(one)); !slices.Equal(got, []string{"192.0.2.1"}) {
		t.Errorf("answers when the domain goes: %v, want that of the upstream", got)
	}
	r.wait("the lines", func() bool { return r.serversFile() == one.text()+" /a.test/"+one.text() })

	// The upstreams change: they do for the domain too.
	r.configure(upstreams, list(silent))
	r.waitLog(2, confirmedLine)
	if got := during(upstreams, list(silent, two)); !slices.Equal(got, []string{"192.0.2.2"}) {
		t.Errorf("answers when a second upstream comes: %v, want its answer", got)
	}
	for i := range 5 {
		if got := r.answer(fmt.Sprintf("x%d.a.test.", i)); got != "192.0.2.2" {
			t.Errorf("answer behind a silent upstream: %s, want that of the other one", got)
		}
	}

	// A domain around it comes, and then the domain itself.
	r.configure(stubs, `{"test":`+list(around)+`}`, upstreams, list(two))
	r.waitAnswer("y.a.test.", "192.0.2.3")
	r.configure(stubs, `{"a.test":`+list(one)+`,"test":`+list(around)+`}`, upstreams, list(two))
	r.waitAnswer("z.a.test.", "192.0.2.1")
	if pids := r.pids(); len(pids) != 1 {
		t.Errorf("dnsmasq ran as %v, want one process", pids)
	}
}
