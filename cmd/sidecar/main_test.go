package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/kube-dns/kube-dns/internal/dnstest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"sidecar": main})
}

// TestScripts runs the stories in testdata against the real command. They know
// these variables:
//
//   - DNS and DNSPORT: a name server, see [answer]
//   - CLOSED: an address where nobody listens
//   - HTTP and HTTPPORT: a free address for the sidecar
func TestScripts(t *testing.T) {
	server := dnstest.NewServer(t, dns.HandlerFunc(answer))
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			http := dnstest.FreeAddr(t)
			env.Setenv("GOLDEN", testdata)
			env.Setenv("DNS", server.Addr())
			env.Setenv("DNSPORT", strconv.Itoa(int(server.AddrPort().Port())))
			env.Setenv("CLOSED", dnstest.FreeAddr(t).String())
			env.Setenv("HTTP", http.String())
			env.Setenv("HTTPPORT", strconv.Itoa(int(http.Port())))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":  cmdExits,
			"get":    cmdGet,
			"golden": cmdGolden,
			"term":   cmdTerm,
		},
	})
}

// answer plays kube-dns and dnsmasq: every name has an SRV record, except those
// that begin with waiting (no data yet), broken (SERVFAIL) and silent; and
// there are dnsmasq's counters.
func answer(w dns.ResponseWriter, q *dns.Msg) {
	name := q.Question[0].Name
	m := new(dns.Msg).SetReply(q)
	switch label, _, _ := strings.Cut(name, "."); {
	case q.Question[0].Qclass == dns.ClassCHAOS:
		m.Answer = append(m.Answer, &dns.TXT{
			Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: dns.ClassCHAOS},
			Txt: []string{map[string]string{
				"hits": "11", "misses": "22", "evictions": "33", "insertions": "44", "cachesize": "1000",
				"servers": "192.0.2.1#53 7 1",
			}[label]},
		})
	case label == "silent":
		return
	case label == "broken":
		m.Rcode = dns.RcodeServerFailure
	case label == "waiting":
		m.Rcode = dns.RcodeServerFailure
		m.SetEdns0(1232, false)
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_EDE{InfoCode: dns.ExtendedErrorCodeNotReady})
	default:
		m.Answer = append(m.Answer, &dns.SRV{
			Hdr:    dns.RR_Header{Name: name, Rrtype: dns.TypeSRV, Class: dns.ClassINET, Ttl: 30},
			Target: "a." + name,
		})
	}
	_ = w.WriteMsg(m)
}

// cmdExits runs a command that must end with the given code:
//
//	exits CODE command [args...]
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command [args...]")
	}
	got, err := 0, ts.Exec(args[1], args[2:]...)
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if want := args[0]; strconv.Itoa(got) != want {
		ts.Fatalf("exit code %d, want %s", got, want)
	}
}

// cmdGet asks for a URL until the status is right and every pattern matches the
// body, which becomes the output:
//
//	get STATUS URL [pattern...]
func cmdGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: get status url [pattern...]")
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		status, body, err := fetch(args[1])
		missing := ""
		for _, pattern := range args[2:] {
			if !regexp.MustCompile("(?m)" + pattern).MatchString(body) {
				missing = pattern
			}
		}
		if err == nil && strconv.Itoa(status) == args[0] && missing == "" {
			fmt.Fprint(ts.Stdout(), body)
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("status %d, error %v, no match for %q in\n%s", status, err, missing, body)
		}
	}
}

func fetch(url string) (status int, body string, err error) {
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	resp, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// cmdGolden compares a file, or stdout, with one in testdata. Lines that match
// the pattern are left out:
//
//	golden FILE GOLDEN [pattern]
func cmdGolden(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: golden file golden [pattern]")
	}
	got := ts.ReadFile(args[0])
	if len(args) > 2 {
		got = regexp.MustCompile("(?m)^.*"+args[2]+".*\n").ReplaceAllString(got, "")
	}
	golden := filepath.Join(ts.Getenv("GOLDEN"), args[1])
	if *update {
		ts.Check(os.WriteFile(golden, []byte(got), 0o644))
	}
	want, err := os.ReadFile(golden)
	ts.Check(err)
	if diff := cmp.Diff(string(want), got); diff != "" {
		ts.Fatalf("%s differs (-want +got); go test -update rewrites it if this is meant:\n%s", golden, diff)
	}
}

// cmdTerm sends SIGTERM to what runs in the background.
func cmdTerm(ts *testscript.TestScript, _ bool, _ []string) {
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(syscall.SIGTERM))
	}
}
