package dnsmasq

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

func addrs(text string) []netip.Addr {
	var list []netip.Addr
	for word := range strings.FieldsSeq(text) {
		list = append(list, netip.MustParseAddr(word))
	}
	return list
}

func TestNames(t *testing.T) {
	type step struct {
		after   time.Duration
		found   string // empty: an error
		want    string
		changed bool
	}
	tests := map[string][]step{
		"found":              {{0, "192.0.2.1", "192.0.2.1", true}},
		"never found":        {{0, "", "", false}, {time.Hour, "", "", false}},
		"found in the end":   {{0, "", "", false}, {time.Second, "192.0.2.1", "192.0.2.1", true}},
		"the last good stay": {{0, "192.0.2.1", "192.0.2.1", true}, {time.Hour, "", "192.0.2.1", false}},
		"the same":           {{0, "192.0.2.1", "192.0.2.1", true}, {time.Hour, "192.0.2.1", "192.0.2.1", false}},
		"none of the old is left: at once": {
			{0, "192.0.2.1", "192.0.2.1", true}, {time.Second, "192.0.2.2", "192.0.2.2", true},
		},
		"some are left: not within five minutes": {
			{0, "192.0.2.1 192.0.2.2", "192.0.2.1 192.0.2.2", true},
			{4 * time.Minute, "192.0.2.2 192.0.2.3", "192.0.2.1 192.0.2.2", false},
			{time.Minute, "192.0.2.2 192.0.2.3", "192.0.2.2 192.0.2.3", true},
			{time.Minute, "192.0.2.3 192.0.2.4", "192.0.2.2 192.0.2.3", false},
		},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1000, 0)
			n := names{}
			n.keep([]string{"dns.test"})
			if !n.waiting() {
				t.Fatal("a new name is not waited for")
			}
			for i, step := range steps {
				now = now.Add(step.after)
				f := finding{host: "dns.test", addrs: addrs(step.found)}
				if step.found == "" {
					f.err = errors.New("NXDOMAIN")
				}
				if changed := n.observe(f, now, testLog(t)); changed != step.changed {
					t.Errorf("step %d: changed %v, want %v", i+1, changed, step.changed)
				}
				if got := n.lookup("dns.test"); !slices.Equal(got, addrs(step.want)) {
					t.Errorf("step %d: %v, want %s", i+1, got, step.want)
				}
				if n.waiting() {
					t.Errorf("step %d: still waiting", i+1)
				}
			}
		})
	}
}

func TestNamesKeep(t *testing.T) {
	n := names{}
	n.keep([]string{"a.test", "b.test"})
	n.observe(finding{host: "a.test", addrs: addrs("192.0.2.1")}, time.Unix(1000, 0), testLog(t))
	n.keep([]string{"a.test"})
	if n.waiting() {
		t.Error("a name that was there is new")
	}
	if n.observe(finding{host: "b.test", addrs: addrs("192.0.2.2")}, time.Unix(1000, 0), testLog(t)) {
		t.Error("a name that is no longer wanted changed")
	}
	if got := n.lookup("a.test"); len(got) != 1 {
		t.Errorf("a.test has %v, want its address", got)
	}
	if got := n.unresolved(); got != 0 {
		t.Errorf("%d names unresolved, want none", got)
	}
}

// TestNamesLog: an unresolvable name is logged once, until it resolves again.
func TestNamesLog(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	n := names{}
	n.keep([]string{"a.test"})
	for i, step := range []struct {
		found bool
		want  string
	}{
		{false, `level=ERROR msg="stub server left out: its name has no address yet, trying again" name=a.test err=NXDOMAIN`},
		{false, ""},
		{true, `level=INFO msg="stub server can be resolved again" name=a.test`},
		{true, ""},
		{false, `level=WARN msg="stub server cannot be resolved, keeping its last addresses" name=a.test err=NXDOMAIN`},
	} {
		f := finding{host: "a.test", addrs: addrs("192.0.2.1")}
		if !step.found {
			f.addrs, f.err = nil, errors.New("NXDOMAIN")
		}
		log.Reset()
		n.observe(f, time.Unix(1000, 0), logger)
		if _, got, _ := strings.Cut(strings.TrimSpace(log.String()), " "); got != step.want {
			t.Errorf("step %d: log %q, want %q", i+1, got, step.want)
		}
	}
}
