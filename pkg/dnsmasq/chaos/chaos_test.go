package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

var sameAddrPort = cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })

// chaos replies to CHAOS TXT queries with the records in zone text, NXDOMAIN for other names. An
// empty value means no reply, "rcode:" that response code.
func chaos(t *testing.T, records map[string]string) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		text, ok := records[q.Question[0].Name]
		rcode, isCode := strings.CutPrefix(text, "rcode:")
		switch {
		case q.Question[0].Qclass != dns.ClassCHAOS || q.Question[0].Qtype != dns.TypeTXT || !ok:
			m.Rcode = dns.RcodeNameError
		case isCode:
			m.Rcode = dns.StringToRcode[rcode]
		case text == "":
			return
		default:
			m.Answer = dnstest.Records(t, text)
		}
		_ = w.WriteMsg(m)
	})
}

const goodCounters = `hits.bind. 0 CH TXT "11"
misses.bind. 0 CH TXT "22"
evictions.bind. 0 CH TXT "33"
insertions.bind. 0 CH TXT "44"
cachesize.bind. 0 CH TXT "1000"`

// counters are the records of goodCounters by name, with some replaced.
func counters(replaced ...string) map[string]string {
	records := map[string]string{}
	for line := range strings.Lines(goodCounters) {
		name, _, _ := strings.Cut(line, " ")
		records[name] = line
	}
	for i := 0; i < len(replaced); i += 2 {
		records[replaced[i]] = replaced[i+1]
	}
	return records
}

func TestQueryStats(t *testing.T) {
	tests := map[string]struct {
		records map[string]string
		want    Stats
		err     string
	}{
		"all there": {counters(), Stats{Hits: 11, Misses: 22, Evictions: 33, Insertions: 44, CacheSize: 1000}, ""},
		"large": {counters("hits.bind.", `hits.bind. 0 CH TXT "18446744073709551615"`),
			Stats{Hits: 1<<64 - 1, Misses: 22, Evictions: 33, Insertions: 44, CacheSize: 1000}, ""},
		"no number": {counters("misses.bind.", `misses.bind. 0 CH TXT "many"`), Stats{},
			`reply to misses.bind. CH TXT: "many" is not a decimal number`},
		"negative": {counters("misses.bind.", `misses.bind. 0 CH TXT "-1"`), Stats{},
			`reply to misses.bind. CH TXT: "-1" is not a decimal number`},
		"two strings": {counters("evictions.bind.", `evictions.bind. 0 CH TXT "1" "2"`), Stats{},
			`reply to evictions.bind. CH TXT: 2 strings, want one`},
		"two records": {counters("insertions.bind.", "insertions.bind. 0 CH TXT \"1\"\ninsertions.bind. 0 CH TXT \"2\""),
			Stats{}, `reply to insertions.bind. CH TXT: 2 answers, want one`},
		"another type": {counters("cachesize.bind.", "cachesize.bind. 0 CH A 192.0.2.1"), Stats{},
			`reply to cachesize.bind. CH TXT: the answer is not a TXT record`},
		"not implemented": {counters("hits.bind.", "rcode:NOTIMP"), Stats{}, `reply to hits.bind. CH TXT: NOTIMP`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := dnstest.NewServer(t, chaos(t, tt.records))
			got, err := QueryStats(t.Context(), server.Addr())
			if got != tt.want || errText(err) != tt.err {
				t.Errorf("got %+v, %v; want %+v, %s", got, err, tt.want, tt.err)
			}
			if _, answered := errors.AsType[*ReplyError](err); err != nil && !answered {
				t.Errorf("%T is not a *ReplyError", err)
			}
		})
	}
}

func TestQueryStatsInOrder(t *testing.T) {
	var asked []string
	server := dnstest.NewServer(t, dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		asked = append(asked, q.Question[0].Name)
		if !q.RecursionDesired {
			t.Error("RD is not set")
		}
		chaos(t, counters()).ServeDNS(w, q)
	}))
	if _, err := QueryStats(t.Context(), server.Addr()); err != nil {
		t.Fatal(err)
	}
	server.Close()
	want := []string{"hits.bind.", "misses.bind.", "evictions.bind.", "insertions.bind.", "cachesize.bind."}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
}

func TestQueryStatsWithoutReply(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	server := dnstest.NewServer(t, chaos(t, counters("hits.bind.", "")))
	_, err := QueryStats(ctx, server.Addr())
	if _, answered := errors.AsType[*ReplyError](err); err == nil || answered {
		t.Errorf("error %v, want one that is no ReplyError", err)
	}
}

func TestQueryServers(t *testing.T) {
	tests := map[string]struct {
		record string
		want   []Server
		err    string
	}{
		"three": {`servers.bind. 0 CH TXT "127.0.0.1#10053 12 3" "2001:db8::1#53 0 0" "fe80::1%eth0#53 1 0"`, []Server{
			{netip.MustParseAddrPort("127.0.0.1:10053"), 12, 3},
			{netip.MustParseAddrPort("[2001:db8::1]:53"), 0, 0},
			{netip.MustParseAddrPort("[fe80::1%eth0]:53"), 1, 0},
		}, ""},
		"more fields than we know": {`servers.bind. 0 CH TXT "192.0.2.1#53 1 2 3"`,
			[]Server{{netip.MustParseAddrPort("192.0.2.1:53"), 1, 2}}, ""},
		"no address": {`servers.bind. 0 CH TXT "dns#53 1 2"`, nil,
			`reply to servers.bind. CH TXT: "dns#53 1 2" does not begin with an address`},
		"no port": {`servers.bind. 0 CH TXT "192.0.2.1 1 2"`, nil,
			`reply to servers.bind. CH TXT: "192.0.2.1 1 2" has no number where one should be`},
		"no counters": {`servers.bind. 0 CH TXT "192.0.2.1#53"`, nil,
			`reply to servers.bind. CH TXT: "192.0.2.1#53" has no address and two counters`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			server := dnstest.NewServer(t, chaos(t, map[string]string{"servers.bind.": tt.record}))
			got, err := QueryServers(t.Context(), server.Addr())
			if diff := cmp.Diff(tt.want, got, sameAddrPort); diff != "" || errText(err) != tt.err {
				t.Errorf("error %v, servers (-want +got):\n%s", err, diff)
			}
		})
	}
}

// TestQueryRealDnsmasq: the counters are those of dnsmasq, even without servers, or with more than
// fit into a datagram.
func TestQueryRealDnsmasq(t *testing.T) {
	path := dnsmasqPath(t)
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("--server=/x%d.test/192.0.2.%d#5353", i, i+1))
	}
	tests := map[string]struct {
		args    []string
		servers int
	}{
		"no server": {nil, 0},
		"two servers": {[]string{"--server=192.0.2.1", "--server=/a.test/2001:db8::1#5353", "--server=/b.test/192.0.2.1"},
			2},
		"many servers": {many, 100},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			addr := dnstest.FreeAddr(t)
			runDnsmasq(t, path, addr, tt.args...)
			stats, err := QueryStats(t.Context(), addr.String())
			if err != nil || stats.CacheSize != 123 {
				t.Errorf("stats %+v, %v; want a cache size of 123", stats, err)
			}
			list, err := QueryServers(t.Context(), addr.String())
			if err != nil || len(list) != tt.servers {
				t.Errorf("%d servers, %v; want %d: %v", len(list), err, tt.servers, list)
			}
			if version, err := QueryVersion(t.Context(), addr.String()); err != nil || !strings.HasPrefix(version, "2.") {
				t.Errorf("version %q, %v; want 2.x", version, err)
			}
		})
	}
	t.Run("no ident", func(t *testing.T) {
		addr := dnstest.FreeAddr(t)
		runDnsmasq(t, path, addr, "--no-ident")
		_, err := QueryServers(t.Context(), addr.String())
		if refused, ok := errors.AsType[*ReplyError](err); !ok || refused.Rcode != dns.RcodeNotImplemented {
			t.Errorf("error %v, want NOTIMP", err)
		}
	})
}

// runDnsmasq runs a dnsmasq at addr until the end of the test, and returns when it replies.
func runDnsmasq(t *testing.T, path string, addr netip.AddrPort, args ...string) {
	t.Helper()
	cmd := exec.Command(path, slices.Concat([]string{
		"-k", "-C/dev/null", "--no-resolv", "--no-hosts", "--pid-file=", "--log-facility=-", "--cache-size=123",
		"--bind-interfaces", "--listen-address=127.0.0.1", fmt.Sprintf("--port=%d", addr.Port()),
	}, args)...)
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		_, err := QueryVersion(ctx, addr.String())
		if IsReply(err) {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("dnsmasq does not answer: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func FuzzParseServer(f *testing.F) {
	for _, seed := range []string{"192.0.2.1#53 12 0", "2001:db8::1#53 1 2", "fe80::1%eth0#53 1 2", "x#53 1 2", "",
		"192.0.2.1 1 2", "192.0.2.1#99999 1 2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseServer(text)
		if err == nil && !s.Address.IsValid() {
			t.Errorf("%q gives an invalid address", text)
		}
	})
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// dnsmasqPath returns the path of the real dnsmasq.
func dnsmasqPath(t testing.TB) string {
	t.Helper()
	const path = "/usr/sbin/dnsmasq"
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("dnsmasq must be installed for the tests: %v", err)
		}
		t.Skipf("dnsmasq is not installed (Debian: dnsmasq-base): %v", err)
	}
	return path
}
