package dnsmasq

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestClassify(t *testing.T) {
	const file = "/state/servers.conf"
	tests := map[string]struct {
		line   string
		kind   lineKind
		server string
	}{
		"cannot read":   {"dnsmasq[7]: cannot read /state/servers.conf: Permission denied", lineRefused, ""},
		"bad line":      {"dnsmasq[7]: bad option at line 5 of /state/servers.conf", lineRefused, ""},
		"bad name":      {"dnsmasq[7]: Name or service not known at line 1 of /state/servers.conf", lineRefused, ""},
		"another file":  {"dnsmasq[7]: cannot read /etc/hosts: Permission denied", lineOther, ""},
		"another path":  {"dnsmasq[7]: bad option at line 5 of /x/state/servers.conf", lineOther, ""},
		"read":          {"dnsmasq[7]: read /state/servers.conf - 3 names", lineOther, ""},
		"overload":      {"dnsmasq[7]: Maximum number of concurrent DNS queries reached (max: 150)", lineOverload, ""},
		"overload, one": {"dnsmasq[7]: Maximum number of concurrent DNS queries to 192.0.2.1 reached (max: 150)", lineOverload, ""},
		"loop":          {"dnsmasq[7]: NOT using nameserver 192.0.2.1#5353 - query loop detected", lineLoop, "192.0.2.1:5353"},
		"loop, IPv6":    {"dnsmasq[7]: NOT using nameserver 2001:db8::1#53 - query loop detected", lineLoop, "[2001:db8::1]:53"},
		"local":         {"dnsmasq[7]: ignoring nameserver 127.0.0.1 - local interface", lineLocal, "127.0.0.1:0"},
		"used":          {"dnsmasq[7]: using nameserver 192.0.2.1#53 for domain a.test ", lineOther, ""},
		"empty":         {"", lineOther, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			kind, server := classify(tt.line, file)
			text := ""
			if server.IsValid() {
				text = server.String()
			}
			if kind != tt.kind || text != tt.server {
				t.Errorf("got %v %q, want %v %q", kind, text, tt.kind, tt.server)
			}
		})
	}
}

func TestTally(t *testing.T) {
	a, b, c := netip.MustParseAddrPort("192.0.2.1:53"), netip.MustParseAddrPort("192.0.2.2:53"), netip.MustParseAddrPort("192.0.2.3:53")
	same := cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })
	var tally tally
	expect := func(what string, got, want any) {
		t.Helper()
		if diff := cmp.Diff(want, got, same); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	expect("first list", tally.add([]ServerStats{{a, 5, 1}, {b, 7, 0}}), []ServerStats{{a, 5, 1}, {b, 7, 0}})
	expect("growth", tally.add([]ServerStats{{a, 6, 1}, {b, 7, 2}}), []ServerStats{{a, 1, 0}, {b, 0, 2}})
	expect("gone at a reload", tally.rebase([]ServerStats{{c, 6, 1}, {b, 7, 2}}), []netip.AddrPort{a})
	expect("after a reload", tally.add([]ServerStats{{c, 8, 1}, {b, 7, 2}}), []ServerStats{{c, 2, 0}, {b, 0, 0}})
	tally.restart()
	expect("after a restart", tally.add([]ServerStats{{c, 9, 1}, {b, 1, 0}}), []ServerStats{{c, 9, 1}, {b, 1, 0}})
	expect("a counter that went down", tally.add([]ServerStats{{c, 3, 1}, {b, 1, 0}}), []ServerStats{{c, 3, 0}, {b, 0, 0}})
}

func TestStatus(t *testing.T) {
	now := time.Unix(1000, 0)
	var s status
	expect := func(want string) {
		t.Helper()
		if got := s.reason(now); got != want {
			t.Errorf("reason %q, want %q", got, want)
		}
	}
	s.wait("waiting for dnsmasq's first answer", now)
	now = now.Add(3 * time.Second)
	expect("waiting for dnsmasq's first answer (for 3s)")
	s.answered(now)
	expect("")
	now = now.Add(20 * time.Second)
	s.unanswered()
	s.unanswered()
	expect("")
	s.unanswered()
	expect("dnsmasq has not answered for 20s")
	s.answered(now)
	expect("")
}

func TestZombieOf(t *testing.T) {
	tests := map[string]struct {
		stat string
		pid  int
		ok   bool
	}{
		"ours":              {"42 (dnsmasq) Z 7 42 42 0", 42, true},
		"a name to confuse": {"42 (a) Z 9 (b)) Z 7 42", 42, true},
		"alive":             {"42 (dnsmasq) S 7 42 42 0", 0, false},
		"somebody else's":   {"42 (dnsmasq) Z 8 42 42 0", 0, false},
		"cut off":           {"42 (dnsmasq", 0, false},
		"empty":             {"", 0, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if pid, ok := zombieOf(7, tt.stat); pid != tt.pid || ok != tt.ok {
				t.Errorf("got %d, %v; want %d, %v", pid, ok, tt.pid, tt.ok)
			}
		})
	}
}
