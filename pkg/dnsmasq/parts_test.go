package dnsmasq

import (
	"strconv"
	"testing"
	"time"
)

func TestClassify(t *testing.T) {
	tests := map[string]struct {
		line string
		kind lineKind
	}{
		"cannot read":   {"dnsmasq[7]: cannot read /state/servers.conf: Permission denied", lineBadFile},
		"bad line":      {"dnsmasq[7]: bad option at line 5 of /state/servers.conf", lineBadFile},
		"bad name":      {"dnsmasq[7]: Name or service not known at line 1 of /state/servers.conf", lineBadFile},
		"without a pid": {"dnsmasq: bad option at line 5 of /state/servers.conf", lineBadFile},
		"another file":  {"dnsmasq[7]: cannot read /etc/hosts: Permission denied", lineOther},
		"read":          {"dnsmasq[7]: read /state/servers.conf - 3 names", lineOther},
		"overload":      {"dnsmasq[7]: Maximum number of concurrent DNS queries reached (max: 150)", lineOverload},
		"overload, one": {"dnsmasq[7]: Maximum number of concurrent DNS queries to 192.0.2.1 reached (max: 150)",
			lineOverload},
		"loop":            {"dnsmasq[7]: NOT using nameserver 192.0.2.1#5353 - query loop detected", lineUnused},
		"loop, IPv6":      {"dnsmasq[7]: NOT using nameserver 2001:db8::1#53 - query loop detected", lineUnused},
		"local":           {"dnsmasq[7]: ignoring nameserver 127.0.0.1 - local interface", lineUnused},
		"used":            {"dnsmasq[7]: using nameserver 192.0.2.1#53 for domain a.test ", lineOther},
		"empty":           {"", lineOther},
		"a name, queried": {"dnsmasq[7]: query[A] cannot x /state/servers.conf from 127.0.0.1", lineOther},
		"a name at the end": {
			"dnsmasq[7]: possible DNS-rebind attack detected: dnsmasq: bad option at line 5 of /state/servers.conf", lineOther,
		},
		"a name that is a loop": {
			"dnsmasq[7]: possible DNS-rebind attack detected: NOT using nameserver 192.0.2.1#53 - query loop detected",
			lineOther,
		},
		"a name before it": {"dnsmasq[7]: forwarded NOT using nameserver 192.0.2.1#53 - query loop detected", lineOther},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if kind := classify(tt.line); kind != tt.kind {
				t.Errorf("got %v, want %v", kind, tt.kind)
			}
		})
	}
}

// FuzzClassify: lines with a name chosen by a client have no meaning.
func FuzzClassify(f *testing.F) {
	f.Add("cannot x /state/servers.conf: y")
	f.Add("bad option at line 5 of /state/servers.conf")
	f.Add("NOT using nameserver 192.0.2.1#53 - query loop detected")
	f.Fuzz(func(t *testing.T, name string) {
		for _, line := range []string{
			"dnsmasq[7]: query[A] " + name + " from 127.0.0.1", "dnsmasq[7]: forwarded " + name + " to 192.0.2.1",
			"dnsmasq[7]: possible DNS-rebind attack detected: " + name, "dnsmasq[7]: cached " + name + " is NXDOMAIN",
			"dnsmasq[7]: reply 192.0.2.1 is " + name, "dnsmasq[7]: config " + name + " is NODATA",
		} {
			if kind := classify(line); kind != lineOther {
				t.Errorf("%q is %v", line, kind)
			}
		}
	})
}

func TestShownLinesAreBounded(t *testing.T) {
	l := newLogLines(testLog(t), nil)
	shown := 0
	for i := range 3 * maxShown {
		for range 2 {
			if l.first(strconv.Itoa(i)) {
				shown++
			}
		}
	}
	if shown != maxShown {
		t.Errorf("%d lines shown, want %d", shown, maxShown)
	}
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
