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
		found   string // nothing: an error
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
				f := finding{addrs: addrs(step.found)}
				if step.found == "" {
					f.err = errors.New("NXDOMAIN")
				}
				if changed := n.observe("dns.test", f, now); changed != step.changed {
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
	n.observe("a.test", finding{addrs: addrs("192.0.2.1")}, time.Unix(1000, 0))
	n.keep([]string{"a.test"})
	if n.waiting() {
		t.Error("a name that was there is new")
	}
	if n.observe("b.test", finding{addrs: addrs("192.0.2.2")}, time.Unix(1000, 0)) {
		t.Error("a name that is no longer wanted changed")
	}
	if got := n.lookup("a.test"); len(got) != 1 {
		t.Errorf("a.test has %v, want its address", got)
	}
	if got := n.unresolved(); got != 0 {
		t.Errorf("%d names unresolved, want none", got)
	}
}

// TestNameTrouble: names that fail are one line, and again only when they are others.
func TestNameTrouble(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	n, trouble := names{}, nameTrouble{}
	all := []string{"a.test", "b.test", "c.test", "d.test", "e.test"}
	steps := []struct {
		keep  []string
		found string // names with an address; the others fail
		want  string
	}{
		{all, "e.test", `level=ERROR msg="stub servers left out: their names have no address yet, trying again" count=4 ` +
			`names="[a.test b.test c.test]" err="no reply for a.test"` + "\n"},
		{all, "e.test", ""},
		{all, "a.test c.test e.test", `level=INFO msg="stub servers can be resolved again" count=2 names="[a.test c.test]"` +
			"\n" +
			`level=ERROR msg="stub servers left out: their names have no address yet, trying again" count=2 ` +
			`names="[b.test d.test]" err="no reply for b.test"` + "\n"},
		{all, "a.test e.test", `level=WARN msg="stub servers cannot be resolved, keeping their last addresses" count=1 ` +
			`names=[c.test] err="no reply for c.test"` + "\n"},
		{all[:1], "a.test", ""},
		{all[:2], "a.test", `level=ERROR msg="stub servers left out: their names have no address yet, trying again" count=1 ` +
			`names=[b.test] err="no reply for b.test"` + "\n"},
	}
	for i, step := range steps {
		n.keep(step.keep)
		for _, host := range step.keep {
			f := finding{host: host, addrs: addrs("192.0.2.1")}
			if !slices.Contains(strings.Fields(step.found), host) {
				f.addrs, f.err = nil, errors.New("no reply for "+host)
			}
			n.observe(host, f, time.Unix(1000, 0))
		}
		log.Reset()
		trouble.report(n, logger)
		if got := log.String(); got != step.want {
			t.Errorf("step %d: log\n%swant\n%s", i+1, got, step.want)
		}
	}
}
